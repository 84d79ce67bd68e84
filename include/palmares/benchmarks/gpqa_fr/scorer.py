"""Grades gpqa-fr where the model wrote its choice: the letter it ends with, against the right one."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from french_answers import DEFAULT, GradingPolicy

from palmares.benchmarks.bac_fr.scorer import BacFrScorer, grade_text
from palmares.benchmarks.scorer import DetailsRow, Grade, hash_sources

_SOURCE = hash_sources(Path(__file__))
"""Taken when the module is loaded: a process may outlive the file that it was loaded from."""
LETTERS = "ABCD"
INSTRUCTION = "Répondre par A, B, C ou D."
"""What the prompt asks; tells the grader that the expected letter names a choice."""


class GpqaFrScorer:
    """``new_acc``: reads letters as bac-fr's multiple choices are read, reasoning traces off.

    A row whose answer was chosen by log-likelihood keeps the evaluator's verdict (``acc``): there is no text
    to grade.
    """

    name = "gpqa-fr"
    version = "1"

    def __init__(self, policy: GradingPolicy = DEFAULT) -> None:
        self._policy = policy

    @property
    def code_hash(self) -> str:
        """Of this module, and of everything that reads letters for bac-fr."""
        return _code_hash(_SOURCE, BacFrScorer(self._policy).code_hash)

    def grade(self, row: DetailsRow) -> Grade:
        """Grade a row's first generation against the right choice's letter."""
        if not row.generated:
            return Grade(
                correct=row.metrics.get("acc") == 1,
                extracted=None,
                method="log_likelihood",
                reason="The choice was made by log-likelihood; the evaluator's verdict stands.",
            )
        letter = gold_letter(row)
        if letter is None:
            return Grade(
                correct=False,
                extracted=None,
                method="no_gold",
                reason="The row does not say which letter is right.",
            )
        return grade_text(
            letter,
            row.predictions[0] if row.predictions else "",
            instruction=INSTRUCTION,
            choices=_texts(row),
            policy=self._policy,
        )


def gold_letter(row: DetailsRow) -> str | None:
    """The right choice's letter: as the row says it, or by the place of its text; None: neither."""
    for gold in row.gold:
        said = gold.strip().rstrip(".)").lstrip("(").upper()
        if len(said) == 1 and said in LETTERS:
            return said
        places = [place for place, choice in enumerate(row.choices) if choice.strip() == gold.strip()]
        if len(places) == 1 and places[0] < len(LETTERS):
            return LETTERS[places[0]]
    return None


def _texts(row: DetailsRow) -> tuple[str, ...]:
    """The choices in words; none where the file holds their letters only."""
    said = {choice.strip().rstrip(".)").lstrip("(").upper() for choice in row.choices}
    return () if said <= set(LETTERS) else row.choices


@cache
def _code_hash(own: str, of_letters: str) -> str:
    return hash_sources(notes=(own, of_letters))
