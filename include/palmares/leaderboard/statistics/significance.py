"""Tests of chance."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def mcnemar(to_right: int, to_wrong: int) -> float:
    """McNemar's test, exact and two-sided: the binomial test of the changed rows against a fair coin.

    Exact at every size, where the usual chi-squared form wants some 25 changed rows
    (McNemar 1947, doi:10.1007/BF02295996). It tells whether the change has a direction, not which side
    is right.

    Returns:
        The p-value; 1 if nothing changed.
    """
    from scipy.stats import binomtest  # type: ignore[import-untyped]

    changed = to_right + to_wrong
    return float(binomtest(to_right, changed, 0.5).pvalue) if changed else 1.0


def holm(p_values: Sequence[float] | np.ndarray) -> np.ndarray:
    """Correct p-values for their number (Holm 1979, the step-down form of Bonferroni's).

    Returns:
        Adjusted p-values in the order given, shape (n,).
    """
    given = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(given, kind="stable")
    steps = given[order] * (len(given) - np.arange(len(given)))
    adjusted = np.empty_like(given)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(steps)) if len(given) else steps
    return adjusted
