from __future__ import annotations

import random
from dataclasses import replace
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st
from palmares.benchmarks.bac_fr.scorer import BacFrScorer
from palmares.benchmarks.gpqa_fr.scorer import GpqaFrScorer
from palmares.leaderboard.checks.limits import SanitySettings, ScorerLimits
from palmares.leaderboard.checks.predictors import PREDICTORS
from palmares.leaderboard.checks.scorers import scorer_rates

from tests.palmares.leaderboard.checks.broken_scorers import (
    BROKEN,
    RuleScorer,
    demo_rows,
    gpqa_rows,
    labelled_rows,
    row_of,
)

SETTINGS = SanitySettings()
ROWS = {"demo": demo_rows, "labelled": labelled_rows}


@cache
def breached(name: str, rows: str) -> frozenset[str]:
    scorer, _ = BROKEN[name]
    return frozenset(rate.name for rate in scorer_rates(scorer, ROWS[rows](), SETTINGS) if rate.breached)


@pytest.mark.parametrize("rows", ROWS)
def test_the_shipped_scorer_keeps_every_floor_and_ceiling(rows):
    rates = scorer_rates(BacFrScorer(), ROWS[rows](), SETTINGS)

    assert [rate.sentence for rate in rates if rate.breached] == []
    assert {rate.name for rate in rates} == {predictor.name for predictor in PREDICTORS}


@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize("name", BROKEN)
def test_a_known_mistake_is_stopped_by_its_baseline(name, rows):
    _, baseline = BROKEN[name]

    assert baseline in breached(name, rows)


def test_every_baseline_stops_some_mistake():
    stopped = frozenset().union(*(breached(name, rows) for name in BROKEN for rows in ROWS))

    assert stopped == {predictor.name for predictor in PREDICTORS}


@pytest.mark.parametrize("letters", [True, False])
def test_the_scorer_of_letters_keeps_every_floor_and_ceiling(letters):
    rates = scorer_rates(GpqaFrScorer(), gpqa_rows(letters=letters), SETTINGS)

    assert [rate.sentence for rate in rates if rate.breached] == []
    assert {"constant_a", "shuffled", "every_choice", "gold"} <= {rate.name for rate in rates}


@pytest.mark.parametrize(
    ("rule", "baseline"),
    [
        (lambda gold, text: gold in text, "every_choice"),
        (lambda gold, text: text[:1] in "ABCD", "constant_a"),
        (lambda gold, text: text.startswith(gold), "hedged"),
    ],
)
def test_a_broken_scorer_of_letters_is_stopped(rule, baseline):
    rates = scorer_rates(RuleScorer("letters", rule), gpqa_rows(letters=True), SETTINGS)

    assert baseline in {rate.name for rate in rates if rate.breached}


def test_choices_by_log_likelihood_are_no_texts_to_grade():
    rows = [replace(row, generated=False, metrics={"acc": 1}) for row in gpqa_rows(letters=False)]

    assert scorer_rates(GpqaFrScorer(), rows, SETTINGS) == ()


def test_a_constant_may_be_right_as_often_as_it_is_expected():
    rows = [row_of("vrai" if number % 3 else "faux", row_id=str(number)) for number in range(60)]
    exact = RuleScorer("words", lambda gold, text: gold.casefold() in text.casefold().split())

    rates = {rate.name: rate for rate in scorer_rates(exact, rows, SETTINGS)}

    assert (rates["constant_vrai"].count, rates["constant_vrai"].rows) == (0, 20)
    assert (rates["constant_common"].count, rates["constant_common"].rows) == (0, 20)


def test_shuffled_golds_may_be_right_where_golds_coincide():
    rows = [row_of("0,5" if number % 2 else "1/2", row_id=str(number)) for number in range(30)]

    assert "shuffled" not in {rate.name for rate in scorer_rates(BacFrScorer(), rows, SETTINGS)}


def test_rates_do_not_depend_on_the_order_of_the_rows_nor_on_chance():
    rows = labelled_rows()
    settings = SanitySettings(sample=100)
    shuffled = random.Random(3).sample(rows, len(rows))

    first = scorer_rates(BROKEN["original"][0], rows, settings)

    assert scorer_rates(BROKEN["original"][0], shuffled, settings) == first


def test_no_more_rows_are_graded_than_the_sample_allows():
    graded = []

    def rule(gold: str, text: str) -> bool:
        graded.append(text)
        return gold == text

    rows = (row_of(str(number), row_id=str(number)) for number in range(5000))
    rates = scorer_rates(RuleScorer("counting", rule), rows, SanitySettings(sample=50))

    assert max(rate.rows for rate in rates) == 50
    assert len(graded) <= 50 * len(PREDICTORS)


def test_evidence_is_up_to_five_row_ids_and_no_text():
    rows = [row_of(f"secret{number}", row_id=f"row{number}") for number in range(40)]

    rates = scorer_rates(BROKEN["accept_all"][0], rows, SETTINGS)

    assert all(len(rate.row_ids) <= 5 for rate in rates)
    assert not any("secret" in f"{rate.sentence} {rate.to_json()}" for rate in rates)
    assert "row" in rates[0].sentence


def test_a_baseline_that_is_set_to_nothing_is_not_run():
    settings = SanitySettings(scorer=ScorerLimits(gold_with_unit=None))

    names = {rate.name for rate in scorer_rates(BacFrScorer(), demo_rows(), settings)}

    assert "gold_with_unit" not in names
    assert "gold" in names


def test_rows_that_expect_nothing_have_no_sanity_baselines():
    rows = [replace(row_of("", row_id="a"), gold=()), row_of("  ", row_id="b")]

    assert scorer_rates(BacFrScorer(), rows, SETTINGS) == ()


_ANSWERS = st.one_of(
    st.text(max_size=40),
    st.integers(-99, 99).map(str),
    st.sampled_from(
        ["vrai", "Faux", "A", "B", "1/2", "0,5", "]0;1[", "x = 2", "∅", "12 cm", "\ud800", "$\\frac{1}{2}$"]
    ),
)


@given(
    golds=st.lists(st.tuples(_ANSWERS, st.lists(_ANSWERS, max_size=4)), min_size=1, max_size=40),
    said=_ANSWERS,
)
def test_a_scorer_that_wants_the_very_text_is_under_every_ceiling_whatever_the_rows_hold(golds, said):
    rows = [
        row_of(gold, row_id=str(number), choices=choices, said=said)
        for number, (gold, choices) in enumerate(golds)
    ]
    strict = RuleScorer("strict", lambda gold, text: gold.strip() == text.strip())

    rates = scorer_rates(strict, rows, SETTINGS)

    assert [rate.sentence for rate in rates if rate.breached and rate.least is None] == []
    assert all(rate.count == rate.rows for rate in rates if rate.name == "gold")


@given(golds=st.lists(_ANSWERS, min_size=20, max_size=40))
def test_a_scorer_that_takes_everything_never_passes(golds):
    rows = [row_of(gold, row_id=str(number)) for number, gold in enumerate([*golds, "12"])]

    assert any(rate.breached for rate in scorer_rates(BROKEN["accept_all"][0], rows, SETTINGS))
