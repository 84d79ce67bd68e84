"""Writes new scores into a results JSON: the least change, and the old value kept under its version."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from palmares.benchmarks.benchmark import StoredMetric
from palmares.leaderboard.json_patch import Path as Keys
from palmares.leaderboard.json_patch import set_members
from palmares.rescoring.marks import ScorerId
from palmares.rescoring.naming import short_name
from palmares.rescoring.notes import other_before, stale_groups
from palmares.rescoring.own_block import own_block_changes
from palmares.rescoring.problems import Problem
from palmares.rescoring.scores import MetricAt, Scores, member, number

HISTORY = "palmares_rescoring"
"""Top-level member: by task, who graded what, and what stood there before."""
_SAME = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class NewScore:
    """What grading a details file came to."""

    task: str
    """As the details file is named."""
    metric: StoredMetric
    value: float
    stderr: float | None
    rows: int
    scorer: ScorerId
    details_name: str
    details_sha256: str
    value_before: float | None = None
    """What the rows' old verdicts come to; None: not all are known."""
    samples_filter: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One task's score in a results file, before and after."""

    task_key: str
    metric: str
    before: float | None
    """What the last re-scoring replaced; None: the metric was not there, or no number."""
    before_stderr: float | None
    after: float
    after_stderr: float | None
    rows: int
    already: bool
    """The file said so before: a second run."""

    def to_json(self) -> dict[str, Any]:
        return {
            "task": self.task_key,
            "metric": self.metric,
            "before": self.before,
            "before_stderr": self.before_stderr,
            "after": self.after,
            "after_stderr": self.after_stderr,
            "rows": self.rows,
            "changed": not self.already,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """A results file's coming content."""

    text: str
    changes: tuple[Change, ...]
    problems: tuple[Problem, ...]
    notes: tuple[str, ...]
    """Numbers that were left as they were though a part of them changed."""


def updated(scores: Scores, new: Sequence[NewScore], baselines: Mapping[str, float] | None = None) -> Update:
    """Work out a results file's coming content; scores that do not belong there are named and left out.

    Args:
        scores: The file as it is.
        new: At most one a task.
        baselines: What guessing scores, by short task name; 0 for the rest.
    """
    edits: dict[Keys, Any] = {}
    changes: list[Change] = []
    problems: list[Problem] = []
    notes: list[str] = []
    for score in new:
        found = _place(scores, score)
        if isinstance(found, Problem):
            problems.append(found)
            continue
        task_key, at = found
        change = _change(scores, score, task_key, at)
        changes.append(change)
        if not change.already:
            edits |= _edits(scores, score, change, at)
            notes += stale_groups(scores, task_key, at)
            notes += other_before(scores, score, change)
    moved = [change for change in changes if not change.already]
    edits |= _averages(scores, moved, notes)
    edits |= own_block_changes(scores.data, [(change, _of(new, change)) for change in moved], baselines or {})
    text = set_members(scores.text, edits) if edits else scores.text
    return Update(text=text, changes=tuple(changes), problems=tuple(problems), notes=tuple(notes))


def _of(new: Sequence[NewScore], change: Change) -> NewScore:
    return next(one for one in new if short_name(one.task) == short_name(change.task_key))


def _place(scores: Scores, score: NewScore) -> tuple[str, MetricAt] | Problem:
    name = scores.path.name
    keys = scores.task_keys(score.task)
    if len(keys) != 1:
        has = f"has no task {score.task!r}" if not keys else f"has {score.task!r} as {keys}"
        return Problem(
            kind="missing_task",
            path=scores.path,
            message=f"{name} {has}, found {sorted(scores.results)}; {score.details_name} is of it. "
            "Is it the results file of these details? Its other tasks were updated.",
        )
    rows = scores.rows_of(keys[0])
    if rows is not None and rows != score.rows:
        return Problem(
            kind="mismatch",
            path=scores.path,
            message=f"{name} says that {keys[0]} has {rows:,} rows, but {score.details_name} has "
            f"{score.rows:,}. Its score was left as it is: restore the details.",
        )
    at = scores.metric_at(keys[0], score.metric, score.samples_filter)
    if at is None:
        return Problem(
            kind="missing_metric",
            path=scores.path,
            message=f"{name}: {keys[0]} has none of the metrics {list(score.metric.names)}, found "
            f"{sorted(scores.results[keys[0]])}. Its score was left as it is.",
        )
    return keys[0], at


def _change(scores: Scores, score: NewScore, task_key: str, at: MetricAt) -> Change:
    entry = scores.results[task_key]
    record = _record(scores, task_key)
    already = (
        record.get("scorer") == score.scorer.to_json()
        and member(record, "details").get("sha256") == score.details_sha256
        and entry.get(at.key) == score.value
    )
    before, before_stderr = number(entry.get(at.key)), number(entry.get(at.stderr_key))
    if already and record.get("history"):
        last = record["history"][-1]
        before, before_stderr = number(last.get("value")), number(last.get("stderr"))
    if not at.there:
        shown = next((name for name in score.metric.shown_before if name in entry), None)
        before, before_stderr = number(entry.get(shown)), number(entry.get(f"{shown}_stderr"))
    return Change(
        task_key=task_key,
        metric=at.key,
        before=before,
        before_stderr=before_stderr,
        after=score.value,
        after_stderr=score.stderr,
        rows=score.rows,
        already=already,
    )


def _edits(scores: Scores, score: NewScore, change: Change, at: MetricAt) -> dict[Keys, Any]:
    entry = scores.results[change.task_key]
    edits: dict[Keys, Any] = {}
    if entry.get(at.key) != score.value or not at.there:
        edits["results", change.task_key, at.key] = score.value
    no_stderr = "N/A" if "," in at.key else None
    stderr = no_stderr if score.stderr is None else score.stderr
    if entry.get(at.stderr_key, math.nan) != stderr:
        edits["results", change.task_key, at.stderr_key] = stderr
    # Where lighteval keeps the task's version, so that front ends that show versions show ours.
    edits["versions", f"{change.task_key}|scorer"] = score.scorer.version
    edits[HISTORY, change.task_key] = {
        "metric": at.key,
        "value": score.value,
        "stderr": score.stderr,
        "rows": score.rows,
        "scorer": score.scorer.to_json(),
        "details": {"file": score.details_name, "sha256": score.details_sha256},
        "history": _history(scores, change.task_key, entry, at, score),
    }
    return edits


def _history(
    scores: Scores, task_key: str, entry: Mapping[str, Any], at: MetricAt, score: NewScore
) -> list[Any]:
    """What stood there before, the oldest first; the value that is replaced comes last."""
    record = _record(scores, task_key)
    earlier = list(record["history"]) if isinstance(record.get("history"), list) else []
    if not at.there or record.get("scorer") == score.scorer.to_json():
        return earlier
    scorer = record.get("scorer") if isinstance(record.get("scorer"), dict) else _evaluator(scores, task_key)
    return [
        *earlier,
        {
            "metric": at.key,
            "value": entry.get(at.key),
            "stderr": entry.get(at.stderr_key),
            "scorer": scorer,
        },
    ]


def _evaluator(scores: Scores, task_key: str) -> dict[str, Any]:
    """Who made a value that no re-scoring made: an earlier scorer of ours, or the evaluation itself."""
    versions = member(scores.data, "versions")
    ours = versions.get(f"{task_key}|scorer")
    own = member(member(member(scores.data, "palmares"), "scores"), short_name(task_key))
    if ours is not None:
        return {"name": own.get("scorer", "palmares"), "version": ours, "hash": own.get("scorer_hash")}
    return {"name": "evaluator", "version": versions.get(task_key), "hash": None}


def _averages(scores: Scores, changes: Sequence[Change], notes: list[str]) -> dict[Keys, Any]:
    """lighteval's ``all``: each metric's plain mean over the tasks that have it; only what is there."""
    overall = scores.results.get("all")
    if not isinstance(overall, dict):
        return {}
    edits: dict[Keys, Any] = {}
    by_key = {change.task_key: change for change in changes}
    tasks = {
        key: entry
        for key, entry in scores.results.items()
        if isinstance(entry, dict) and key != "all" and ":_average|" not in key
    }
    for name in dict.fromkeys(
        name for change in changes for name in (change.metric, f"{change.metric}_stderr") if name in overall
    ):
        old = [value for entry in tasks.values() if (value := number(entry.get(name))) is not None]
        new = []
        for key, entry in tasks.items():
            own = by_key.get(key)
            mine = own is not None and name in {own.metric, f"{own.metric}_stderr"}
            value = number(entry.get(name))
            if mine and own is not None:
                value = own.after if name == own.metric else own.after_stderr
            if value is not None:
                new.append(value)
        stands = number(overall[name])
        if not old or not new or stands is None or abs(stands - math.fsum(old) / len(old)) > _SAME:
            notes.append(
                f"{scores.path.name}: 'all' {name} is no plain mean of the tasks; it was left as it is."
            )
            continue
        mean = math.fsum(new) / len(new)
        if mean != stands:
            edits["results", "all", name] = mean
    return edits


def _record(scores: Scores, task_key: str) -> dict[str, Any]:
    return member(member(scores.data, HISTORY), task_key)
