"""The lm-eval task: what the suite hash covers."""
