"""What a re-scoring run came to, file by file: graded details, results files, problems."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from palmares.rescoring.engine import ScorerId, VerdictCounts
from palmares.rescoring.files import DetailsFile, Problem
from palmares.rescoring.update import Change


@dataclass(frozen=True, slots=True, kw_only=True)
class GradedFile:
    """One details file that was graded, or had been."""

    file: DetailsFile
    model: str
    counts: VerdictCounts
    scorer: ScorerId
    sha256: str
    """Of the details."""
    kept: bool
    """The graded records were there already: same details, same scorer."""

    def to_json(self) -> dict[str, Any]:
        return {
            "details": str(self.file.path),
            "model": self.model,
            "task": self.file.task,
            "graded": str(self.file.graded),
            "kept": self.kept,
            "value": self.counts.value,
            "stderr": self.counts.stderr,
            "scorer": self.scorer.to_json(),
            **self.counts.to_json(),
        }


ScoresState = Literal["updated", "unchanged", "would_update", "left_out"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoresOutcome:
    """One results file."""

    path: Path
    model: str
    time: str
    """Of the evaluation, digits only."""
    state: ScoresState
    """``unchanged``: it holds all these scores already. ``left_out``: it stays as it was and lacks some, for
    the reasons among the run's problems."""
    changes: tuple[Change, ...]
    before: dict[str, tuple[float, float | None]]
    """Score and its error of every task that the leaderboard shows, by short name, before."""
    after: dict[str, tuple[float, float | None]]

    def to_json(self) -> dict[str, Any]:
        return {
            "scores": str(self.path),
            "model": self.model,
            "state": self.state,
            "tasks": [change.to_json() for change in self.changes],
        }


@dataclass(slots=True, kw_only=True)
class Outcome:
    """Of a whole run."""

    graded: list[GradedFile] = field(default_factory=list)
    scores: list[ScoresOutcome] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    without_scorer: dict[str, int] = field(default_factory=dict)
    """Details files by task that no scorer is registered for; they were left as they are."""
    by_likelihood: int = 0
    """Details files whose answers were chosen by log-likelihood: there is no text to grade."""
    stopped: bool = False
    """The disk took no more: the rest was not tried."""

    @property
    def exit_status(self) -> int:
        return 1 if self.problems else 0

    def to_json(self) -> dict[str, Any]:
        return {
            "graded": [one.to_json() for one in self.graded],
            "scores": [one.to_json() for one in self.scores],
            "problems": [one.to_json() for one in self.problems],
            "notes": self.notes,
            "without_scorer": self.without_scorer,
            "by_likelihood": self.by_likelihood,
            "stopped": self.stopped,
        }
