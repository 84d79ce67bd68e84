"""Runs a scorer on the degenerate predictors, and compares with its floors and ceilings."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from palmares.benchmarks.scorer import DetailsRow
from palmares.leaderboard.checks.limits import SanitySettings
from palmares.leaderboard.checks.predictors import PREDICTORS, Known, Predictor, known_rows, probes
from palmares.leaderboard.checks.rates import Rate, ceiling, first_ids, floor
from palmares.leaderboard.checks.sample import sample

if TYPE_CHECKING:  # scoring imports this package
    from palmares.benchmarks.scorer import Scorer


def scorer_rates(scorer: Scorer, rows: Iterable[DetailsRow], settings: SanitySettings) -> tuple[Rate, ...]:
    """Grade every degenerate predictor.

    Args:
        scorer: Any; the rows' own predictions are not read.
        rows: The task's rows; a sample of them is taken, always the same one.
        settings: Limits, and the sample's size.

    Returns:
        One rate a predictor that applies to these rows. Deterministic.
    """
    # A choice by log-likelihood has no text to grade.
    known = known_rows(sample((row for row in rows if row.generated), settings.sample))
    rates = []
    for predictor in PREDICTORS:
        share = getattr(settings.scorer, predictor.name)
        if share is None:
            continue
        rate = _rate(scorer, predictor, known, share)
        if rate.rows:
            rates.append(rate)
    return tuple(rates)


def _rate(scorer: Scorer, predictor: Predictor, known: list[Known], share: float) -> Rate:
    count = rows = 0
    against: list[str] = []
    for row, text in probes(predictor, known):
        rows += 1
        correct = scorer.grade(replace(row, predictions=(text,))).correct
        count += correct
        if correct != predictor.right:
            against.append(row.row_id)
    return Rate(
        name=predictor.name,
        meaning=f"calls {predictor.meaning} right on",
        of="scorer",
        count=count,
        rows=rows,
        least=floor(share, rows) if predictor.right else None,
        most=None if predictor.right else ceiling(share, rows),
        row_ids=first_ids(against),
    )
