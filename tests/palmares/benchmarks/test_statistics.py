"""Intervals of shares."""

from __future__ import annotations

import pytest
from palmares.benchmarks.statistics import wilson_interval


@pytest.mark.parametrize(
    ("value", "rows", "expected"),
    [(0.0, 200, (0.0, 0.0188)), (1.0, 200, (0.9812, 1.0)), (0.5, 10, (0.2366, 0.7634))],
)
def test_wilsons_interval_claims_no_certainty_at_the_ends(value, rows, expected):
    assert wilson_interval(value, rows) == pytest.approx(expected, abs=1e-4)


def test_no_rows_have_no_interval():
    with pytest.raises(ValueError, match="no rows"):
        wilson_interval(0.5, 0)
