"""Ranks that the rows can hold: an interval of ranks a model, and groups of models that nothing separates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from palmares.leaderboard.statistics.significance import holm

LEVEL = 0.05
"""Chance of one wrong order or more among all pairs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rank:
    """One model's place."""

    average: float
    """A fraction."""
    low: float
    """Of the average's 95 % interval."""
    high: float
    best: int
    """1 + the models that are surely better."""
    worst: int
    """The number of models, less those that are surely worse."""
    tie_group: int
    """From 1; a group's leader is not surely better than any other member."""


def ranks(averages: Mapping[str, float], sampled: np.ndarray) -> dict[str, Rank]:
    """Rank models by their average, with what the rows cannot decide.

    Two models are separated where the difference of their averages, divided by its standard error over the
    draws, is beyond chance after Holm's correction for all pairs (Holm 1979, www.jstor.org/stable/4615733).

    Args:
        averages: By model, fractions.
        sampled: The averages over rows that were drawn again with replacement, each time the same rows for
            all models (a paired bootstrap); shape (draws, models), models in the order of *averages*.

    Returns:
        By model, the best average first.

    Raises:
        ValueError: There is no model, or *sampled* has another number of models.
    """
    names = list(averages)
    if not names or sampled.shape[1:] != (len(names),):
        raise ValueError(f"{len(names)} models and draws of shape {sampled.shape}: nothing to rank")
    average = np.array(list(averages.values()))
    low, high = np.quantile(sampled, (0.025, 0.975), axis=0)
    separated = _separated(average, np.cov(sampled, rowvar=False).reshape(len(names), len(names)))
    better = separated & (average[:, None] < average[None, :])  # [i, j]: j is surely better than i
    best = 1 + better.sum(axis=1)
    worst = len(names) - better.sum(axis=0)
    order = sorted(range(len(names)), key=lambda index: (-average[index], names[index]))
    found: dict[str, Rank] = {}
    group, leader = 0, -1
    for index in order:
        if leader < 0 or better[index, leader]:
            group, leader = group + 1, index
        found[names[index]] = Rank(
            average=float(average[index]),
            low=float(low[index]),
            high=float(high[index]),
            best=int(best[index]),
            worst=int(worst[index]),
            tie_group=group,
        )
    return found


def _separated(average: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """Which pairs differ beyond chance, by Holm's step-down procedure; symmetric, shape (models, models)."""
    from scipy.stats import norm  # type: ignore[import-untyped]

    models = len(average)
    found = np.zeros((models, models), dtype=bool)
    if models < 2:
        return found
    left, right = np.triu_indices(models, k=1)
    variance = np.diag(covariance)
    spread = np.sqrt(np.maximum(variance[left] + variance[right] - 2 * covariance[left, right], 0))
    gap = np.abs(average[left] - average[right])
    # Models that differ in no row have no spread: nothing separates them.
    score = np.divide(gap, spread, out=np.zeros_like(gap), where=spread > 1e-9)
    chosen = holm(2 * norm.sf(score)) <= LEVEL
    found[left[chosen], right[chosen]] = True
    return found | found.T
