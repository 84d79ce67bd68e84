"""Grades stored generations again, and carries the new scores into results files; needs no GPU."""
