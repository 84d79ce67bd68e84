"""Means and standard errors of a task's metrics, from its rows."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any


def mean_and_stderr(values: Sequence[float]) -> tuple[float, float | None]:
    """Plain mean, and its standard error from the sample variance; None for a single value."""
    count = len(values)
    mean = math.fsum(values) / count
    if count < 2:
        return mean, None
    variance = math.fsum((value - mean) ** 2 for value in values) / (count - 1)
    return mean, math.sqrt(variance / count)


def ratio_and_stderr(groups: Sequence[Sequence[float]]) -> tuple[float, float | None]:
    """Mean over all values, and its standard error with whole groups as the unit that is drawn.

    Instructions of one prompt succeed and fail together, so they are not independent: the linearised variance
    of a ratio estimator (Cochran, Sampling Techniques, 3rd edition, 6.4) is used.
    """
    total = math.fsum(len(group) for group in groups)
    ratio = math.fsum(math.fsum(group) for group in groups) / total
    count = len(groups)
    if count < 2:
        return ratio, None
    residuals = math.fsum((math.fsum(group) - ratio * len(group)) ** 2 for group in groups)
    return ratio, math.sqrt(residuals * count / (count - 1)) / total


def task_metrics(samples: Sequence[Mapping[str, Any]], metrics: Sequence[str]) -> dict[str, float]:
    """Each metric and its ``…_stderr``, as fractions; a stderr that has no estimator is left out."""
    found: dict[str, float] = {}
    for name in metrics:
        values = [sample[name] for sample in samples]
        value, stderr = ratio_and_stderr(values) if isinstance(values[0], list) else mean_and_stderr(values)
        found[name] = value
        if stderr is not None:
            found[f"{name}_stderr"] = stderr
    return found
