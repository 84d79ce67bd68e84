"""The parts of grading: a stored row, a verdict on it, and who gives the verdict."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class DetailsRow:
    """One row of a task's dataset with a model's answer; private, but for *row_id*."""

    row_id: str
    """What logs and reports may show."""
    gold: tuple[str, ...]
    """Accepted answers."""
    choices: tuple[str, ...]
    """Of a multiple choice, two or more; empty: an open question."""
    instruction: str | None
    predictions: tuple[str, ...]
    """Generations; usually one."""
    metrics: dict[str, Any]
    """The evaluator's values of this row."""
    specifics: dict[str, Any]
    question: str | None = None
    """The prompt without few-shot examples; None: the file does not say."""
    generated: bool = True
    """False: the answer was chosen by log-likelihood, so that *predictions* is no text of the model's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grade:
    """A verdict on one row."""

    correct: bool
    extracted: str | None
    """The answer that was judged; private like the generation. None: the text holds none."""
    method: str
    """What decided, e.g. ``number``, ``letter``, ``no_answer``; may be shown."""
    reason: str
    """For a person; holds no text of the row."""
    unsure: bool = False
    """A person should look at the row; it counts as wrong."""
    slow: bool = False
    """The symbolic engine was asked; for figures."""


class Scorer(Protocol):
    """Grades rows; deterministic, and bounded in time and memory whatever a model wrote."""

    @property
    def name(self) -> str: ...

    @property
    def version(self) -> str:
        """Raised by hand when verdicts change."""
        ...

    @property
    def code_hash(self) -> str:
        """Changes whenever the code does, forgotten version or not."""
        ...

    def grade(self, row: DetailsRow) -> Grade: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Average:
    """A task's score, averaged over its rows."""

    value: float
    """Fraction, 0 to 1."""
    stderr: float | None
    """Of *value*; None: fewer than two rows."""
    parts: dict[str, float]
    """The metrics that *value* is the mean of."""
    n: int
    """Rows."""


class Averager(Scorer, Protocol):
    """Scores rows that hold their verdicts already: no text is read again."""

    def average(self, rows: Sequence[DetailsRow]) -> Average:
        """Average the stored verdicts.

        Raises:
            RowError: There are no rows, or one has no verdict.
        """
        ...


@cache
def hash_sources(*paths: Path, notes: tuple[str, ...] = ()) -> str:
    """Hash a scorer's own source files, in the order given, and notes such as versions; 64 hex digits."""
    digest = hashlib.sha256()
    for path in paths:
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    for note in notes:
        digest.update(note.encode() + b"\0")
    return digest.hexdigest()
