"""The order of the leaderboard's rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

TIE_DIGITS = 9
"""Averages that agree to so many digits are equal."""


def rank(
    rows: Iterable[Mapping[str, Any]], *, average: Callable[[Mapping[str, Any]], float | None]
) -> list[dict[str, Any]]:
    """Order rows by average, best first, and give them ranks.

    Ranks are dense: equal averages share one, the next is one more. Among equals, and among rows without an
    average (which come last, unranked), the order is by model id, then revision.

    Args:
        rows: With ``model`` and, where known, ``revision``.
        average: What a row is ordered by; None: not ranked.

    Returns:
        Copies of the rows with ``rank`` and ``average``; None for both where there is no average.
    """
    valued = [(row, average(row)) for row in rows]
    distinct = sorted({round(value, TIE_DIGITS) for _, value in valued if value is not None}, reverse=True)
    places = {value: place for place, value in enumerate(distinct, start=1)}

    def key(item: tuple[Mapping[str, Any], float | None]) -> tuple[bool, float, str, str]:
        row, value = item
        rounded = 0.0 if value is None else -round(value, TIE_DIGITS)
        return value is None, rounded, str(row["model"]), str(row.get("revision") or "")

    return [
        {
            **row,
            "rank": None if value is None else places[round(value, TIE_DIGITS)],
            "average": value,
        }
        for row, value in sorted(valued, key=key)
    ]
