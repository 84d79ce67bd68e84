"""Flows: what is sent and in which order; `clearml_provider.client` carries them to the server."""
