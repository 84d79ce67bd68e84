"""Rows of evaluation details: what was asked, what was expected, what the model wrote."""
