"""The demo: tiny models, small datasets, twelve requests, and the scripts that make them."""
