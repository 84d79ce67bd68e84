"""The difference between two models that answered the same rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from palmares.benchmarks.statistics import wilson_interval
from palmares.leaderboard.statistics.significance import mcnemar

DRAWS = 10_000
"""Of the bootstrap: the ends of an interval move by about 1 % of its width with the seed."""
_CHUNK = 500
"""Draws that are held at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedDifference:
    """The second model less the first, over rows that both answered."""

    rows: int
    first: float
    """Mean of the first model's rows, a fraction."""
    second: float
    difference: float
    low: float
    """Of the 95 % interval of *difference*."""
    high: float
    first_better: int
    """Rows on which the first model scored more."""
    second_better: int
    p_value: float
    """That rows which differ fall to either side by chance."""


def paired_difference(
    first: Sequence[float], second: Sequence[float], *, seed: int = 0, draws: int = DRAWS
) -> PairedDifference:
    """Compare two models row by row.

    The interval is a percentile bootstrap over rows (Efron and Tibshirani 1993, chapter 13). Where no row
    differs the bootstrap would claim certainty: there the interval is what Wilson's allows for a share of 0.
    The p-value is the exact sign test over rows that differ, which for right and wrong is McNemar's
    exact test (McNemar 1947, doi:10.1007/BF02295996).

    Args:
        first: Each row's score, in one order of rows.
        second: The same rows' scores of the other model.
        seed: Of the bootstrap: one seed, one interval.
        draws: Of the bootstrap.

    Raises:
        ValueError: There are no rows, or the lengths differ.
    """
    if len(first) != len(second) or not first:
        raise ValueError(f"{len(first)} and {len(second)} rows: nothing to pair")
    a, b = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    gain = b - a
    better, worse = int((gain > 0).sum()), int((gain < 0).sum())
    if better or worse:
        low, high = np.quantile(bootstrap_means(gain, seed=seed, draws=draws), (0.025, 0.975))
    else:
        high = wilson_interval(0.0, len(first))[1]
        low = -high
    return PairedDifference(
        rows=len(first),
        first=float(a.mean()),
        second=float(b.mean()),
        difference=float(gain.mean()),
        low=float(low),
        high=float(high),
        first_better=worse,
        second_better=better,
        p_value=mcnemar(better, worse),
    )


def bootstrap_means(values: np.ndarray, *, seed: int, draws: int = DRAWS) -> np.ndarray:
    """Means of *draws* samples of the rows with replacement; shape (draws,).

    Args:
        values: One value a row.
        seed: Samples with one seed and one number of rows take the same rows.
        draws: How many samples.
    """
    random = np.random.default_rng(seed)
    rows = len(values)
    found = [
        values[random.integers(0, rows, size=(min(_CHUNK, draws - start), rows))].mean(axis=1)
        for start in range(0, draws, _CHUNK)
    ]
    return np.concatenate(found)
