"""The prompt and the original metric of bac-fr."""

from __future__ import annotations

import pytest
from palmares.benchmarks.bac_fr.task.utils import gold, is_quasi_exact_match, process_results, prompt

ROW = {
    "enonce": "Calculer 2 + 3.",
    "instruction": None,
    "choix": None,
    "choix correct": None,
    "reponse": "5",
    "row_id": "0",
}


@pytest.mark.parametrize(
    ("prediction", "expected"),
    [
        ("12", "12"),
        ("**12**", "12"),
        (r"\boxed{12}.", "12"),
        ("0,5", "0.5"),
        ("$x = 3{,}2$", "3,2"),
        ("1 000", "1000"),
        ("VRAI", "vrai"),
        ("Donc x = 4, d'où y = 7 mètres", "7 mètres"),
        ("f(2) = 12 cm", "12"),
        ("<think>5 ou 6 ?</think>7", "7"),
    ],
)
def test_what_the_original_metric_accepts(prediction, expected):
    assert is_quasi_exact_match(prediction, expected)


@pytest.mark.parametrize(
    ("prediction", "expected"), [("La réponse est 12 cm.", "12"), ("1/2", "0,5"), ("", "3"), ("13", "12")]
)
def test_what_the_original_metric_refuses(prediction, expected):
    assert not is_quasi_exact_match(prediction, expected)


def test_the_known_faults_of_the_original_metric_are_kept():
    assert is_quasi_exact_match("15", "5")
    assert is_quasi_exact_match("Ce n'est pas vrai", "vrai")


def test_the_answer_is_the_right_choice_where_there_is_no_other():
    assert gold(ROW | {"reponse": None, "choix": ["a", "b"], "choix correct": "b"}) == "b"


def test_a_row_without_any_answer_is_an_error():
    with pytest.raises(ValueError, match="row 0 has neither"):
        gold(ROW | {"reponse": None})


def test_the_prompt_holds_instruction_and_choices_only_where_they_are():
    assert "Instruction" not in prompt(ROW)
    assert "Choix" not in prompt(ROW)
    full = prompt(ROW | {"instruction": "Recopier.", "choix": ["4", "5"]})
    assert "Instruction : Recopier.\n" in full
    assert "Choix : 4 ; 5\n" in full
    assert full.endswith("Réponse :")


def test_a_row_scores_zero_or_one():
    assert process_results(ROW, ["5"]) == {"bac-fr-qem": 1}
    assert process_results(ROW, ["6"]) == {"bac-fr-qem": 0}
