"""What a leaderboard is: plain Python that never imports airflow."""
