"""Which metric of a results file a scorer's verdicts are, by task."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskMetric:
    """Where a task's score stands."""

    names: tuple[str, ...]
    """As results files call it, the present name first."""
    shown_before: tuple[str, ...] = ()
    """Metrics that the leaderboard showed in its place while it was not there."""
    added: bool = False
    """Whether it is added to a file that lacks it."""


METRICS: Mapping[str, TaskMetric] = {
    "bac-fr": TaskMetric(names=("bac-fr-qem", "qem")),
    "gpqa-fr": TaskMetric(names=("new_acc",), shown_before=("acc",), added=True),
}
"""``new_acc`` is what post-processing adds for models that write a letter; ``acc`` stays beside it."""


def metric_of(task: str) -> TaskMetric:
    """The metric of a short task name; of one that is not listed, the metric named like it."""
    return METRICS.get(task, TaskMetric(names=(task, f"{task}-qem", "qem", "acc")))


def verdict_before(metrics: Mapping[str, Any], metric: TaskMetric) -> bool | None:
    """A row's stored verdict; None: there is none, or it is no plain yes or no."""
    for name in (*metric.names, *metric.shown_before):
        value = metrics.get(name)
        if isinstance(value, list) and len(value) == 1:
            value = value[0]
        if isinstance(value, bool | int | float) and value in {0, 1}:
            return bool(value)
    return None
