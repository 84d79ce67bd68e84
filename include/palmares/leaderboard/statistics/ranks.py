"""Ranks that the rows can hold: an interval of ranks a model, and groups of models that nothing separates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

LEVEL = 0.05
"""Chance that a model's interval of ranks is wrong at one comparison or more."""
_CHUNK = 250
"""Models whose comparisons are held at once."""


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

    Each model is compared with every other. They are separated where the difference of their averages,
    divided by its standard error over the draws, is beyond chance after Holm's correction for the model's
    comparisons (Holm 1979, www.jstor.org/stable/4615733). So each model's interval holds its rank with 95 %
    (the marginal confidence set of Mogstad, Romano, Shaikh and Wilhelm 2024, doi:10.1093/restud/rdad006);
    it is not claimed that all intervals of a leaderboard hold together.

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
    separated = _separated(average, _covariance(sampled))
    better = separated & (average[:, None] < average[None, :])  # [i, j]: j is surely better than i
    worse = separated & (average[:, None] > average[None, :])
    best = 1 + better.sum(axis=1)
    worst = len(names) - worse.sum(axis=1)
    order = sorted(range(len(names)), key=lambda index: (-average[index], names[index]))
    found: dict[str, Rank] = {}
    group, leader = 0, -1
    for index in order:
        if leader < 0 or worse[leader, index]:
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


def _covariance(sampled: np.ndarray) -> np.ndarray:
    """Of the models' averages; shape (models, models)."""
    centred = sampled - sampled.mean(axis=0)
    found: np.ndarray = (centred.T @ centred) / (len(sampled) - 1)
    return found


def _separated(average: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """[i, j]: model i differs from j beyond chance, by Holm's step-down procedure over i's comparisons."""
    from scipy.special import log_ndtr  # type: ignore[import-untyped]

    models = len(average)
    found = np.zeros((models, models), dtype=bool)
    if models < 2:
        return found
    variance = np.diag(covariance)
    # The limit of the k-th smallest of m p-values is LEVEL / (m - k + 1); the model itself has p = 1.
    limits = np.log(LEVEL / np.maximum(np.arange(models - 1, -1, -1), 1))
    for start in range(0, models, _CHUNK):
        rows = slice(start, start + _CHUNK)
        spread = np.sqrt(np.maximum(variance[rows, None] + variance[None, :] - 2 * covariance[rows], 0))
        gap = np.abs(average[rows, None] - average[None, :])
        # Models that differ in no row have no spread: nothing separates them.
        score = np.divide(gap, spread, out=np.zeros_like(gap), where=spread > 1e-7)
        # In logarithms: far tails would all be 0.
        p_value = np.minimum(np.log(2) + log_ndtr(-score), 0)
        order = np.argsort(p_value, axis=1, kind="stable")
        passed = np.logical_and.accumulate(np.take_along_axis(p_value, order, axis=1) <= limits, axis=1)
        np.put_along_axis(found[rows], order, passed, axis=1)
    return found
