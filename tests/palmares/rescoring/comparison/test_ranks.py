from __future__ import annotations

import pytest
from palmares.rescoring.comparison import compare, overall
from palmares.rescoring.comparison.changes import agreement, moves


def ranks(before, after):
    return {move.model: (move.before, move.after, move.up) for move in moves(before, after)}


def test_a_model_that_gains_wins_places_from_the_others():
    found = ranks({"a": 0.9, "b": 0.8, "c": 0.7}, {"a": 0.9, "b": 0.8, "c": 0.95})

    assert found == {"c": (3, 1, 2), "a": (1, 2, -1), "b": (2, 3, -1)}


def test_equals_share_a_rank_before_and_after():
    found = ranks({"a": 0.5, "b": 0.5, "c": 0.4}, {"a": 0.6, "b": 0.5, "c": 0.5})

    assert found == {"a": (1, 1, 0), "b": (1, 2, -1), "c": (2, 2, 0)}


def test_a_newcomer_is_not_ranked_and_moves_nobody():
    found = ranks({"a": 0.5, "b": 0.4}, {"a": 0.5, "b": 0.4, "new": 0.9})

    assert found == {"a": (1, 1, 0), "b": (2, 2, 0), "new": (None, None, None)}


def test_models_are_ranked_by_the_averages_that_are_given_and_by_no_other():
    changes = [compare(model, "bac-fr", [("row", False, True)]) for model in ("a", "b", "of another suite")]
    report = overall(changes, averages=({"a": 0.5, "b": 0.4}, {"a": 0.5, "b": 0.6}))

    assert [(one.model, one.before, one.after) for one in report.moves] == [
        ("b", 2, 1),
        ("a", 1, 2),
        ("of another suite", None, None),
    ]


@pytest.mark.parametrize(
    ("after", "tau"),
    [({"a": 3, "b": 2, "c": 1}, 1), ({"a": 1, "b": 2, "c": 3}, -1), ({"a": 3, "b": 1, "c": 2}, 1 / 3)],
)
def test_two_orders_agree_by_kendall_s_tau(after, tau):
    before = {"a": 0.3, "b": 0.2, "c": 0.1}
    averages = {model: value / 10 for model, value in after.items()}

    assert agreement(moves(before, averages)) == pytest.approx(tau)


def test_one_model_or_a_single_tie_has_no_agreement():
    assert agreement(moves({"a": 0.5}, {"a": 0.6})) is None
    assert agreement(moves({"a": 0.5, "b": 0.5}, {"a": 0.6, "b": 0.5})) is None
