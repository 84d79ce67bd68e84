"""The public pages of a leaderboard and their API, made from public data only."""
