"""A ClearML-compatible API server, file server and read-only web page, for one machine."""
