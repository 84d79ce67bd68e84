"""The leaderboard's order is by average, with documented ties."""

from __future__ import annotations

from typing import Any

from palmares.leaderboard.publishing.ranking import rank


def test_equal_averages_share_a_rank_and_rows_without_one_come_last():
    rows: list[dict[str, Any]] = [
        {"model": "d", "average_of": None},
        {"model": "c", "average_of": 0.5},
        {"model": "b", "average_of": 0.1 + 0.2},
        {"model": "a", "average_of": 0.3},
    ]

    ranked = rank(rows, average=lambda row: row["average_of"])

    assert [(row["model"], row["rank"]) for row in ranked] == [("c", 1), ("a", 2), ("b", 2), ("d", None)]
    assert "rank" not in rows[0]
