"""Which metric of a results file a scorer's verdicts are, by task."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from palmares.benchmarks import registry
from palmares.benchmarks.benchmark import StoredMetric


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
