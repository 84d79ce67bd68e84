"""The grader on the labelled cases of data/bac_fr_own_cases.jsonl, in all and by family."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

import pytest
from french_answers import grade_answer

DATA = Path(__file__).parent / "data"
CASES = DATA / "bac_fr_own_cases.jsonl"
BLIND = DATA / "bac_fr_blind_cases.jsonl"
STATEMENTS = DATA / "bac_fr_statement_cases.jsonl"
MAX_REFUSED_STATEMENTS = 9
"""Of more than 800; eight were measured."""
MAX_ERRORS = 3
"""Of 2,591, all refusals of right answers: one was measured."""


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


def test_cases_by_another_hand_are_graded_alike():
    errors = []
    for line in BLIND.read_text(encoding="utf-8").splitlines():
        case = json.loads(line)
        grade = grade_answer(
            case["gold"],
            case["prediction"],
            instruction=case["instruction"],
            choices=case.get("choices") or (),
        )
        if grade.correct != case["correct"]:
            errors.append((case["family"], case["correct"], case["prediction"]))

    assert [error for error in errors if not error[1]] == []
    assert len(errors) <= 2, errors


def test_a_grade_says_nothing_of_the_row_in_its_reason(verdicts):
    texts = {case["gold"] for case, _ in verdicts if len(case["gold"]) > 6}

    assert not [grade.reason for _, grade in verdicts if any(text in grade.reason for text in texts)]


def test_statements_as_models_write_them_are_graded():
    cases = [json.loads(line) for line in STATEMENTS.read_text(encoding="utf-8").splitlines()]
    wrong = [
        case
        for case in cases
        if grade_answer(
            case["gold"],
            case["prediction"],
            instruction=case["instruction"],
            choices=case.get("choices") or (),
        ).correct
        is not case["correct"]
    ]

    assert len(cases) > 800
    assert [case["id"] for case in wrong if not case["correct"]] == []
    assert len(wrong) <= MAX_REFUSED_STATEMENTS


WORKING = re.compile(
    r"ponse|boxed|thin|onclusion|olution|nswer|réfl|obtient|vient|[<|]|fbox|Essay|[Oo]n (?:trouve|calc)"
    r"|reste \d|^Donc|j'|sais pas|^[Nn]on|^[Oo]ui|\ud800",
    re.IGNORECASE,
)
"""Predictions that are more than an answer cannot stand in another sentence."""
SENTENCES = (
    "La réponse est {}.",
    "<think>Voyons 3 ou 4.</think>\n\n{}",
    "**Réponse : {}**",
    "On calcule 2 + 2 = 4.\n\nRéponse finale : {}",
    "Finalement, on trouve {}.",
)
MAX_REFUSED_IN_A_SENTENCE = 0.01


@pytest.mark.parametrize("sentence", SENTENCES)
def test_an_answer_in_a_sentence_is_graded_as_alone(verdicts, sentence):
    short = [
        (case, grade)
        for case, grade in verdicts
        if len(case["prediction"]) <= 70
        and case["prediction"].strip()
        and "\n" not in case["prediction"]
        and not WORKING.search(case["prediction"])
        and case["family"] not in {"hostile", "hostile_gold", "empty_gold", "no_answer"}
    ]
    flips = Counter(
        (grade.correct, case["id"])
        for case, grade in short
        if grade_answer(
            case["gold"],
            sentence.format(case["prediction"].removesuffix(".")),
            instruction=case["instruction"],
            choices=case.get("choices") or (),
        ).correct
        is not grade.correct
    )

    assert len(short) > 1800
    assert [flip for flip in flips if not flip[0]] == []
    assert len(flips) / len(short) <= MAX_REFUSED_IN_A_SENTENCE
