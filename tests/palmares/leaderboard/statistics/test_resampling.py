"""Rows drawn again: the suite's formula over many draws, and the same draws for the same rows."""

from __future__ import annotations

import random

import numpy as np
import pytest
from palmares.leaderboard.groups import Group
from palmares.leaderboard.statistics.resampling import TaskScores, draw, shown, task_scores
from palmares.leaderboard.suites import Suite


def grouped(suite: Suite, *, mean: str, normalize: bool) -> Suite:
    """The suite with a group of two tasks in it, inside another group, that counts three times."""
    inner = Group.model_validate(
        {"name": "exams", "title": "Exams", "mean": mean, "members": ["bac-fr", "gpqa-fr"]}
    )
    outer = Group.model_validate(
        {
            "name": "all",
            "title": "All",
            "weight": 3,
            "members": {
                "exams": {"weight": 2, "normalize": normalize, "random_score": 0.25},
                "ifeval-fr": {},
            },
        }
    )
    return suite.model_copy(update={"groups": (outer, inner)})


@pytest.mark.parametrize("mean", ["weighted", "by_size"])
@pytest.mark.parametrize("normalize", [False, True])
def test_many_values_at_once_give_what_the_suite_gives_for_each(settings, mean, normalize):
    draws = random.Random(7)
    sizes = {"bac-fr": 20, "gpqa-fr": 50, "ifeval-fr": 10}
    for suite in (settings.suite(), grouped(settings.suite(), mean=mean, normalize=normalize)):
        values = {name: [draws.random() for _ in range(30)] for name in sizes}
        found = shown({name: np.array(value) for name, value in values.items()}, suite, sizes=sizes)

        for place in range(30):
            scores = {name: {"value": values[name][place], "n": sizes[name]} for name in sizes}
            assert found.average[place] == pytest.approx(suite.average(scores))
            for name, group in suite.group_scores(scores).items():
                if name in found.columns:
                    assert found.columns[name][place] == pytest.approx(group.value)


def model(suite: Suite, right: float, *, rows: int = 40, ids: str = "row") -> dict[str, TaskScores]:
    """A model that answers the first rows of each task right."""
    scores = {f"{ids}-{place}": float(place < right * rows) for place in range(rows)}
    return {task.name: task_scores(scores) for task in suite.tasks}


def test_twins_have_the_same_draws_and_others_do_not(settings):
    suite = settings.suite()
    one, twin, elsewhere = model(suite, 0.6), model(suite, 0.6), model(suite, 0.6, ids="other")

    average = draw([one, twin, elsewhere], suite, draws=400).average

    assert (average[:, 0] == average[:, 1]).all()
    assert (average[:, 0] != average[:, 2]).mean() > 0.9


def test_one_seed_gives_one_result_whoever_else_is_on_the_leaderboard(settings):
    suite = settings.suite()
    one = model(suite, 0.6)

    alone = draw([one], suite, draws=50).average[:, 0]
    beside = draw([model(suite, 0.2), one], suite, draws=50).average[:, 1]

    assert alone == pytest.approx(beside)
    assert alone != pytest.approx(draw([one], suite, seed=1, draws=50).average[:, 0])


def test_the_draws_vary_as_the_standard_error_says(settings):
    suite = settings.suite()
    rows = 400

    sampled = draw([model(suite, 0.5, rows=rows)], suite, draws=4000).columns["bac-fr"][:, 0]

    assert sampled.mean() == pytest.approx(0.5, abs=0.003)
    assert sampled.std() == pytest.approx((0.25 / rows) ** 0.5, rel=0.05)


def test_rows_are_compared_by_their_ids_in_whatever_order_they_come():
    one = task_scores({"b": 1.0, "a": 0.0})

    assert one.scores.tolist() == [0.0, 1.0]
    assert one.rows == task_scores({"a": 0.5, "b": 0.5}).rows != task_scores({"a": 0.5, "c": 0.5}).rows
    assert one.mean == 0.5
