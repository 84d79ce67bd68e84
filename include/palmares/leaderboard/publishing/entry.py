"""What the store knows of one published result, gathered for everything that is made of all of them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from palmares.leaderboard.planning.plan import JobPlan
from palmares.leaderboard.publishing.cost import Cost
from palmares.leaderboard.results.manifest import Manifest
from palmares.leaderboard.submissions.submission import Submission
from palmares.leaderboard.suites import Suite


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedResult:
    """One result that went through every gate and was published."""

    submission: Submission
    manifest: Manifest
    """Of the accepted outputs."""
    plan: JobPlan
    """Of the attempt that was accepted."""
    scores: Mapping[str, Mapping[str, Any]]
    """``value``, ``stderr``, … by short task name, as ``scores_json`` wrote them."""
    cost: Cost
    claimed_at: datetime
    """When its evaluation began; the newest of a model's results counts."""


def missing_tasks(scores: Mapping[str, Mapping[str, Any]], suite: Suite) -> list[str]:
    """Short names of the suite's tasks that have no usable score: absent, or no fraction."""
    return [task.name for task in suite.tasks if not _is_fraction(scores.get(task.name, {}).get("value"))]


def _is_fraction(value: object) -> bool:
    return (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and math.isfinite(value)
        and 0 <= value <= 1
    )
