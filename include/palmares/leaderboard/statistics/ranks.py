"""Ranks that the rows can hold: an interval of ranks a model, and groups of models that nothing separates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from palmares.leaderboard.statistics.paired import DRAWS
from palmares.leaderboard.statistics.significance import holm

LEVEL = 0.05
"""Chance of one wrong order or more among all pairs."""
_CHUNK = 500


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


def ranks(
    benchmarks: Sequence[Mapping[str, Sequence[float]]], *, seed: int = 0, draws: int = DRAWS
) -> dict[str, Rank]:
    """Rank models by their plain average over benchmarks, with what the rows cannot decide.

    Rows are drawn again with replacement, the same for all models (a paired bootstrap). Two models are
    separated where the difference of their averages, divided by its standard error over the draws, is beyond
    chance after Holm's correction for all pairs (Holm 1979, www.jstor.org/stable/4615733).

    Args:
        benchmarks: Of each benchmark: model → its rows' scores, in one order of rows; NaN: the row is
            missing. Every benchmark has every model.
        seed: One seed, one result.
        draws: Of the bootstrap.

    Returns:
        By model, the best average first.

    Raises:
        ValueError: There is no benchmark, or one lacks a model or has rows of unequal number.
    """
    if not benchmarks or not benchmarks[0]:
        raise ValueError("no benchmark or no model: nothing to rank")
    names = sorted(benchmarks[0])
    if any(sorted(each) != names for each in benchmarks):
        raise ValueError("a benchmark has other models than the first")
    tables = [np.array([each[name] for name in names], dtype=np.float32) for each in benchmarks]
    average = np.mean([np.nanmean(table, axis=1, dtype=np.float64) for table in tables], axis=0)
    sampled = _sampled_averages(tables, seed=seed, draws=draws)
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


def _sampled_averages(tables: Sequence[np.ndarray], *, seed: int, draws: int) -> np.ndarray:
    """Averages over benchmarks of each draw, shape (draws, models)."""
    random = np.random.default_rng(seed)
    parts = []
    for start in range(0, draws, _CHUNK):
        size = min(_CHUNK, draws - start)
        total = np.zeros((size, len(tables[0])), dtype=np.float32)
        for table in tables:
            rows = table.shape[1]
            weights = random.multinomial(rows, np.full(rows, 1 / rows), size=size).astype(np.float32)
            there = ~np.isnan(table)
            sums = weights @ np.where(there, table, 0).T
            counts = rows if there.all() else np.maximum(weights @ there.T.astype(np.float32), 1)
            total += sums / counts
        parts.append(total / len(tables))
    return np.concatenate(parts)


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
