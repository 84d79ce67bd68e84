"""One module a family of commands; each has a `register(app)`."""
