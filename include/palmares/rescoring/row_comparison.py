"""Compares two evaluations row by row, and says where they are not comparable."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from palmares.leaderboard.errors import ResultsFormatError
from palmares.leaderboard.statistics.paired import PairedDifference, paired_difference
from palmares.leaderboard.statistics.ranks import Rank, ranks
from palmares.leaderboard.statistics.resampling import draw, task_scores
from palmares.leaderboard.suites import Suite, SuiteTask
from palmares.rescoring.row_scores import ModelRows, TaskRows

_MUST_AGREE = ("suite hash", "chat template")
"""Settings without which two numbers do not measure the same; of templates only whether one is used."""


class Decision(StrEnum):
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
    """What differs and does not matter, and which tasks are not compared and why."""


def compare(first: ModelRows, second: ModelRows, suite: Suite, *, seed: int = 0) -> Comparison:
    """Compare two evaluations on the rows that both have.

    Raises:
        ResultsFormatError: They are not comparable, or share no row; every reason is named.
    """
    if blockers := _blockers(first, second):
        raise ResultsFormatError(f"{first.path} and {second.path} are not comparable: {'; '.join(blockers)}.")
    notes = [
        f"{name}: {first.settings[name]} and {second.settings[name]}"
        for name in sorted(first.settings.keys() & second.settings.keys())
        if name not in _MUST_AGREE and first.settings[name] != second.settings[name]
    ]
    compared = []
    for task in suite.tasks:
        why = _why_not(first.tasks.get(task.name), second.tasks.get(task.name))
        if why is None:
            compared.append(_task(task.name, first, second, seed=seed))
        else:
            notes.append(f"{task.name} is not compared: {why}")
    if not compared:
        raise ResultsFormatError(f"{first.path} and {second.path} share no row: {'; '.join(notes)}.")
    is_whole = len(compared) == len(suite.tasks)
    return Comparison(
        first=first,
        second=second,
        tasks=tuple(compared),
        average=_average(first, second, suite, compared, seed=seed) if is_whole else None,
        notes=tuple(notes),
    )


def rank_models(models: Sequence[ModelRows], suite: Suite, *, seed: int = 0) -> dict[str, Rank]:
    """Rank evaluations by their average, over the rows that all of them have.

    The average is the suite's; where a task cannot be compared among all, it is the plain mean of the others.

    Returns:
        By model, or by path where two have one name; the best first.

    Raises:
        ResultsFormatError: They share no task that can be compared.
    """
    names = [one.model for one in models]
    labels = names if len(set(names)) == len(names) else [str(one.path) for one in models]
    tasks = [
        task
        for task in suite.tasks
        if all(
            _why_not(one.tasks.get(task.name), other.tasks.get(task.name)) is None
            for one, other in itertools.combinations(models, 2)
        )
        and _shared(models, task.name)
    ]
    if not tasks:
        raise ResultsFormatError(f"{', '.join(labels)} have no row of suite {suite.name} in common.")
    averages, sampled = _averages(models, tasks, suite, seed=seed)
    return ranks(dict(zip(labels, averages, strict=True)), sampled)


def decide(low: float, high: float, *, margin: float) -> Decision:
    """Judge a candidate by the interval of its difference to the baseline.

    Args:
        low: Of the 95 % interval of candidate less baseline, a fraction.
        high: The same.
        margin: Loss that would be accepted, a fraction, 0 or more.

    Returns:
        GO: the loss is surely within the margin; NO-GO: it is surely beyond; else INCONCLUSIVE.
    """
    if low >= -margin:
        return Decision.GO
    return Decision.NO_GO if high < -margin else Decision.INCONCLUSIVE


def _blockers(first: ModelRows, second: ModelRows) -> list[str]:
    def value_of(model: ModelRows, name: str) -> str | None:
        value = model.settings.get(name)
        return ("used" if value not in {None, "none"} else value) if name == "chat template" else value

    found = []
    for name in _MUST_AGREE:
        one, other = value_of(first, name), value_of(second, name)
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


def _shared(models: Sequence[ModelRows], task: str) -> list[str]:
    """Rows of a task that all models have, in the first one's order."""
    first, *others = (one.tasks[task].scores for one in models)
    return [row for row in first if all(row in other for other in others)]


def _task(name: str, first: ModelRows, second: ModelRows, *, seed: int) -> TaskComparison:
    rows = _shared((first, second), name)
    one, other = first.tasks[name].scores, second.tasks[name].scores
    return TaskComparison(
        task=name,
        paired=paired_difference([one[row] for row in rows], [other[row] for row in rows], seed=seed),
        first_better=tuple(row for row in rows if one[row] > other[row]),
        second_better=tuple(row for row in rows if one[row] < other[row]),
        unpaired=len(one) + len(other) - 2 * len(rows),
    )


def _average(
    first: ModelRows, second: ModelRows, suite: Suite, tasks: Sequence[TaskComparison], *, seed: int
) -> AverageDifference:
    (one, two), sampled = _averages((first, second), suite.tasks, suite, seed=seed)
    low, high = np.quantile(sampled[:, 1] - sampled[:, 0], (0.025, 0.975))
    if low == high:  # no row differs: as for one task, that is no certainty
        high = np.mean([task.paired.high for task in tasks])
        low = -high
    return AverageDifference(first=one, second=two, difference=two - one, low=float(low), high=float(high))


def _averages(
    models: Sequence[ModelRows], tasks: Sequence[SuiteTask], suite: Suite, *, seed: int
) -> tuple[list[float], np.ndarray]:
    """Each model's average, and those of rows drawn again, the same rows for all models.

    Returns:
        Averages by the suite's formula if *tasks* are all of its tasks, else the plain mean of *tasks*; and
        the same of each draw, shape (draws, models).
    """
    if len(tasks) < len(suite.tasks):
        plain = tuple(task.model_copy(update={"weight": 1.0}) for task in tasks)
        suite = suite.model_copy(update={"tasks": plain, "groups": ()})
    shared = {task.name: _shared(models, task.name) for task in tasks}
    rows = [
        {
            name: task_scores({row: model.tasks[name].scores[row] for row in ids})
            for name, ids in shared.items()
        }
        for model in models
    ]
    averages = [
        suite.average({name: {"value": one.mean, "n": len(one.scores)} for name, one in model.items()})
        for model in rows
    ]
    return [float(average or 0.0) for average in averages], draw(rows, suite, seed=seed).average
