"""Multiple choice: letters within sentences, several letters, and the choices' texts."""

from __future__ import annotations

import pytest
from french_answers import GradingPolicy, grade_answer
from french_answers.letters import is_letters

ASKED = "Répondre par A, B, C ou D."
CHOICES = ["12", "15", "une droite", "x+1"]


@pytest.mark.parametrize(
    "prediction",
    [
        "B", "b", "(B)", "B.", "**B**", "\\boxed{B}", "\\boxed{\\text{B}}", "Réponse B",
        "La bonne réponse est la B.", "B. 3π", "B : la fonction est paire", "C'est l'option b)",
        "Je dirais B.", "Comme f est paire, B", "C'est B, pas A.", "A est fausse, c'est B.",
        "A est fausse, B est vraie.", "Les réponses A, C et D sont fausses, donc B.", "A ? Non, B.",
        "La droite (D) coupe l'axe : réponse B.", "A mon avis, c'est B.",
        "B\n\nExplication : A est fausse", "<think>A ou B… A.</think>B",
    ],
)  # fmt: skip
def test_the_expected_letter_is_found(prediction):
    assert grade_answer("B", prediction, instruction=ASKED).correct


@pytest.mark.parametrize(
    "prediction",
    [
        "A", "A ou B", "A et B", "Ni A ni B", "Beaucoup", "Bien sûr, la réponse est C",
        "B est faux, c'est C.", "B ? Non, C.", "La réponse B est incorrecte",
        "La fonction B est nulle, réponse C", "Aucune", "", "<think>B",
    ],
)  # fmt: skip
def test_another_letter_several_or_none_is_wrong(prediction):
    assert not grade_answer("B", prediction, instruction=ASKED).correct


@pytest.mark.parametrize(
    ("prediction", "correct"),
    [("A et C", True), ("C, A", True), ("AC", True), ("A", False), ("A, B, C", False)],
)
def test_several_expected_letters_must_all_be_given(prediction, correct):
    assert grade_answer("A et C", prediction, instruction=ASKED).correct is correct


@pytest.mark.parametrize(
    ("gold", "prediction", "correct"),
    [
        ("B", "15", True),
        ("B", "La réponse est 15.", True),
        ("B", "B) 15", True),
        ("B", "12", False),
        ("15", "B", True),
        ("15", "B. 15", True),
        ("15", "A", False),
        ("C", "une droite", True),
        ("D", "1+x", True),
    ],
)
def test_a_choice_is_taken_by_letter_or_by_text(gold, prediction, correct):
    assert grade_answer(gold, prediction, choices=CHOICES).correct is correct


def test_a_letter_beside_another_choices_text_contradicts_itself():
    assert not grade_answer("B", "B) 12", choices=CHOICES).correct
    assert grade_answer("B", "B) 12", choices=CHOICES, policy=GradingPolicy(letter_and_text=True)).correct


def test_it_does_so_too_where_the_text_is_expected():
    choices = ["Paris", "Lyon", "Nice"]

    assert not grade_answer("Lyon", "A. Lyon", choices=choices).correct
    assert grade_answer("Lyon", "B. Lyon", choices=choices).correct


def test_a_letter_is_no_choice_where_none_is_asked():
    assert not is_letters("B", "Donner le nom du point.", ())
    assert is_letters("B", ASKED, ())
    assert is_letters("B", None, CHOICES)
