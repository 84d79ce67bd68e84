"""A part of a details file."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Consecutive rows of a parquet file."""

    row_groups: tuple[int, ...]
    """Consecutive."""
    first_row: int
    """Of the first row, in the file; for messages and for rows without an id."""
    skip: int = 0
    """Rows at the head of the first group that are another span's."""
    rows: int | None = None
    """At most so many; None: to the end of the last group."""
