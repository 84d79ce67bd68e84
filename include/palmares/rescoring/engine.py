"""Grades stored rows again, and counts what changes: for details in folders, and for outputs in the store."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from french_answers import DEFAULT, GradingPolicy

from palmares.benchmarks import registry
from palmares.benchmarks.benchmark import StoredMetric
from palmares.benchmarks.scorer import DetailsRow, Grade, Scorer
from palmares.leaderboard.scoring.score import graded_record


def scorer_of(task: str, policy: GradingPolicy = DEFAULT) -> Scorer | None:
    """The scorer of a short task name under a policy, if there is one that reads what the model wrote."""
    # A policy that another process sent equals the default, but is another object; scorers may compare those.
    return registry.text_scorers(DEFAULT if policy == DEFAULT else policy).get(task)


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


def metric_of(task: str) -> StoredMetric:
    """Where results files keep the score of a task.

    A task without a benchmark is one of older files: its metric is named like it, or like its kind.
    """
    known = registry.benchmarks().get(task)
    return known.stored if known else StoredMetric(names=(task, f"{task}-qem", "qem", "acc"))


def verdict_before(metrics: Mapping[str, Any], metric: StoredMetric) -> bool | None:
    """A row's stored verdict; None: there is none, or it is no plain yes or no."""
    for name in metric.all_names:
        value = metrics.get(name)
        if isinstance(value, list) and len(value) == 1:
            value = value[0]
        if isinstance(value, bool | int | float) and value in {0, 1}:
            return bool(value)
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One row, graded again."""

    row: DetailsRow
    grade: Grade
    before: bool | None
    """The verdict that it had; None: not known."""

    def record(self, scorer: Scorer) -> dict[str, Any]:
        """What is kept of it beside the details; no text of the row is in it."""
        kept = graded_record(self.row, self.grade, scorer)
        del kept["unsure"]
        return kept | {"before": self.before}


def regrade(
    rows: Iterable[DetailsRow], scorer: Scorer, *, before: Callable[[DetailsRow], bool | None]
) -> Iterator[Verdict]:
    """Grade rows one at a time, each beside its earlier verdict.

    Args:
        rows: Of one task, in the order of the details.
        scorer: The present one.
        before: A row's earlier verdict; called once a row, in order.
    """
    for row in rows:
        yield Verdict(row=row, grade=scorer.grade(row), before=before(row))


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

    def add(self, row_id: str, *, before: bool | None, after: bool, method: str | None = None) -> None:
        """Count one row; its method is what decided, where that is known."""
        self.rows += 1
        self.correct += after
        if method is not None:
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

    def add_verdict(self, verdict: Verdict) -> None:
        """Count one row that was graded now, and how it was."""
        grade = verdict.grade
        self.add(verdict.row.row_id, before=verdict.before, after=grade.correct, method=grade.method)
        self.slow += grade.slow
        self.written += verdict.row.generated

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
    def unknown_before(self) -> int:
        """Rows without an old verdict."""
        return self.rows - self.known_before

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
        """Standard error of *value*; None below two rows."""
        return share_stderr(self.correct, self.rows)

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

    @classmethod
    def of_records(cls, records: Iterable[Mapping[str, Any]]) -> VerdictCounts:
        """Count graded records: each with ``row_id``, ``correct``, ``method`` and ``before``."""
        counts = cls()
        for one in records:
            counts.add(one["row_id"], before=one["before"], after=one["correct"], method=one["method"])
        return counts


def share_stderr(right: int, rows: int) -> float | None:
    """The sample standard error of the share of right rows; None below two rows."""
    value = right / rows
    return math.sqrt(value * (1 - value) / (rows - 1)) if rows > 1 else None
