"""« Vrai », « faux », « oui », « non »: said, denied, or both."""

from __future__ import annotations

import pytest
from french_answers import GradingPolicy, grade_answer


@pytest.mark.parametrize(
    ("gold", "prediction", "correct"),
    [
        ("vrai", "Vrai.", True),
        ("vrai", "VRAI", True),
        ("vrai", "L'affirmation est donc vraie.", True),
        ("vrai", "Vrai, car f n'est pas décroissante.", True),
        ("vrai", "**Vrai**\n\nJustification : la dérivée n'est pas négative.", True),
        ("vrai", "L'affirmation est correcte.", True),
        ("vrai", "vrai ou faux", False),
        ("vrai", "vrai/faux", False),
        ("vrai", "Ce n'est pas vrai", False),
        ("vrai", "peut-être", False),
        ("vrai", "", False),
        ("vrai", "Il est vrai que f est paire, mais l'affirmation est fausse.", False),
        ("faux", "L'affirmation n'est pas vraie.", True),
        ("faux", "Ce n'est pas faux", False),
        ("faux", "Non, c'est faux.", True),
        ("oui", "Oui, les droites sont parallèles.", True),
        ("oui", "Bien sûr que oui.", True),
        ("oui", "oui et non", False),
        ("oui", "Mais non, pas du tout.", False),
        ("non", "Non, elles ne sont pas parallèles.", True),
        ("non", "Oui, et non l'inverse.", False),
        ("non", "nonante", False),
    ],
)
def test_one_truth_value_must_be_said(gold, prediction, correct):
    assert grade_answer(gold, prediction).correct is correct


def test_abbreviations_are_a_policy():
    assert grade_answer("vrai", "V").correct
    assert not grade_answer("faux", "V").correct
    assert not grade_answer("vrai", "V", policy=GradingPolicy(abbreviation=False)).correct


def test_v_is_a_truth_value_only_where_truth_is_asked():
    assert grade_answer("V", "vrai", instruction="Répondre par vrai (V) ou faux (F).").correct
    assert not grade_answer("V", "vrai", instruction="Donner le volume.").correct
