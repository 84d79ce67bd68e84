"""The lm-eval tasks of this leaderboard: what is hashed into the suite's hash."""
