"""What a re-scoring run keeps in mind of each file and each evaluation, and what it was asked for."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from french_answers import DEFAULT, GradingPolicy

from palmares.leaderboard.checks.limits import SanitySettings
from palmares.rescoring.counts import VerdictCounts
from palmares.rescoring.examining import Looked
from palmares.rescoring.grading import Part
from palmares.rescoring.marks import ScorerId
from palmares.rescoring.naming import DetailsFile
from palmares.rescoring.outcome import GradedFile


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How to re-score."""

    dry_run: bool = False
    """Grade and tell, write nothing."""
    force: bool = False
    """Grade again what is done."""
    tasks: Collection[str] = ()
    """Short names; empty: all that have a scorer."""
    keep_ids: bool = False
    """Keep the ids of the rows that changed, for a report."""
    baselines: Mapping[str, float] = field(default_factory=dict)
    """What guessing scores, by short task name."""
    policy: GradingPolicy = DEFAULT
    """What counts as right where that is a choice."""
    limits: Mapping[str, SanitySettings] | None = None
    """Of the sanity baselines, by short task name; None: scorers are not tried before they grade."""


@dataclass(slots=True, kw_only=True)
class Evaluation:
    """The details of one model and time, which belong to one results file."""

    left: int
    """Files not yet done with."""
    graded: list[tuple[Path, GradedFile, str | None]] = field(default_factory=list)
    """Results file, graded details, filter of samples."""


@dataclass(slots=True, kw_only=True)
class Job:
    """One details file on its way."""

    file: DetailsFile
    scorer: ScorerId
    evaluation: Evaluation
    scores: Path | None
    """Its results file; None: there is none that matches."""
    model: str
    looked: Looked | None = None
    parts: list[Part] = field(default_factory=list)
    counts: dict[int, VerdictCounts] = field(default_factory=dict)
    """By the part's number."""
    failed: bool = False


Task = tuple[Job, Callable[[Any], Any], Any, int]
"""Job, function, its argument, and the part's number; -1 for the first look."""

Advance = Callable[[DetailsFile, float], None]
"""Is told of a file the share that was done since it was last told."""


def unheard(_file: DetailsFile, _share: float) -> None:
    """Nobody wants to know how far it is."""
