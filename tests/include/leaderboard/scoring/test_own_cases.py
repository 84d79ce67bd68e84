"""The grader on the labelled cases of tests/data/bac_fr_own_cases.jsonl, in all and by family."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from include.leaderboard.scoring.bac_fr import grade_answer

CASES = Path(__file__).parents[3] / "data" / "bac_fr_own_cases.jsonl"
MAX_ERRORS = 13
"""Of 2,591, all refusals of right answers; measured, with some room below: see docs/grading.md."""


@pytest.fixture(scope="module")
def verdicts():
    cases = [json.loads(line) for line in CASES.read_text(encoding="utf-8").splitlines()]
    return [
        (
            case,
            grade_answer(
                case["gold"],
                case["prediction"],
                instruction=case["instruction"],
                choices=case.get("choices") or (),
            ),
        )
        for case in cases
    ]


def test_no_wrong_answer_is_accepted(verdicts):
    wrong = [case for case, _ in verdicts if not case["correct"]]
    accepted = [(case["family"], case["id"]) for case, grade in verdicts if grade.correct > case["correct"]]

    assert len(wrong) == 1449
    assert accepted == []


def test_few_right_answers_are_refused_and_in_no_family_many(verdicts):
    refused = Counter(case["family"] for case, grade in verdicts if grade.correct < case["correct"])

    assert len(verdicts) == 2591
    assert sum(refused.values()) <= MAX_ERRORS, refused
    assert max(refused.values(), default=0) <= 2, refused


def test_a_grade_says_nothing_of_the_row_in_its_reason(verdicts):
    texts = {case["gold"] for case, _ in verdicts if len(case["gold"]) > 6}

    assert not [grade.reason for _, grade in verdicts if any(text in grade.reason for text in texts)]
