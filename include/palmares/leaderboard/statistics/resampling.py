"""A leaderboard over rows that are drawn again: its numbers on other questions of the same kind."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from palmares.leaderboard.groups import Group, in_order
from palmares.leaderboard.statistics.paired import DRAWS
from palmares.leaderboard.suites import Suite

_CHUNK = 500
"""Draws whose counts are held at once."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TaskScores:
    """One model's rows of one task."""

    rows: str
    """Hash of the row ids: models with one hash answered the same rows."""
    scores: np.ndarray
    """What each row counts, in the order of the sorted row ids; float32, shape (rows,)."""

    @property
    def mean(self) -> float:
        return float(self.scores.mean(dtype=np.float64))


def task_scores(scores: Mapping[str, float]) -> TaskScores:
    """Put one model's rows of one task in order.

    Args:
        scores: What each row counts, a fraction, by row id.
    """
    ids = sorted(scores)
    named = hashlib.sha256("\0".join(ids).encode("utf-8", "surrogatepass")).hexdigest()
    return TaskScores(rows=named, scores=np.array([scores[one] for one in ids], dtype=np.float32))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Draws:
    """Shown values over rows that were drawn again; fractions, float32, each of shape (draws, models)."""

    columns: Mapping[str, np.ndarray]
    """By the name of the suite's column, a task or a group."""
    average: np.ndarray


def draw(
    models: Sequence[Mapping[str, TaskScores]], suite: Suite, *, seed: int = 0, draws: int = DRAWS
) -> Draws:
    """Draw every task's rows again with replacement (Efron and Tibshirani 1993, chapter 13).

    Models that answered the same rows get the same draws: what makes a row hard for all of them does not
    blur their difference. The number of times that each row is drawn is multiplied with all models' scores at
    once, so the cost is that of a matrix product of (draws, rows) and (rows, models).

    Args:
        models: By short task name; each has every task of *suite*.
        suite: Says how tasks make columns, and columns the average.
        seed: One seed, one result.
        draws: How many times.
    """
    sampled = {
        task.name: _draw_task([model[task.name] for model in models], seed=(seed, place), draws=draws)
        for place, task in enumerate(suite.tasks)
    }
    sizes = {
        task.name: float(np.mean([len(model[task.name].scores) for model in models])) for task in suite.tasks
    }
    return shown(sampled, suite, sizes=sizes)


def shown(measured: Mapping[str, np.ndarray], suite: Suite, *, sizes: Mapping[str, float]) -> Draws:
    """Apply the suite's formula to many measured values at once; ``Suite.average`` does it for one model.

    Args:
        measured: By short task name, fractions as measured; arrays of one shape.
        suite: The formula.
        sizes: Rows of each task, for groups that weigh by size.
    """
    values = {
        task.name: _rescaled(measured[task.name], baseline=task.metric.baseline) for task in suite.tasks
    }
    rows = dict(sizes)
    for group in in_order(suite.groups):
        values[group.name], rows[group.name] = _group(group, values, rows, measured)
    columns = {column.name: values[column.name] for column in suite.columns}
    weights = [column.weight for column in suite.columns]
    return Draws(columns=columns, average=_mean(list(columns.values()), weights))


def _group(
    group: Group,
    values: Mapping[str, np.ndarray],
    rows: Mapping[str, float],
    measured: Mapping[str, np.ndarray],
) -> tuple[np.ndarray, float]:
    parts = []
    for name, member in group.members.items():
        part = values[name] if member.series is None else measured[name]
        parts.append(_rescaled(part, baseline=member.random_score) if member.normalize else part)
    sizes = [rows[name] for name in group.members]
    weights = sizes if group.mean == "by_size" else [member.weight for member in group.members.values()]
    return _mean(parts, weights), sum(sizes)


def _mean(parts: Sequence[np.ndarray], weights: Sequence[float]) -> np.ndarray:
    total = sum(weights)
    found = np.zeros_like(parts[0])
    for part, weight in zip(parts, weights, strict=True):
        found += part * (weight / total)
    return found


def _rescaled(values: np.ndarray, *, baseline: float) -> np.ndarray:
    if not baseline:
        return values
    found: np.ndarray = np.maximum((values - baseline) / (1 - baseline), 0)
    return found


def _draw_task(models: Sequence[TaskScores], *, seed: tuple[int, int], draws: int) -> np.ndarray:
    """Means over rows drawn again, shape (draws, models)."""
    places: dict[str, list[int]] = {}
    for place, model in enumerate(models):
        places.setdefault(model.rows, []).append(place)
    found = np.empty((draws, len(models)), dtype=np.float32)
    for rows, together in places.items():
        scores = np.column_stack([models[place].scores for place in together])
        random = np.random.default_rng([*seed, int(rows[:8], 16)])
        for start in range(0, draws, _CHUNK):
            size = min(_CHUNK, draws - start)
            # Divided last: sums of whole numbers are exact.
            found[start : start + size, together] = _counts(random, size, len(scores)) @ scores / len(scores)
    return found


def _counts(random: np.random.Generator, draws: int, rows: int) -> np.ndarray:
    """How often each row is drawn; float32, shape (draws, rows)."""
    picks = random.integers(0, rows, size=(draws, rows))
    picks += np.arange(draws)[:, None] * rows
    counts = np.bincount(picks.ravel(), minlength=draws * rows).reshape(draws, rows)
    return counts.astype(np.float32)
