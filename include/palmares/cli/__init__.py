"""The `palmares` command."""
