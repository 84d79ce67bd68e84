"""What grading a file, or a part of one, came to: counts, and ids of the rows whose verdict changed."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True, kw_only=True)
class VerdictCounts:
    """Counts that grow row by row, and add up over parts."""

    rows: int = 0
    correct: int = 0
    known_before: int = 0
    """Rows with an old verdict."""
    correct_before: int = 0
    slow: int = 0
    """Rows that took the scorer's slow engine."""
    written: int = 0
    """Rows whose answer the model wrote; of the others it was chosen by log-likelihood."""
    methods: Counter[str] = field(default_factory=Counter)
    """Rows by what decided."""
    to_right: int = 0
    """Rows that were wrong and are right."""
    to_wrong: int = 0
    right_ids: list[str] = field(default_factory=list)
    """Of the rows in *to_right*."""
    wrong_ids: list[str] = field(default_factory=list)

    def add(self, row_id: str, *, before: bool | None, after: bool, method: str) -> None:
        """Count one row."""
        self.rows += 1
        self.correct += after
        self.methods[method] += 1
        if before is None:
            return
        self.known_before += 1
        self.correct_before += before
        if before == after:
            return
        if after:
            self.to_right += 1
            self.right_ids.append(row_id)
        else:
            self.to_wrong += 1
            self.wrong_ids.append(row_id)

    def extend(self, other: VerdictCounts) -> None:
        """Add a later part of the same file."""
        self.rows += other.rows
        self.correct += other.correct
        self.known_before += other.known_before
        self.correct_before += other.correct_before
        self.slow += other.slow
        self.written += other.written
        self.methods.update(other.methods)
        self.to_right += other.to_right
        self.to_wrong += other.to_wrong
        self.right_ids += other.right_ids
        self.wrong_ids += other.wrong_ids

    def forget_ids(self) -> None:
        """Keep the counts only: a tree of thousands of models has many ids."""
        self.right_ids, self.wrong_ids = [], []

    @property
    def value(self) -> float:
        """Share of right rows; there must be rows."""
        return self.correct / self.rows

    @property
    def value_before(self) -> float | None:
        """Share of rows that were right; None: not all old verdicts are known."""
        return self.correct_before / self.rows if self.rows == self.known_before > 0 else None

    @property
    def stderr(self) -> float | None:
        """Standard error of *value*, as ``scoring.statistics.standard_error`` has it; None below two rows."""
        return math.sqrt(self.value * (1 - self.value) / (self.rows - 1)) if self.rows > 1 else None

    def to_json(self) -> dict[str, Any]:
        """Counts only: ids stay in the graded records."""
        return {
            "rows": self.rows,
            "correct": self.correct,
            "known_before": self.known_before,
            "correct_before": self.correct_before,
            "slow": self.slow,
            "written": self.written,
            "methods": dict(sorted(self.methods.items())),
            "to_right": self.to_right,
            "to_wrong": self.to_wrong,
        }
