"""The rate that a check counted, with its limit and the ids of a few rows; never a text."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Literal

MOST_IDS = 5
"""Rows that are named as evidence."""
FEW_ROWS = 20
"""From here on a limit that is no zero lets at least one row through."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """How many rows, of how many, and how many may be."""

    name: str
    meaning: str
    """In words, for messages."""
    of: Literal["scorer", "answers"]
    count: int
    rows: int
    """On which the verdict is certain."""
    least: int | None = None
    """None: no floor."""
    most: int | None = None
    """None: no ceiling."""
    row_ids: tuple[str, ...] = ()
    """Of the rows that speak against it."""

    @property
    def breached(self) -> bool:
        return (self.least is not None and self.count < self.least) or (
            self.most is not None and self.count > self.most
        )

    @property
    def brief(self) -> str:
        """Name and rate, for a log."""
        return f"{self.name} {self.count}/{self.rows}"

    @property
    def sentence(self) -> str:
        """The rate with its limit and its evidence."""
        limit = ""
        if self.least is not None:
            limit = f", at least {self.least}"
        elif self.most is not None:
            limit = f", at most {self.most}"
        rows = f" (rows {', '.join(self.row_ids)})" if self.row_ids else ""
        return f"{self.name}: {self.meaning} {self.count} of {self.rows}{limit}{rows}"

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"row_ids": list(self.row_ids), "breached": self.breached}


def ceiling(share: float | None, rows: int) -> int | None:
    """The highest count that a share allows; rounded up where there are rows enough for a single slip."""
    if share is None:
        return None
    allowed = round(share * rows, 6)  # 0.05 x 20 shall be 1
    return math.ceil(allowed) if rows >= FEW_ROWS else math.floor(allowed)


def floor(share: float | None, rows: int) -> int | None:
    """The lowest count that a share asks for: all but what :func:`ceiling` allows of the rest."""
    slips = None if share is None else ceiling(1 - share, rows)
    return None if slips is None else rows - slips


def first_ids(row_ids: Iterable[str]) -> tuple[str, ...]:
    """The first few, each once."""
    return tuple(sorted(set(row_ids))[:MOST_IDS])
