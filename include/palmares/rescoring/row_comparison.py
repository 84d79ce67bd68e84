"""Compares two evaluations row by row, and says where they are not comparable."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from palmares.leaderboard.errors import ResultsFormatError
from palmares.leaderboard.statistics.paired import PairedDifference, bootstrap_means, paired_difference
from palmares.leaderboard.statistics.ranks import Rank, ranks
from palmares.leaderboard.suites import Suite
from palmares.rescoring.row_scores import ModelRows, TaskRows

AVERAGE_DRAWS = 2000
"""Of the average's interval: each draw goes through the suite's own formula."""
_MUST_AGREE = ("suite hash", "chat template")
"""Settings without which two numbers do not measure the same; of templates only whether one is used."""


class Verdict(StrEnum):
    """Whether a candidate may replace a baseline."""

    GO = "GO"
    NO_GO = "NO-GO"
    INCONCLUSIVE = "INCONCLUSIVE"


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskComparison:
    """One task that both models answered."""

    task: str
    paired: PairedDifference
    first_better: tuple[str, ...]
    """Ids of the rows on which the first model scored more."""
    second_better: tuple[str, ...]
    unpaired: int
    """Rows that only one of the two has: they count for neither."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AverageDifference:
    """The second average less the first, as the leaderboard shows averages; fractions."""

    first: float
    second: float
    difference: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Two evaluations."""

    first: ModelRows
    second: ModelRows
    tasks: tuple[TaskComparison, ...]
    average: AverageDifference | None
    """None: a task of the suite is not compared."""
    notes: tuple[str, ...]
    """What differs and is no obstacle, and which tasks are not compared and why."""


def compare(first: ModelRows, second: ModelRows, suite: Suite, *, seed: int = 0) -> Comparison:
    """Compare two evaluations on the rows that both have.

    Raises:
        ResultsFormatError: They are not comparable, or share no row; every reason is named.
    """
    if obstacles := _obstacles(first, second):
        raise ResultsFormatError(
            f"{first.path} and {second.path} are not comparable: {'; '.join(obstacles)}."
        )
    notes = [
        f"{name}: {first.settings[name]} and {second.settings[name]}"
        for name in sorted(first.settings.keys() & second.settings.keys())
        if name not in _MUST_AGREE and first.settings[name] != second.settings[name]
    ]
    compared = []
    for task in suite.tasks:
        why = _why_not(first.tasks.get(task.name), second.tasks.get(task.name))
        if why is None:
            compared.append(_task(task.name, first.tasks[task.name], second.tasks[task.name], seed=seed))
        else:
            notes.append(f"{task.name} is not compared: {why}")
    if not compared:
        raise ResultsFormatError(f"{first.path} and {second.path} share no row: {'; '.join(notes)}.")
    whole = len(compared) == len(suite.tasks)
    return Comparison(
        first=first,
        second=second,
        tasks=tuple(compared),
        average=_average(first, second, suite, compared, seed=seed) if whole else None,
        notes=tuple(notes),
    )


def rank_models(models: Sequence[ModelRows], suite: Suite, *, seed: int = 0) -> dict[str, Rank]:
    """Rank several evaluations by the plain mean of the tasks that all of them have, each normalised.

    Returns:
        By model, or by path where two have one name; the best first.

    Raises:
        ResultsFormatError: They share no task.
    """
    names = [one.model for one in models]
    labels = names if len(set(names)) == len(names) else [str(one.path) for one in models]
    shared = [task for task in suite.tasks if all(task.name in one.tasks for one in models)]
    if not shared:
        raise ResultsFormatError(f"{', '.join(labels)} share no task of suite {suite.name}.")
    benchmarks = []
    for task in shared:
        ids = sorted({row for one in models for row in one.tasks[task.name].scores})
        baseline = task.metric.baseline
        benchmarks.append({
            label: [
                (one.tasks[task.name].scores.get(row, np.nan) - baseline) / (1 - baseline) for row in ids
            ]
            for label, one in zip(labels, models, strict=True)
        })  # fmt: skip
    return ranks(benchmarks, seed=seed)


def decide(low: float, high: float, *, margin: float) -> Verdict:
    """Judge a candidate by the interval of its difference to the baseline.

    Args:
        low: Of the 95 % interval of candidate less baseline, a fraction.
        high: The same.
        margin: Loss that would be accepted, a fraction, 0 or more.

    Returns:
        GO: the loss is surely within the margin; NO-GO: it is surely beyond; else INCONCLUSIVE.
    """
    if low >= -margin:
        return Verdict.GO
    return Verdict.NO_GO if high < -margin else Verdict.INCONCLUSIVE


def _obstacles(first: ModelRows, second: ModelRows) -> list[str]:
    def said(model: ModelRows, name: str) -> str | None:
        value = model.settings.get(name)
        return ("used" if value not in {None, "none"} else value) if name == "chat template" else value

    found = []
    for name in _MUST_AGREE:
        one, other = said(first, name), said(second, name)
        if one is not None and other is not None and one != other:
            found.append(f"{name} {one} and {other}")
    return found


def _why_not(first: TaskRows | None, second: TaskRows | None) -> str | None:
    if first is None or second is None:
        return "neither has details" if first is second else "only one has details"
    if first.shots is not None and second.shots is not None and first.shots != second.shots:
        return f"{first.shots} and {second.shots} examples in the prompt"
    shared = first.scores.keys() & second.scores.keys()
    if not shared:
        return "no row in common"
    others = sum(first.golds[row] != second.golds[row] for row in shared)
    return f"{others} of {len(shared)} rows have one id and two expected answers" if others else None


def _shared(first: TaskRows, second: TaskRows) -> list[str]:
    return [row for row in first.scores if row in second.scores]


def _task(name: str, first: TaskRows, second: TaskRows, *, seed: int) -> TaskComparison:
    rows = _shared(first, second)
    return TaskComparison(
        task=name,
        paired=paired_difference(
            [first.scores[row] for row in rows], [second.scores[row] for row in rows], seed=seed
        ),
        first_better=tuple(row for row in rows if first.scores[row] > second.scores[row]),
        second_better=tuple(row for row in rows if first.scores[row] < second.scores[row]),
        unpaired=len(first.scores) + len(second.scores) - 2 * len(rows),
    )


def _average(
    first: ModelRows, second: ModelRows, suite: Suite, tasks: Sequence[TaskComparison], *, seed: int
) -> AverageDifference | None:
    """By the suite's formula, with the rows drawn again of all tasks at once."""

    def averages(model: ModelRows) -> tuple[float | None, list[float | None]]:
        means, draws, sizes = {}, {}, {}
        for index, task in enumerate(suite.tasks):
            rows = _shared(first.tasks[task.name], second.tasks[task.name])
            values = np.array([model.tasks[task.name].scores[row] for row in rows])
            means[task.name], sizes[task.name] = float(values.mean()), len(rows)
            draws[task.name] = bootstrap_means(values, seed=seed + index, draws=AVERAGE_DRAWS)

        def of(values: dict[str, float]) -> float | None:
            return suite.average({
                name: {"value": min(1.0, max(0.0, value)), "stderr": None, "n": sizes[name]}
                for name, value in values.items()
            })  # fmt: skip

        return of(means), [
            of({name: float(found[draw]) for name, found in draws.items()}) for draw in range(AVERAGE_DRAWS)
        ]

    one, ones = averages(first)
    two, twos = averages(second)
    if one is None or two is None:
        return None
    gains = [b - a for a, b in zip(ones, twos, strict=True) if a is not None and b is not None]
    low, high = np.quantile(gains, (0.025, 0.975))
    if low == high:  # no row differs: as for one task, that is no certainty
        high = np.mean([task.paired.high for task in tasks])
        low = -high
    return AverageDifference(first=one, second=two, difference=two - one, low=float(low), high=float(high))
