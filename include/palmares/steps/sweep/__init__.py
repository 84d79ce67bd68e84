"""Tasks of the sweep: from a request file to published results."""
