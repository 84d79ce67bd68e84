"""What each task of the DAGs does, in plain Python: puts domain, store and hub together."""
