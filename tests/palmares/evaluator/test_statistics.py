"""Means and standard errors."""

from __future__ import annotations

import math

import pytest
from palmares.evaluator.statistics import mean_and_stderr, ratio_and_stderr, task_metrics


def test_the_standard_error_of_a_mean_uses_the_sample_variance():
    mean, stderr = mean_and_stderr([1, 1, 1, 0])
    assert mean == 0.75
    assert stderr == pytest.approx(math.sqrt(0.75 * 0.25 / 3))


def test_one_value_has_no_standard_error():
    assert mean_and_stderr([1]) == (1.0, None)
    assert task_metrics([{"acc": 1}], ["acc"]) == {"acc": 1.0}


def test_groups_of_one_are_a_plain_mean():
    assert ratio_and_stderr([[1], [0], [1]]) == pytest.approx(mean_and_stderr([1, 0, 1]))


def test_instructions_count_once_each_and_prompts_are_what_is_drawn():
    ratio, stderr = ratio_and_stderr([[1, 1], [0, 0], [1, 1], [0, 0]])
    assert ratio == 0.5
    assert stderr == pytest.approx(mean_and_stderr([1, 0, 1, 0])[1])
