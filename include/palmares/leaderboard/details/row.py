"""One row of details, whichever program wrote it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Consecutive rows of a parquet file."""

    row_groups: tuple[int, ...]
    """Consecutive."""
    first_row: int
    """Of the first row, in the file; for messages and for rows without an id."""
    skip: int = 0
    """Rows at the head of the first group that are another span's."""
    rows: int | None = None
    """At most so many; None: to the end of the last group."""


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
