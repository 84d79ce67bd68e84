"""The bac-fr scorer: any of a row's answers will do, and its hash names what decides."""

from __future__ import annotations

from typing import Any

import french_answers
from french_answers import GradingPolicy
from palmares.benchmarks.bac_fr.scorer import BacFrScorer
from palmares.benchmarks.scorer import DetailsRow


def row(**changed: Any) -> DetailsRow:
    fields: dict[str, Any] = {
        "row_id": "r",
        "gold": ("12",),
        "choices": (),
        "instruction": None,
        "predictions": ("Donc x = 12.",),
        "metrics": {},
        "specifics": {},
    }
    return DetailsRow(**{**fields, **changed})


def test_any_of_the_accepted_answers_will_do():
    assert BacFrScorer().grade(row(gold=("13", "12"))).correct
    assert not BacFrScorer().grade(row(gold=("13", "14"))).correct


def test_a_row_that_expects_nothing_is_not_right():
    assert BacFrScorer().grade(row(gold=())).method == "no_gold"


def test_a_row_without_a_generation_has_no_answer():
    assert BacFrScorer().grade(row(predictions=())).method == "no_answer"


def test_the_hash_covers_every_module_of_the_comparer():
    names = {path.name for path in french_answers.source_files()}

    assert {"grading.py", "policy.py", "engine_process.py", "compare.py", "answers.py"} <= names


def test_another_policy_is_another_scorer():
    assert BacFrScorer(GradingPolicy(percent=False)).code_hash != BacFrScorer().code_hash
    assert BacFrScorer(GradingPolicy()).code_hash == BacFrScorer().code_hash


def test_the_scorer_says_who_it_is():
    scorer = BacFrScorer()

    assert (scorer.name, scorer.version, len(scorer.code_hash)) == ("bac-fr", "3", 64)
