"""Means, their standard errors, and the rescaling that makes guessing zero."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

Z_95 = 1.959963984540054
"""Quantile of the standard normal distribution for 95 % between both sides."""


def normalize(score: float, *, baseline: float) -> float:
    """Rescale so that guessing scores 0 and perfection 1; below guessing is 0, too.

    Args:
        score: Accuracy, as a fraction.
        baseline: Accuracy of guessing, 1 / number of choices.

    Raises:
        ValueError: *baseline* is outside [0, 1).
    """
    if not 0 <= baseline < 1:
        raise ValueError(f"baseline {baseline} is outside [0, 1)")
    return max(0.0, (score - baseline) / (1 - baseline))


def mean(values: Sequence[float]) -> float:
    """Plain mean.

    Raises:
        ValueError: There are no values.
    """
    if not values:
        raise ValueError("no values to average")
    return math.fsum(values) / len(values)


def standard_error(values: Sequence[float]) -> float | None:
    """Sample standard error of the mean; ``sqrt(p (1 - p) / (n - 1))`` for 0/1 values.

    Returns:
        None for fewer than two values: one has no spread.
    """
    if len(values) < 2:
        return None
    centre = mean(values)
    return math.sqrt(math.fsum((value - centre) ** 2 for value in values) / (len(values) - 1) / len(values))


def wilson_interval(value: float, rows: int, *, z: float = Z_95) -> tuple[float, float]:
    """Wilson's score interval of a share of right rows (Wilson 1927, doi:10.2307/2276774).

    Unlike the standard error it claims no certainty at 0 and 1: 0 of 200 is 0 to 0.019.

    Args:
        value: Share, 0 to 1.
        rows: Rows that it is of.
        z: Standard normal quantile; the default is of 95 %.

    Raises:
        ValueError: There are no rows.
    """
    if rows < 1:
        raise ValueError("no rows: a share of nothing has no interval")
    spread = z * z / rows
    centre = (value + spread / 2) / (1 + spread)
    half = z * math.sqrt(value * (1 - value) / rows + spread / (4 * rows)) / (1 + spread)
    # Exact at the ends, where rounding would leave 1e-18.
    return 0.0 if value <= 0 else centre - half, 1.0 if value >= 1 else centre + half


def ratio_influences(parts: Sequence[Sequence[float]]) -> list[float]:
    """Each row's pull on a ratio of sums, such as the share of followed instructions over all rows.

    The delta method (Cochran, Sampling Techniques, 3rd edition, 6.4): row *i* with sum ``s_i`` of ``m_i``
    parts counts ``R + (s_i - R m_i) / mean(m)``, whose mean is the ratio R itself and whose standard error
    is R's; rows, not parts, are independent.

    Raises:
        ValueError: There are no parts.
    """
    sizes = [float(len(row)) for row in parts]
    if not sum(sizes):
        raise ValueError("no parts to average")
    ratio = math.fsum(value for row in parts for value in row) / sum(sizes)
    mean_size = mean(sizes)
    return [ratio + (math.fsum(row) - ratio * len(row)) / mean_size for row in parts]


def task_metrics(samples: Sequence[Mapping[str, Any]], metrics: Sequence[str]) -> dict[str, float]:
    """Average each metric over a task's rows.

    Args:
        samples: One mapping a row; a metric's value is a number, or a list of them.
        metrics: Names of the metrics.

    Returns:
        Each metric and its ``…_stderr``, as fractions; a stderr that has no estimator is left out.
    """
    found: dict[str, float] = {}
    for name in metrics:
        values = [sample[name] for sample in samples]
        pulls = ratio_influences([value if isinstance(value, list) else [value] for value in values])
        found[name] = mean(pulls)
        if (stderr := standard_error(pulls)) is not None:
            found[f"{name}_stderr"] = stderr
    return found
