"""Formulas of chemistry: case, charge and indices decide; notation does not."""

from __future__ import annotations

import pytest
from french_answers import GradingPolicy, grade_answer
from french_answers.formulas import is_formula


@pytest.mark.parametrize(
    "gold", ["H2O", "NaCl", "H3O+", "Fe^{2+}", "SO4^2-", "1s² 2s² 2p⁶", "2H2 + O2 → 2H2O"]
)
def test_formulas_are_recognised(gold):
    assert is_formula(gold)


@pytest.mark.parametrize(
    "gold", ["12", "x^2-4", "2x+1", "Paris", "B", "S={1;2}", "AB", "y=2x-3", "1+2i", "e^{2}"]
)
def test_other_golds_are_no_formulas(gold):
    assert not is_formula(gold)


@pytest.mark.parametrize(
    ("gold", "prediction", "correct"),
    [
        ("H2O", "La molécule est H₂O.", True),
        ("H2O", "\\ce{H2O}", True),
        ("H2O", "H2O2", False),
        ("CO2", "Il se forme du CO₂.", True),
        ("CO2", "2CO", False),
        ("Fe^{2+}", "L'ion est Fe²⁺.", True),
        ("Fe^{2+}", "Fe3+", False),
        ("1s² 2s² 2p⁶", "1s^{2}\\,2s^{2}\\,2p^{6}", True),
        ("1s² 2s² 2p⁶", "1s² 2s² 2p⁵", False),
        ("2H2 + O2 → 2H2O", "O2 + 2 H₂ -> 2 H₂O", True),
        ("2H2 + O2 → 2H2O", "H2 + O2 → H2O", False),
        ("2H2 + O2 → 2H2O", "2H2O → 2H2 + O2", False),
    ],
)
def test_formulas_are_compared_as_written(gold, prediction, correct):
    assert grade_answer(gold, prediction).correct is correct


def test_case_is_a_policy():
    assert not grade_answer("CO2", "Co2").correct
    assert grade_answer("CO2", "Co2", policy=GradingPolicy(case=True)).correct
