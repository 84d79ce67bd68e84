"""Puts models' changes together: scores, tests, rows that change for many models, ranks."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from palmares.benchmarks.statistics import mean, normalize
from palmares.rescoring.comparison.changes import VerdictChanges
from palmares.rescoring.comparison.paired import holm, mcnemar
from palmares.rescoring.comparison.ranks import Move, agreement, moves

MOST_CHANGED = 20
"""Rows that are named for a task, because their verdict changes for the most models."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreAt:
    """A score as it stood."""

    value: float
    """Fraction, not normalised."""
    stderr: float | None
    """None: not known."""


Scores = Mapping[str, Mapping[str, ScoreAt]]
"""By model, then by short task name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One model and task of the report."""

    changes: VerdictChanges
    before: ScoreAt | None
    after: ScoreAt | None
    p_value: float
    """McNemar's, exact, two-sided."""
    p_holm: float
    """Corrected for the number of lines."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedRow:
    """A row whose verdict changes for several models: the first to look at."""

    row_id: str
    to_right: int
    """Models for which it became right."""
    to_wrong: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskSummary:
    """One task over all models."""

    task: str
    models: int
    models_changed: int
    rows: int
    """Over all models."""
    unknown_before: int
    to_right: int
    to_wrong: int
    rows_leaning_right: int
    """Rows of the data set that became right for more models than wrong."""
    rows_leaning_wrong: int
    p_value: float
    """Sign test over the rows of the data set: all models answer the same rows, so pairs of different models
    are not independent, while rows are."""
    most_changed: tuple[ChangedRow, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonReport:
    """What a new version of the scorers changes; ids and numbers only."""

    lines: tuple[Line, ...]
    """Largest change first."""
    tasks: tuple[TaskSummary, ...]
    moves: tuple[Move, ...]
    """By today's rank."""
    rank_agreement: float | None
    """Kendall's tau-b; None: too few models."""

    @property
    def changed(self) -> int:
        """Verdicts that changed, over all models and tasks."""
        return sum(line.changes.changed for line in self.lines)


def overall(
    models: Sequence[VerdictChanges],
    scores_before: Scores | None = None,
    scores_after: Scores | None = None,
    *,
    baselines: Mapping[str, float] | None = None,
) -> ComparisonReport:
    """Put the changes of all models together.

    Args:
        models: From :func:`compare`, in any order.
        scores_before: Old scores, by model and task; also of tasks and models that were not graded again, if
            the ranks shall mind them. What is missing is computed from the counts, where all old verdicts
            are known.
        scores_after: New scores; what is missing is computed from the counts, or else has not changed.
        baselines: What guessing scores, by task; ranks are by the mean of the normalised scores, as the
            leaderboard's are. None: 0 for all.

    Returns:
        The report. Ranks are of models that have every task that any model has.
    """
    before, after = _filled(models, scores_before or {}, scores_after or {})
    p_values = [mcnemar(len(changes.to_right), len(changes.to_wrong)) for changes in models]
    lines = [
        Line(
            changes=changes,
            before=before.get(changes.model, {}).get(changes.task),
            after=after.get(changes.model, {}).get(changes.task),
            p_value=p_value,
            p_holm=corrected,
        )
        for changes, p_value, corrected in zip(models, p_values, holm(p_values), strict=True)
    ]
    lines.sort(key=_order)
    tasks = sorted({changes.task for changes in models})
    moved = moves(
        _averages(before, baselines or {}), _averages(after, baselines or {}), unranked=sorted(after)
    )
    return ComparisonReport(
        lines=tuple(lines),
        tasks=tuple(
            _summary(task, [changes for changes in models if changes.task == task]) for task in tasks
        ),
        moves=moved,
        rank_agreement=agreement(moved),
    )


def _order(line: Line) -> tuple[float, int, str, str]:
    changes = line.changes
    return -abs(changes.shift or 0.0), -changes.changed, changes.model, changes.task


def _filled(
    models: Sequence[VerdictChanges], scores_before: Scores, scores_after: Scores
) -> tuple[dict[str, dict[str, ScoreAt]], dict[str, dict[str, ScoreAt]]]:
    before = {model: dict(scores) for model, scores in scores_before.items()}
    after = {model: dict(scores) for model, scores in scores_after.items()}
    for changes in models:
        if changes.rows and changes.unknown_before == 0:
            before.setdefault(changes.model, {}).setdefault(
                changes.task, _share(changes.right_before, changes.rows)
            )
        if changes.rows:
            after.setdefault(changes.model, {}).setdefault(
                changes.task, _share(changes.right_after, changes.rows)
            )
    for model, scores in before.items():
        for task, score in scores.items():
            after.setdefault(model, {}).setdefault(task, score)
    return before, after


def _share(right: int, rows: int) -> ScoreAt:
    """The sample standard error of 0/1 values, as ``scoring.statistics.standard_error`` has it."""
    value = right / rows
    return ScoreAt(value=value, stderr=math.sqrt(value * (1 - value) / (rows - 1)) if rows > 1 else None)


def _averages(scores: Scores, baselines: Mapping[str, float]) -> dict[str, float]:
    wanted = {task for of_model in scores.values() for task in of_model}
    return {
        model: mean(
            [normalize(score.value, baseline=baselines.get(task, 0.0)) for task, score in of_model.items()]
        )
        for model, of_model in scores.items()
        if of_model and set(of_model) == wanted
    }


def _summary(task: str, models: Sequence[VerdictChanges]) -> TaskSummary:
    to_right = Counter(row_id for changes in models for row_id in changes.to_right)
    to_wrong = Counter(row_id for changes in models for row_id in changes.to_wrong)
    changed = [
        ChangedRow(row_id=row_id, to_right=to_right[row_id], to_wrong=to_wrong[row_id])
        for row_id in {**to_right, **to_wrong}
    ]
    changed.sort(key=lambda row: (-row.to_right - row.to_wrong, row.row_id))
    leaning_right = sum(row.to_right > row.to_wrong for row in changed)
    leaning_wrong = sum(row.to_right < row.to_wrong for row in changed)
    return TaskSummary(
        task=task,
        models=len(models),
        models_changed=sum(changes.changed > 0 for changes in models),
        rows=sum(changes.rows for changes in models),
        unknown_before=sum(changes.unknown_before for changes in models),
        to_right=to_right.total(),
        to_wrong=to_wrong.total(),
        rows_leaning_right=leaning_right,
        rows_leaning_wrong=leaning_wrong,
        p_value=mcnemar(leaning_right, leaning_wrong),
        most_changed=tuple(changed[:MOST_CHANGED]),
    )
