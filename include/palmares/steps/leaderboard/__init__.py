"""The leaderboard as a whole: its standings, and what is published of it."""
