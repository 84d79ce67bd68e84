"""The rows of the contents table: the whole leaderboard, a row a published model."""

from __future__ import annotations

import html
import logging
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from palmares.leaderboard.publishing.entry import PublishedResult, missing_tasks
from palmares.leaderboard.publishing.model_types import model_type
from palmares.leaderboard.publishing.ranking import rank
from palmares.leaderboard.publishing.shown import ShownScore
from palmares.leaderboard.scoring.score import average
from palmares.leaderboard.submissions.moderation import (
    Moderation,
    ModerationAction,
    current_name,
    former_names,
    standing,
)
from palmares.leaderboard.submissions.submission import Submission
from palmares.leaderboard.suites import Suite

if TYPE_CHECKING:
    from palmares.leaderboard.statistics.ranks import Rank  # it imports NumPy

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskValue:
    """One column of a row: a task or a group of tasks."""

    raw: float
    """Fraction, as measured."""
    shown: float
    """Fraction, rescaled so that guessing is 0."""
    stderr: float | None
    """Of *shown*; where guessing was cut off at 0, of the value before the cut. None: no estimate."""
    interval: tuple[float, float] | None
    """Of *shown*, 95 %: a bootstrap's over the rows where these are known; else Wilson's, where there is no
    standard error; None: see ``ShownScore``."""
    ranks: tuple[int, int] | None = None
    """First and last rank in this column that the rows allow; None: not ranked, or the rows are not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContentsRow:
    """One model on the leaderboard."""

    result: PublishedResult
    model_id: str
    """Its present name."""
    former_names: tuple[str, ...]
    moderation: Moderation | None
    """A flag or a withdrawal."""
    values: Mapping[str, TaskValue] | None
    """By the name of the task or group; None: withdrawn, its numbers are not shown."""
    average: float | None
    """Fraction; None: withdrawn."""
    average_stderr: float | None
    """Of the average, as of a mean of independent values; None: a column has no estimator."""
    rank: int | None
    """Dense; None: flagged or withdrawn."""
    generation: int
    """0: names no base model; else one more than its base model, where that is on the leaderboard."""
    placing: Rank | None = None
    """By the average: its 95 % interval, the ranks that the rows allow, ties. None: as for a column."""

    @property
    def is_flagged(self) -> bool:
        return self.moderation is not None and self.moderation.action is ModerationAction.FLAGGED

    @property
    def is_withdrawn(self) -> bool:
        return self.moderation is not None and self.moderation.action is ModerationAction.WITHDRAWN


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """The leaderboard."""

    suite: Suite
    rows: tuple[ContentsRow, ...]
    """Ranked ones first, then flagged, then withdrawn ones."""
    incomplete: Mapping[str, tuple[str, ...]]
    """Models that are not displayed: model id → short names of the tasks without a score."""

    @property
    def is_mixed(self) -> bool:
        """Whether rows were made with different task definitions, evaluators or scorers."""
        made = {
            (
                row.result.manifest.suite.hash,
                row.result.submission.evaluator_version,
                tuple(row.result.scores[task.name].get("scorer_version") for task in self.suite.tasks),
            )
            for row in self.rows
        }
        return len(made) > 1

    @property
    def ranked(self) -> tuple[ContentsRow, ...]:
        return tuple(row for row in self.rows if row.rank is not None)


def contents_of(
    results: Iterable[PublishedResult], *, suite: Suite, moderation: Mapping[str, Moderation]
) -> Contents:
    """Put the leaderboard together; the same results give the same rows, in whatever order they come.

    A renamed model has one row, under its present name, and its newest result counts. A model that lacks a
    task's score is not displayed.

    Args:
        results: Published results, of any suite.
        suite: The one that is shown.
        moderation: The decision that holds for each name.
    """
    rows: list[ContentsRow] = []
    incomplete: dict[str, tuple[str, ...]] = {}
    for name, result in _newest(results, suite=suite, moderation=moderation):
        if missing := missing_tasks(result.scores, suite):
            log.warning("%s is not displayed: no score of %s", name, ", ".join(missing))
            incomplete[name] = tuple(missing)
            continue
        rows.append(_row(name, result, suite=suite, moderation=moderation))
    generations = _generations(rows)
    rows = [replace(row, generation=generations[row.model_id]) for row in rows]
    return Contents(suite=suite, rows=tuple(_ranked(rows)), incomplete=incomplete)


def _newest(
    results: Iterable[PublishedResult], *, suite: Suite, moderation: Mapping[str, Moderation]
) -> list[tuple[str, PublishedResult]]:
    """Present name and newest result of each model in one precision, weight type and prompt format."""
    found: dict[tuple[str, str, str, bool], PublishedResult] = {}
    for result in sorted(results, key=lambda one: (one.claimed_at, one.submission.run_number)):
        asked = result.submission
        if asked.suite == suite.name and asked.limit_samples is None:
            name = current_name(asked.model_id, moderation)
            found[name, asked.precision, asked.weight_type, asked.use_chat_template] = result
    return [(identity[0], found[identity]) for identity in sorted(found)]


def _row(
    name: str, result: PublishedResult, *, suite: Suite, moderation: Mapping[str, Moderation]
) -> ContentsRow:
    decision = standing(name, moderation)
    is_withdrawn = decision is not None and decision.action is ModerationAction.WITHDRAWN
    values = _values(result.scores, suite)
    return ContentsRow(
        result=result,
        model_id=name,
        former_names=former_names(name, moderation),
        moderation=decision,
        values=None if is_withdrawn else values,
        average=None if is_withdrawn else average(result.scores, suite),
        average_stderr=None if is_withdrawn else _average_stderr(values, suite),
        rank=None,
        generation=0,
    )


def _values(scores: Mapping[str, Mapping[str, Any]], suite: Suite) -> dict[str, TaskValue]:
    """By the name of each task and group of the suite; every task has a score."""
    values = {task.name: _value(scores[task.name], baseline=task.metric.baseline) for task in suite.tasks}
    measured = suite.group_scores(scores, as_measured=True)
    for name, group in suite.group_scores(scores).items():
        raw = measured[name].value
        if group.value is not None and raw is not None:
            # As of a task's: a standard error of 0 claims certainty.
            values[name] = TaskValue(raw=raw, shown=group.value, stderr=group.stderr or None, interval=None)
    return values


def _average_stderr(values: Mapping[str, TaskValue], suite: Suite) -> float | None:
    errors = [(column.weight, values[column.name].stderr) for column in suite.columns]
    known = [(weight, error) for weight, error in errors if error is not None]
    if len(known) < len(errors):
        return None
    variance = math.fsum((weight * error) ** 2 for weight, error in known)
    return math.sqrt(variance) / math.fsum(weight for weight, _ in known)


def _value(score: Mapping[str, Any], *, baseline: float) -> TaskValue:
    raw = float(score["value"])
    shown = ShownScore.of(raw, score.get("stderr"), rows=score.get("n"), baseline=baseline)
    return TaskValue(raw=raw, shown=shown.shown, stderr=shown.shown_stderr, interval=shown.interval)


def _variant(submission: Submission) -> str:
    asked = (submission.precision, submission.weight_type, submission.use_chat_template)
    return "\0".join(map(str, (*asked, submission.revision)))


def _ranked(rows: Iterable[ContentsRow]) -> list[ContentsRow]:
    rows = list(rows)
    named = [
        {
            "model": row.model_id,
            # Two rows of one model keep an order of their own.
            "revision": _variant(row.result.submission),
            "row": row,
        }
        for row in rows
    ]
    placed = rank(named, average=lambda one: None if one["row"].moderation else one["row"].average)
    ordered = [replace(one["row"], rank=one["rank"]) for one in placed]
    return sorted(ordered, key=lambda row: (row.is_flagged, row.is_withdrawn))


def _generations(rows: Iterable[ContentsRow]) -> dict[str, int]:
    bases = {row.model_id: row.result.submission.about.base_model for row in rows}

    def generation(name: str) -> int:
        steps, seen = 0, {name}
        base = bases.get(name)
        while base is not None and base not in seen:
            steps += 1
            seen.add(base)
            base = bases.get(base)
        return steps

    return {name: generation(name) for name in bases}


def model_link(model_id: str, *, hub_url: str) -> str:
    """The HTML link that readers of the contents table show as the model's name."""
    address = html.escape(f"{hub_url.rstrip('/')}/{model_id}", quote=True)
    return f'<a target="_blank" href="{address}">{html.escape(model_id)}</a>'


def type_of(row: ContentsRow) -> str:
    """The model's type, in the contents table's words."""
    return model_type(row.result.submission.about.model_type)
