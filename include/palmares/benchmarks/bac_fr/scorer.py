"""Grades bac-fr: a short French exam answer against the expected one, with the package french_answers."""

from __future__ import annotations

from functools import cache

import french_answers
from french_answers import DEFAULT, GradingPolicy

from palmares.benchmarks.scorer import DetailsRow, Grade, hash_sources

_SOURCES = hash_sources(*french_answers.source_files())
"""Of the modules as they were imported: a long-lived process keeps them when the files change."""


@cache
def _code_hash(policy: str) -> str:
    versions = (f"{name} {version}" for name, version in french_answers.library_versions().items())
    return hash_sources(notes=(_SOURCES, policy, *versions))


class BacFrScorer:
    """Deterministic; reads at most the last 8,000 characters of a generation."""

    name = "bac-fr"
    version = "3"

    def __init__(self, policy: GradingPolicy = DEFAULT) -> None:
        self._policy = policy

    @property
    def code_hash(self) -> str:
        """Of the comparer's sources, of the policy, and of the libraries' versions."""
        return _code_hash(self._policy.describe())

    def grade(self, row: DetailsRow) -> Grade:
        """Grade a row's first generation; any of the accepted answers will do."""
        prediction = row.predictions[0] if row.predictions else ""
        first = None
        for gold in row.gold:
            grade = grade_text(
                gold,
                prediction,
                instruction=row.instruction,
                choices=row.choices,
                question=row.question,
                policy=self._policy,
            )
            if grade.correct:
                return grade
            first = first or grade
        return first or Grade(
            correct=False, extracted=None, method="no_gold", reason="The row expects nothing."
        )


def grade_text(
    gold: str,
    prediction: str,
    *,
    instruction: str | None,
    choices: tuple[str, ...],
    policy: GradingPolicy,
    question: str | None = None,
) -> Grade:
    """Grade one generation against one expected answer."""
    grade = french_answers.grade_answer(
        gold, prediction, instruction=instruction, choices=choices, question=question, policy=policy
    )
    return Grade(
        correct=grade.correct,
        extracted=grade.extracted,
        method=grade.method,
        reason=grade.reason,
        unsure=grade.unsure,
        slow=grade.slow,
    )
