"""GPQA-fr: expert questions with four choices."""
