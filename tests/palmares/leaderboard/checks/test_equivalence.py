from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from palmares.leaderboard.checks.equivalence import integer, may_agree, opposite, value


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0,5", Fraction(1, 2)),
        ("1/2", Fraction(1, 2)),
        ("50 %", Fraction(1, 2)),
        ("$\\frac{1}{2}$", Fraction(1, 2)),
        ("−3", Fraction(-3)),
        ("12\u202f500", Fraction(12500)),
        ("9**9", None),
        ("2x", None),
        ("1/0", None),
        ("", None),
    ],
)
def test_plain_numbers_are_read_by_value(text, number):
    assert value(text) == number


@pytest.mark.parametrize(
    ("text", "gold"),
    [
        ("0,5", "1/2"),
        ("Vrai", "L'affirmation est vraie."),
        ("oui", "VRAI"),
        ("0", "zéro"),
        ("0", "aucune solution"),
        ("2", "S = {2 ; 3}"),
        ("12 cm", "12"),
        ("∅", "12"),
    ],
)
def test_what_might_be_meant_may_agree(text, gold):
    assert may_agree(text, gold)


@pytest.mark.parametrize(
    ("text", "gold"), [("3", "-3"), ("5", "15"), ("vrai", "faux"), ("A", "B"), ("0", "10"), ("1/3", "0,5")]
)
def test_what_cannot_be_meant_is_certain(text, gold):
    assert not may_agree(text, gold)


def test_a_truth_value_has_an_opposite_and_nothing_else_has():
    assert [opposite(text) for text in ("Vrai", "oui", "Faux.", "12")] == ["faux", "faux", "vrai", None]


@pytest.mark.parametrize(("text", "whole"), [("12", True), ("-3", True), ("0,5", False), ("x", False)])
def test_whole_numbers_are_told(text, whole):
    assert integer(text) is whole


@given(st.text(max_size=200))
def test_every_text_may_agree_with_itself(text):
    assert may_agree(text, text)
