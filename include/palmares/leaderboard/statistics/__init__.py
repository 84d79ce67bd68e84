"""What the rows of two or more models allow to be said about them: differences, their intervals, ranks."""
