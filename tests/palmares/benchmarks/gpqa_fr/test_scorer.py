"""gpqa-fr's generated letters: ``new_acc``."""

from __future__ import annotations

from typing import Any

import pytest
from french_answers import DEFAULT
from palmares.benchmarks.gpqa_fr.scorer import GpqaFrScorer, gold_letter
from palmares.benchmarks.registry import text_scorers
from palmares.benchmarks.scorer import DetailsRow

TEXTS = ("le quark charmé", "le neutrino", "le boson Z", "l'antiproton")


def row(said: str, **changed: Any) -> DetailsRow:
    fields: dict[str, Any] = {
        "row_id": "gpqa-1",
        "gold": ("B",),
        "choices": ("A", "B", "C", "D"),
        "instruction": None,
        "predictions": (said,),
        "metrics": {"acc": 0},
        "specifics": {},
    }
    return DetailsRow(**{**fields, **changed})


@pytest.mark.parametrize(
    ("said", "right"),
    [
        ("B", True),
        ("(B)", True),
        ("**B**", True),
        ("La bonne réponse est B.", True),
        ("Réponse : B", True),
        ("<think>Ce serait C ? Non, D.</think>\n\nLa réponse est B.", True),
        ("\\boxed{B}", True),
        ("The correct answer is B.", True),
        ("C", False),
        ("La réponse est C, car B est impossible.", False),
        ("A ou B", False),
        ("<think>La réponse est B", False),
        ("<think>B</think>", False),
        ("", False),
        ("Je ne sais pas.", False),
        ("Bien que la question soit difficile, la réponse est D.", False),
    ],
)
def test_the_letter_that_a_text_ends_with_counts(said, right):
    assert GpqaFrScorer().grade(row(said)).correct is right


@pytest.mark.parametrize(
    ("said", "right"),
    [
        ("B", True),
        ("B. le neutrino", True),
        ("D. l'antiproton", False),
        ("La réponse est le neutrino.", True),
    ],
)
def test_with_the_choices_texts_the_right_text_will_do(said, right):
    grade = GpqaFrScorer().grade(row(said, gold=("le neutrino",), choices=TEXTS))

    assert grade.correct is right


@pytest.mark.parametrize(("acc", "right"), [(1, True), (1.0, True), (0, False), (None, False)])
def test_a_choice_by_log_likelihood_keeps_the_evaluators_verdict(acc, right):
    chosen = row(
        "le neutrino", gold=("le quark charmé",), choices=TEXTS, generated=False, metrics={"acc": acc}
    )

    grade = GpqaFrScorer().grade(chosen)

    assert (grade.correct, grade.method) == (right, "log_likelihood")


def test_a_row_that_names_no_right_choice_is_never_right():
    assert gold_letter(row("B", gold=())) is None
    assert gold_letter(row("B", gold=("x",), choices=("x", "x", "y", "z"))) is None
    assert GpqaFrScorer().grade(row("B", gold=())).method == "no_gold"


def test_no_text_of_the_row_is_in_the_reason():
    grade = GpqaFrScorer().grade(row("D. l'antiproton", gold=("le neutrino",), choices=TEXTS))

    assert not any(text in grade.reason for text in TEXTS)


def test_its_hash_changes_with_the_way_bac_fr_reads_letters(monkeypatch):
    before = GpqaFrScorer().code_hash
    monkeypatch.setattr("palmares.benchmarks.bac_fr.scorer.BacFrScorer.code_hash", "another")

    assert GpqaFrScorer().code_hash != before


def test_a_leaderboards_policy_reaches_every_scorer():
    assert text_scorers(DEFAULT).keys() == text_scorers().keys()
    assert {name: one.code_hash for name, one in text_scorers(DEFAULT).items()} == {
        name: one.code_hash for name, one in text_scorers().items()
    }
