"""Paired differences, on made-up rows whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest
from palmares.leaderboard.statistics.paired import paired_difference


def test_a_difference_is_counted_row_by_row() -> None:
    found = paired_difference([1, 1, 0, 0], [1, 0, 1, 1])

    assert (found.rows, found.first_better, found.second_better) == (4, 1, 2)
    assert (found.first, found.second, found.difference) == (0.5, 0.75, 0.25)
    assert found.low < 0.25 < found.high


def test_rows_that_agree_everywhere_are_no_certainty() -> None:
    found = paired_difference([1.0] * 50, [1.0] * 50)

    assert found.difference == 0
    assert -0.1 < found.low < 0 < found.high < 0.1


def test_pairing_finds_what_two_separate_intervals_cannot() -> None:
    draw = np.random.default_rng(1)
    first = (draw.random(1000) < 0.5).astype(float)
    second = first.copy()
    second[np.flatnonzero(first == 0)[:30]] = 1.0  # 3 points more, on rows that differ in nothing else

    found = paired_difference(first.tolist(), second.tolist())

    assert found.low > 0.015
    assert found.p_value < 1e-6


def test_one_seed_gives_one_interval() -> None:
    rows = [0.0, 1.0, 0.5] * 20
    other = [1.0, 0.0, 0.5, 1.0] * 15

    assert paired_difference(rows, other, seed=3) == paired_difference(rows, other, seed=3)
    assert paired_difference(rows, other, seed=3) != paired_difference(rows, other, seed=4)


@pytest.mark.parametrize(("first", "second"), [([], []), ([1.0], [1.0, 0.0])])
def test_rows_that_cannot_be_paired_are_refused(first: list[float], second: list[float]) -> None:
    with pytest.raises(ValueError, match="nothing to pair"):
        paired_difference(first, second)


def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    draw = np.random.default_rng(7)
    covered = 0
    for trial in range(400):
        ability = draw.random(200)
        first = (draw.random(200) < 0.6 * ability + 0.2).astype(float)
        second = (draw.random(200) < 0.6 * ability + 0.25).astype(float)
        found = paired_difference(first.tolist(), second.tolist(), seed=trial, draws=1000)
        covered += found.low <= 0.05 <= found.high

    assert covered / 400 > 0.92  # 95 % less three standard errors of 400 trials
