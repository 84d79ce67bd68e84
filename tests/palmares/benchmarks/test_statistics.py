"""Means and standard errors."""

from __future__ import annotations

import math

import pytest
from palmares.benchmarks.statistics import (
    mean,
    ratio_influences,
    standard_error,
    task_metrics,
    wilson_interval,
)


def test_the_standard_error_of_a_mean_uses_the_sample_variance():
    assert task_metrics([{"acc": value} for value in (1, 1, 1, 0)], ["acc"]) == {
        "acc": 0.75,
        "acc_stderr": pytest.approx(math.sqrt(0.75 * 0.25 / 3)),
    }


def test_one_value_has_no_standard_error():
    assert standard_error([1.0]) is None
    assert task_metrics([{"acc": 1}], ["acc"]) == {"acc": 1.0}


def test_groups_of_one_are_a_plain_mean():
    assert ratio_influences([[1], [0], [1]]) == pytest.approx([1, 0, 1])


def test_instructions_count_once_each_and_prompts_are_what_is_drawn():
    pulls = ratio_influences([[1, 1], [0, 0], [1, 1], [0, 0]])
    assert mean(pulls) == 0.5
    assert standard_error(pulls) == pytest.approx(standard_error([1, 0, 1, 0]))


@pytest.mark.parametrize(
    ("value", "rows", "expected"),
    [(0.0, 200, (0.0, 0.0188)), (1.0, 200, (0.9812, 1.0)), (0.5, 10, (0.2366, 0.7634))],
)
def test_wilsons_interval_claims_no_certainty_at_the_ends(value, rows, expected):
    assert wilson_interval(value, rows) == pytest.approx(expected, abs=1e-4)


def test_no_rows_have_no_interval():
    with pytest.raises(ValueError, match="no rows"):
        wilson_interval(0.5, 0)
