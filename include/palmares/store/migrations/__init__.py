"""Alembic's migrations of our database."""
