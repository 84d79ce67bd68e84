"""Tests whether changes go one way more than chance would have it."""

from __future__ import annotations

from collections.abc import Sequence


def mcnemar(to_right: int, to_wrong: int) -> float:
    """McNemar's test, exact and two-sided: the binomial test of the changed rows against a fair coin.

    Exact at every size, where the usual chi-squared form wants some 25 changed rows
    (McNemar 1947, doi:10.1007/BF02295996). It tells whether the change has a direction, not which scorer
    is right.

    Returns:
        The p-value; 1 if nothing changed.
    """
    from scipy.stats import binomtest  # type: ignore[import-untyped]

    changed = to_right + to_wrong
    return float(binomtest(to_right, changed, 0.5).pvalue) if changed else 1.0


def holm(p_values: Sequence[float]) -> list[float]:
    """Correct p-values for their number, in their order (Holm 1979, the step-down form of Bonferroni's)."""
    adjusted = [0.0] * len(p_values)
    largest = 0.0
    for place, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        largest = max(largest, min(1.0, p_values[index] * (len(p_values) - place)))
        adjusted[index] = largest
    return adjusted
