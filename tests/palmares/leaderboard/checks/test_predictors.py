from __future__ import annotations

import pytest
from palmares.leaderboard.checks.limits import ScorerLimits
from palmares.leaderboard.checks.predictors import PREDICTORS, certainly_wrong, known_rows, probes

from tests.palmares.leaderboard.checks.broken_scorers import row_of

BY_NAME = {predictor.name: predictor for predictor in PREDICTORS}


def texts(name, *rows):
    return [text for _, text in probes(BY_NAME[name], known_rows(list(rows)))]


def test_every_predictor_has_a_limit_and_every_limit_a_predictor():
    assert set(BY_NAME) == set(ScorerLimits.model_fields)


@pytest.mark.parametrize(
    ("name", "gold", "text"),
    [
        ("gold", "12", "12"),
        ("gold_in_sentence", "]0 ; 1[", "La réponse est ]0 ; 1[."),
        ("gold_with_unit", "0,5", "La réponse est 0,5 cm."),
        ("negated", "vrai", "Ce n'est pas vrai."),
        ("hedged", "vrai", "vrai ou faux"),
        ("sign_changed", "3", "-3"),
        ("sign_changed", "−3", "3"),
        ("unfinished_trace", "12", "<think>\nCalculons pas à pas.\n12"),
    ],
)
def test_a_predictor_says_of_an_answer(name, gold, text):
    assert texts(name, row_of(gold, row_id="a")) == [text]


@pytest.mark.parametrize(
    ("name", "gold"),
    [
        ("digit_changed", "vrai"),
        ("digit_appended", "0,5"),
        ("digit_prepended", "1/2"),
        ("sign_changed", "0"),
        ("gold_with_unit", "12 %"),
        ("gold_with_unit", "Paris"),
        ("hedged", "{1 ; 2}"),
        ("every_choice", "12"),
        ("shuffled", "12"),
    ],
)
def test_a_predictor_leaves_out_what_is_not_certain(name, gold):
    assert texts(name, row_of(gold, row_id="a")) == []


@pytest.mark.parametrize("instruction", ["Donner le résultat en mètres.", "Préciser l'unité."])
def test_no_unit_is_added_where_the_instruction_names_one(instruction):
    assert texts("gold_with_unit", row_of("12", row_id="a", instruction=instruction)) == []


@pytest.mark.parametrize("gold", ["12", "-7", "105"])
@pytest.mark.parametrize("name", ["digit_changed", "digit_appended", "digit_prepended"])
def test_a_meddled_number_is_another_number(name, gold):
    for number in range(200):
        (text,) = texts(name, row_of(gold, row_id=str(number)))
        assert int(text) != int(gold)


@pytest.mark.parametrize(
    ("gold", "choices", "wrong", "open_"),
    [
        ("Paris", ["Rome", "Paris"], ["A", "Rome", "c)"], ["B", "(b)", "Paris", "C'est Paris"]),
        ("B", ["Rome", "Paris"], ["A", "Rome", "D"], ["B", "b.", "Paris"]),
        ("B", [], ["A", "Rome"], ["B"]),
        ("Lyon", ["Rome", "Paris"], ["Rome", "Nice"], ["A", "B", "Lyon"]),
        ("12", [], ["A", "Rome", "13"], ["12"]),
    ],
)
def test_letters_stand_for_their_choices(gold, choices, wrong, open_):
    row = row_of(gold, row_id="a", choices=choices)

    assert [text for text in [*wrong, *open_] if certainly_wrong(text, row)] == wrong


def test_two_letters_at_once_are_a_hedge():
    assert texts("hedged", row_of("D", row_id="a", choices="ABCD")) == ["D ou A"]


def test_another_row_s_answer_is_one_that_is_wrong_here():
    rows = [row_of(gold, row_id=gold) for gold in ("1/2", "0,5", "50 %", "7")]

    assert texts("shuffled", *rows) == ["7", "7", "7", "1/2"]
