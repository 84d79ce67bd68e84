"""The embedded default: the services, supervisor, demo and installer of a checkout; no part of the wheel."""
