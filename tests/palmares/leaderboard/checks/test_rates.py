from __future__ import annotations

import pytest
from palmares.leaderboard.checks.rates import Rate, ceiling, first_ids, floor


@pytest.mark.parametrize(
    ("share", "rows", "allowed"),
    [
        (0.0, 500, 0),
        (0.02, 19, 0),
        (0.02, 20, 1),
        (0.02, 500, 10),
        (0.05, 20, 1),
        (1.0, 7, 7),
        (None, 9, None),
    ],
)
def test_a_ceiling_lets_a_single_slip_through_where_there_are_rows_enough(share, rows, allowed):
    assert ceiling(share, rows) == allowed


@pytest.mark.parametrize(
    ("share", "rows", "wanted"),
    [(1.0, 500, 500), (0.95, 20, 19), (0.9, 100, 90), (None, 5, None)],
)
def test_a_floor_forgives_what_the_ceiling_of_the_rest_allows(share, rows, wanted):
    assert floor(share, rows) == wanted


def test_a_sentence_says_rate_limit_and_rows():
    rate = Rate(name="empty", meaning="calls an empty answer right on", of="scorer", count=2, rows=9, most=0,
                row_ids=("a", "b"))  # fmt: skip

    assert rate.breached
    assert rate.sentence == "empty: calls an empty answer right on 2 of 9, at most 0 (rows a, b)"
    assert rate.to_json()["breached"] is True


def test_evidence_is_five_different_ids():
    assert first_ids(["b", "a", "b", *"zyxw"]) == ("a", "b", "w", "x", "y")
