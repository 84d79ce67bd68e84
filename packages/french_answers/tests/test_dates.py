"""Dates, years and centuries."""

from __future__ import annotations

import pytest
from french_answers import GradingPolicy, grade_answer
from french_answers.dates import Date, is_date, read_date


@pytest.mark.parametrize(
    ("text", "date"),
    [
        ("14 juillet 1789", Date(year=1789, month=7, day=14)),
        ("mardi 14/07/1789", Date(year=1789, month=7, day=14)),
        ("1789-07-14", Date(year=1789, month=7, day=14)),
        ("le premier septembre 1939", Date(year=1939, month=9, day=1)),
        ("Le 1ᵉʳ août 1914", Date(year=1914, month=8, day=1)),
        ("52 av. J.-C.", Date(year=-52)),
        ("en 52 avant notre ère", Date(year=-52)),
        ("XVIIIe siècle", Date(century=18)),
        ("au 18ème siècle", Date(century=18)),
        ("Ier siècle av. J.-C.", Date(century=-1)),
        ("du 14 juillet 1789 au 4 août 1789", None),
        ("45 juillet 1789", None),
        ("juillet", Date(month=7)),
    ],
)
def test_dates_are_read(text, date):
    assert read_date(text) == date


@pytest.mark.parametrize("gold", ["12", "0,25", "1/2", "x = 3", "Napoléon III", "mai 68 fut une crise"])
def test_other_golds_are_no_dates(gold):
    assert is_date(gold) is None


@pytest.mark.parametrize(
    ("gold", "prediction", "correct"),
    [
        ("14 juillet 1789", "C'était le 14 juillet 1789.", True),
        ("14 juillet 1789", "14/08/1789", False),
        ("14 juillet 1789", "14 juillet 1789 avant J.-C.", False),
        ("1789", "La Révolution commence en 1789.", True),
        ("1789", "En 1789, et non en 1799.", True),
        ("1789", "après 1789", False),
        ("1789", "1789-1799", False),
        ("XVIIIe siècle", "XVIIe siècle", False),
        ("52 av. J.-C.", "52", False),
        ("52 av. J.-C.", "-52", True),
    ],
)
def test_what_a_date_says_must_be_said(gold, prediction, correct):
    assert grade_answer(gold, prediction).correct is correct


def test_more_or_less_exact_dates_are_policies():
    assert grade_answer("1789", "14 juillet 1789").correct
    assert not grade_answer("1789", "14 juillet 1789", policy=GradingPolicy(date_detail=False)).correct
    assert not grade_answer("14 juillet 1789", "1789").correct
    assert grade_answer("14 juillet 1789", "1789", policy=GradingPolicy(partial_date=True)).correct
