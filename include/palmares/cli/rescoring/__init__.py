"""What `palmares rescore` and `palmares grade` show and write."""
