"""Benchmarks: one folder each, with all that is true of that benchmark alone."""
