"""What the DAGs share with Airflow: connections, callbacks, and the leaderboard's policy for endings."""
