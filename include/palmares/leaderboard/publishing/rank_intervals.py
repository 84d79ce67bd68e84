"""Gives the leaderboard's rows their 95 % intervals and the ranks that the evaluated rows allow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from palmares.leaderboard.publishing.contents import Contents, ContentsRow, TaskValue
from palmares.leaderboard.statistics.ranks import Rank, ranks
from palmares.leaderboard.statistics.resampling import TaskScores, draw
from palmares.leaderboard.suites import Suite


def with_rank_intervals(
    contents: Contents, evaluated: Mapping[str, Mapping[str, TaskScores]], *, seed: int
) -> Contents:
    """Compare the ranked models row by row, for each column and for the average.

    A model of which not every row is known has no interval, and the worst ranks of the others leave a place
    for it.

    Args:
        contents: The leaderboard.
        evaluated: What each row counts, by job key and short task name.
        seed: Of the bootstrap: the same rows give the same intervals.
    """
    tasks = {task.name for task in contents.suite.tasks}
    known = [row for row in contents.ranked if tasks <= evaluated.get(_key(row), {}).keys()]
    if not known:
        return contents
    unknown = len(contents.ranked) - len(known)
    draws = draw([evaluated[_key(row)] for row in known], contents.suite, seed=seed)
    found: dict[str, dict[str | None, Rank]] = {_key(row): {} for row in known}
    for name, sampled in ((None, draws.average), *draws.columns.items()):
        values = {_key(row): _value(row, name) for row in known}
        for key, rank in ranks(values, sampled).items():
            found[key][name] = replace(rank, worst=rank.worst + unknown)
    rows = [
        _ranked(row, found[_key(row)], contents.suite) if _key(row) in found else row for row in contents.rows
    ]
    return replace(contents, rows=tuple(rows))


def _key(row: ContentsRow) -> str:
    return row.result.submission.job_key


def _value(row: ContentsRow, column: str | None) -> float:
    """A ranked row has every value."""
    value = row.average if column is None else (row.values or {})[column].shown
    assert value is not None
    return value


def _ranked(row: ContentsRow, found: Mapping[str | None, Rank], suite: Suite) -> ContentsRow:
    values = dict(row.values or {})
    columns = {column.name: _column(values[column.name], found[column.name]) for column in suite.columns}
    placing = found[None]
    if placing.low == placing.high:
        # Nothing varies in any column: the columns' own intervals say how much that means.
        weights = [column.weight for column in suite.columns]
        ends = [one.interval or (one.shown, one.shown) for one in columns.values()]
        low, high = np.average(ends, axis=0, weights=weights)
        placing = replace(placing, low=float(low), high=float(high))
    return replace(row, placing=placing, values=values | columns)


def _column(value: TaskValue, rank: Rank) -> TaskValue:
    """Where no row differs from the others the draws would claim certainty: Wilson's interval stays."""
    interval = value.interval if rank.low == rank.high else (rank.low, rank.high)
    return replace(value, interval=interval, ranks=(rank.best, rank.worst))
