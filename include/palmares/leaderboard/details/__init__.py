"""Rows of evaluation details: what was asked, what was expected, what the model wrote."""

from __future__ import annotations

from palmares.leaderboard.details.rows import iterate_details, read_details

__all__ = ["iterate_details", "read_details"]
