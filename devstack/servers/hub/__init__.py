"""The Hub-compatible server of the embedded default: datasets and small models, state in SQLite."""
