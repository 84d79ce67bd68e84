"""What `palmares plan` reads, answers and shows."""
