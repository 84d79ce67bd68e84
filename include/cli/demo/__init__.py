"""The demo's steps: trigger the sweep, follow it, show the leaderboard."""
