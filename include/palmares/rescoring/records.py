"""Graded records of a details file: their counts, and the mark that says that they are complete."""

from __future__ import annotations

import hashlib
import json
import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from palmares.benchmarks.scorer import Scorer
from palmares.rescoring.atomic import replacing
from palmares.rescoring.files import DetailsFile


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


SCHEMA = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ScorerId:
    """Who graded."""

    name: str
    version: str
    hash: str

    @classmethod
    def of(cls, scorer: Scorer) -> ScorerId:
        return cls(name=scorer.name, version=scorer.version, hash=scorer.code_hash)

    def to_json(self) -> dict[str, str]:
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """Of one details file."""

    details_sha256: str
    graded_sha256: str
    scorer: ScorerId
    counts: dict[str, Any]


def write_mark(file: DetailsFile, mark: Mark) -> None:
    """Write the mark beside the graded records, which must be in place.

    Raises:
        OSError: The folder cannot be written.
    """
    document = {
        "schema": SCHEMA,
        "details": {"file": file.path.name, "sha256": mark.details_sha256},
        "graded": {"file": file.graded.name, "sha256": mark.graded_sha256},
        "scorer": mark.scorer.to_json(),
        **mark.counts,
    }
    with replacing(file.mark) as output:
        output.write((json.dumps(document, indent=2) + "\n").encode())


def read_mark(file: DetailsFile) -> Mark | None:
    """The mark of a file's graded records; None: there is none that says what it should."""
    try:
        found = json.loads(file.mark.read_bytes())
        return Mark(
            details_sha256=str(found["details"]["sha256"]),
            graded_sha256=str(found["graded"]["sha256"]),
            scorer=ScorerId(**found["scorer"]),
            counts={key: value for key, value in found.items() if isinstance(value, int | dict)},
        )
    except (OSError, ValueError, TypeError, KeyError):
        return None


def read_counts(file: DetailsFile) -> VerdictCounts:
    """Count a file's graded records anew; those of a marked file are complete.

    Raises:
        ValueError: A line is no record.
        OSError: It cannot be read.
    """
    counts = VerdictCounts()
    for record in records(file.graded):
        counts.add(
            record["row_id"], before=record["before"], after=record["correct"], method=record["method"]
        )
    return counts


def sha256_of(path: Path) -> str:
    """Hash a file's content in bounded memory; 64 hex digits.

    Raises:
        OSError: It cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def records(path: Path) -> Iterator[dict[str, Any]]:
    """Graded records of a file, one at a time.

    Raises:
        ValueError: A line is no JSON.
        OSError: It cannot be read.
    """
    with path.open("rb") as file:
        for line in file:
            yield json.loads(line)
