"""From a request file to a submission that is pinned, checked and keyed."""
