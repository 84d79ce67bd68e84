from __future__ import annotations

import pytest
from palmares.leaderboard.checks.gate import refuse_breaches
from palmares.leaderboard.checks.rates import Rate
from palmares.leaderboard.errors import GateError

SCORERS = {"bac-fr": "bac-fr 2", "gpqa-fr": "evaluator-metrics 1"}


def rate(of, *, count, name="empty"):
    return Rate(name=name, meaning=f"counted {name} on", of=of, count=count, rows=48, most=1, row_ids=("r1",))


def test_rates_within_their_limits_pass():
    refuse_breaches({"bac-fr": [rate("scorer", count=1), rate("answers", count=0)]}, SCORERS)


def test_all_breaches_of_all_tasks_are_told_with_the_next_step():
    rates = {
        "bac-fr": [rate("scorer", count=2), rate("scorer", count=3, name="negated")],
        "gpqa-fr": [rate("answers", count=48)],
    }

    with pytest.raises(GateError) as raised:
        refuse_breaches(rates, SCORERS)

    words = str(raised.value)
    assert (
        "bac-fr: scorer bac-fr 2 fails its sanity baselines: empty: counted empty on 2 of 48, at most 1"
        in words
    )
    assert "negated" in words
    assert "then re-score" in words
    assert "gpqa-fr: the model's answers look wrong" in words
    assert "sanity_baselines.answers in leaderboard.yaml" in words


def test_a_broken_scorer_s_view_of_the_answers_is_not_held_against_the_model():
    with pytest.raises(GateError) as raised:
        refuse_breaches({"bac-fr": [rate("scorer", count=9), rate("answers", count=9)]}, SCORERS)

    assert "the model's answers" not in str(raised.value)
