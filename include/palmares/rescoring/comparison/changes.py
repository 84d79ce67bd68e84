"""Compares verdicts before and after: row by row, model by model, over all models, and in the ranking."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from palmares.benchmarks.statistics import mean, normalize
from palmares.leaderboard.publishing.ranking import rank
from palmares.leaderboard.statistics.significance import holm, mcnemar
from palmares.rescoring.engine import VerdictCounts, share_stderr


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictChanges:
    """One model's rows of one task, under the old scorer and the new one."""

    model: str
    task: str
    """Short name."""
    rows: int
    unknown_before: int
    """Rows without an old verdict; they are in no paired figure."""
    right_before: int
    """Of the rows with an old verdict."""
    right_after: int
    """Of all rows."""
    to_right: tuple[str, ...]
    """Ids of the rows that were wrong and are right, in the file's order."""
    to_wrong: tuple[str, ...]

    @classmethod
    def of(cls, counts: VerdictCounts, *, model: str, task: str) -> VerdictChanges:
        """Take the changes from counted rows.

        Args:
            counts: With the changed rows' ids.
            model: Its name, as the report shall show it.
            task: Short name.
        """
        return cls(
            model=model,
            task=task,
            rows=counts.rows,
            unknown_before=counts.unknown_before,
            right_before=counts.correct_before,
            right_after=counts.correct,
            to_right=tuple(counts.right_ids),
            to_wrong=tuple(counts.wrong_ids),
        )

    @property
    def pairs(self) -> int:
        """Rows with both verdicts."""
        return self.rows - self.unknown_before

    @property
    def changed(self) -> int:
        return len(self.to_right) + len(self.to_wrong)

    @property
    def shift(self) -> float | None:
        """Change of the share of right rows, over the pairs; None: there are none."""
        return (len(self.to_right) - len(self.to_wrong)) / self.pairs if self.pairs else None

    @property
    def shift_stderr(self) -> float | None:
        """Standard error of *shift*, with each row paired with itself; None below two pairs.

        A row moves by +1, 0 or -1, so that the sum of squares is the number of changed rows.
        """
        if self.pairs < 2 or self.shift is None:
            return None
        spread = self.changed - self.pairs * self.shift**2
        return math.sqrt(max(0.0, spread) / (self.pairs - 1) / self.pairs)


def compare(model: str, task: str, rows: Iterable[tuple[str, bool | None, bool]]) -> VerdictChanges:
    """Count what changed, one row at a time.

    Args:
        model: Its name, as the report shall show it.
        task: Short name.
        rows: Row id, verdict before (None: not known), verdict after.
    """
    counts = VerdictCounts()
    for row_id, before, after in rows:
        counts.add(row_id, before=before, after=after)
    return VerdictChanges.of(counts, model=model, task=task)


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """One model's places; the leaderboard's own dense ranks, in which equals share one."""

    model: str
    before: int | None
    """None: not ranked, since a score is missing before or after."""
    after: int | None
    average_before: float | None
    """What the rank is by, as a fraction."""
    average_after: float | None

    @property
    def up(self) -> int | None:
        """Places won, negative if lost; None if not ranked."""
        if self.before is None or self.after is None:
            return None
        return self.before - self.after


def moves(
    before: Mapping[str, float], after: Mapping[str, float], *, unranked: Iterable[str] = ()
) -> tuple[Move, ...]:
    """Rank models twice, those that can be ranked both times: a newcomer's place is no move of the others.

    Args:
        before: What models were ranked by, as a fraction; a model that is missing was not ranked.
        after: The same, now.
        unranked: Models that shall be listed all the same.

    Returns:
        All models of any, in the order of today's ranks; the unranked ones last.
    """
    both = before.keys() & after.keys()
    models = [{"model": model} for model in {**before, **after, **dict.fromkeys(unranked)}]

    def value(averages: Mapping[str, float], model: str) -> float | None:
        return averages[model] if model in both else None

    old = {row["model"]: row["rank"] for row in rank(models, average=lambda row: value(before, row["model"]))}
    return tuple(
        Move(
            model=row["model"],
            before=old[row["model"]],
            after=row["rank"],
            average_before=before.get(row["model"]),
            average_after=after.get(row["model"]),
        )
        for row in rank(models, average=lambda row: value(after, row["model"]))
    )


def agreement(moved: tuple[Move, ...]) -> float | None:
    """Kendall's tau-b of the two orders, which minds ties: 1 is the same order, -1 the reverse.

    Returns:
        None with fewer than two models ranked both times, or when all are tied.
    """
    from scipy.stats import kendalltau  # type: ignore[import-untyped]

    both = [(move.before, move.after) for move in moved if move.up is not None]
    if len(both) < 2 or any(len({pair[side] for pair in both}) < 2 for side in (0, 1)):
        return None
    return float(kendalltau([pair[0] for pair in both], [pair[1] for pair in both]).statistic)


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
    """A row whose verdict changes for several models: the first to inspect."""

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
    averages: tuple[Mapping[str, float], Mapping[str, float]] | None = None,
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
        averages: What models are ranked by, before and after; a model that is in neither has no rank. None:
            the mean of the normalised scores, of models that have every task that any model has.

    Returns:
        The report.
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
        for changes, p_value, corrected in zip(models, p_values, holm(p_values).tolist(), strict=True)
    ]
    lines.sort(key=_order)
    tasks = sorted({changes.task for changes in models})
    old, new = averages or (_averages(before, baselines or {}), _averages(after, baselines or {}))
    moved = moves(old, new, unranked=sorted(after))
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
    return ScoreAt(value=right / rows, stderr=share_stderr(right, rows))


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
