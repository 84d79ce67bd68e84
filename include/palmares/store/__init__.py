"""All durable state: one PostgreSQL database of ours, and raw outputs under `storage_url`."""
