"""Requests one by one: submit, list, describe, moderate, decide about one on hold."""
