"""The grader on answers of a paragraph, as models write them, and on dressed ones."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from french_answers import grade_answer

from packages.french_answers.tests.dressings import DRESSINGS, STATEMENTS_ONLY

DATA = Path(__file__).parent / "data"
MAX_REFUSED = 2
"""Right paragraphs that are not accepted; as many were measured."""
MAX_FOREIGN_ACCEPTED = 6
"""Wrong paragraphs of an author who had not seen the code that are accepted; as many were measured."""
MAX_FOREIGN_REFUSED = 55
"""Right ones that are not accepted; as many were measured."""
SEED = 20261130
CASES_A_DRESSING = 40
MIN_SURVIVING = 0.99


def cases(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (DATA / name).read_text(encoding="utf-8").splitlines()]


def is_right(case: dict[str, Any], prediction: str | None = None) -> bool:
    return grade_answer(
        case["gold"],
        case["prediction"] if prediction is None else prediction,
        instruction=case.get("instruction"),
        choices=case.get("choices") or (),
        question=case.get("question"),
    ).correct


def test_paragraphs_are_graded_as_a_teacher_would():
    found = [(case, is_right(case)) for case in cases("paragraph_cases.jsonl")]

    assert [case["id"] for case, right in found if right and not case["correct"]] == []
    assert sum(case["correct"] and not right for case, right in found) <= MAX_REFUSED


def test_paragraphs_of_another_author_are_graded_no_worse_than_measured():
    found = [(case, is_right(case)) for case in cases("foreign_cases.jsonl")]

    assert sum(right and not case["correct"] for case, right in found) <= MAX_FOREIGN_ACCEPTED
    assert sum(case["correct"] and not right for case, right in found) <= MAX_FOREIGN_REFUSED


@pytest.fixture(scope="module")
def labelled():
    """Cases that are graded as labelled when they stand alone."""
    kept = [
        case
        for name in ("bac_fr_cases.jsonl", "paragraph_cases.jsonl", "bac_fr_own_cases.jsonl")
        for case in cases(name)
        if case["prediction"].strip()
        and case.get("family") not in {"hostile", "hostile_gold", "empty_gold", "no_answer"}
        and not case["prediction"].rstrip().endswith((":", "=", "..."))
    ]
    return random.Random(SEED).sample(kept, 900)


def test_no_dressing_changes_a_verdict(labelled):
    alone = [case for case in labelled if is_right(case) == case["correct"]]
    right, lost, gained = 0, [], []
    for name, dress in DRESSINGS.items():
        for case in random.Random(name).sample(alone, CASES_A_DRESSING):
            if name in STATEMENTS_ONLY and (len(case["prediction"]) > 80 or "\n" in case["prediction"]):
                continue
            verdict = is_right(case, dress(case["prediction"]))
            right += case["correct"]
            if case["correct"] and not verdict:
                lost.append((name, case["gold"], case["prediction"][-60:]))
            if verdict and not case["correct"]:
                gained.append((name, case["gold"], case["prediction"][-60:]))

    assert len(DRESSINGS) >= 60
    assert gained == []
    assert len(lost) / right <= 1 - MIN_SURVIVING, lost


def test_no_two_dressings_change_a_verdict(labelled):
    alone = [case for case in labelled if is_right(case) == case["correct"]]
    chance = random.Random(SEED)
    right, lost, gained = 0, [], []
    names = {place: [name for name in DRESSINGS if name.startswith(place)] for place in ("before", "after")}
    for case in chance.sample(alone, 500):
        before, after = chance.choice(names["before"]), chance.choice(names["after"])
        verdict = is_right(case, DRESSINGS[before](DRESSINGS[after](case["prediction"])))
        right += case["correct"]
        if case["correct"] and not verdict:
            lost.append((before, after, case["gold"], case["prediction"][-60:]))
        if verdict and not case["correct"]:
            gained.append((before, after, case["gold"], case["prediction"][-60:]))

    assert gained == []
    assert len(lost) / right <= 0.02, lost
