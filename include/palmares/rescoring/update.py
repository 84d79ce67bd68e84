"""Works out a results file with new scores: the least change, and the old value kept under its version."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from palmares.benchmarks.benchmark import StoredMetric
from palmares.benchmarks.statistics import mean, normalize
from palmares.leaderboard.json_patch import Path as Keys
from palmares.leaderboard.json_patch import set_members
from palmares.leaderboard.results.results_file import (
    MetricAt,
    ResultsFile,
    member,
    number,
    short_name,
)
from palmares.rescoring.engine import ScorerId
from palmares.rescoring.files import Problem

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
    """The file had it before: a second run."""
    rows_of_dataset: int | None = None
    """Rows of the data set, by the file; None: it does not say."""

    def to_json(self) -> dict[str, Any]:
        return {
            "task": self.task_key,
            "metric": self.metric,
            "before": self.before,
            "before_stderr": self.before_stderr,
            "after": self.after,
            "after_stderr": self.after_stderr,
            "rows": self.rows,
            "of": self.rows_of_dataset,
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


def updated(
    scores: ResultsFile, new: Sequence[NewScore], baselines: Mapping[str, float] | None = None
) -> Update:
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
        notes += unscored_rows(scores, score, task_key)
    moved = [change for change in changes if not change.already]
    edits |= _averages(scores, moved, notes)
    own = [(change, _of(new, change)) for change in moved]
    edits |= own_block_changes(scores, own, baselines or {}, notes)
    text = set_members(scores.text, edits) if edits else scores.text
    return Update(text=text, changes=tuple(changes), problems=tuple(problems), notes=tuple(notes))


def _of(new: Sequence[NewScore], change: Change) -> NewScore:
    return next(one for one in new if short_name(one.task) == short_name(change.task_key))


def _place(scores: ResultsFile, score: NewScore) -> tuple[str, MetricAt] | Problem:
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
    rows = scores.rows(keys[0])
    if rows is not None and rows != score.rows:
        return Problem(
            kind="mismatch",
            path=scores.path,
            message=f"{name} says that {keys[0]} has {rows:,} rows, but {score.details_name} has "
            f"{score.rows:,}. Its score was left as it is: restore the details.",
        )
    at = scores.metric_at(
        keys[0], score.metric.names, filtered=score.samples_filter, added=score.metric.added
    )
    if at is None:
        return Problem(
            kind="missing_metric",
            path=scores.path,
            message=f"{name}: {keys[0]} has none of the metrics {list(score.metric.names)}, found "
            f"{sorted(scores.results[keys[0]])}. Its score was left as it is.",
        )
    return keys[0], at


def _change(scores: ResultsFile, score: NewScore, task_key: str, at: MetricAt) -> Change:
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
        rows_of_dataset=scores.rows_of_dataset(task_key),
    )


def _edits(scores: ResultsFile, score: NewScore, change: Change, at: MetricAt) -> dict[Keys, Any]:
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
    scores: ResultsFile, task_key: str, entry: Mapping[str, Any], at: MetricAt, score: NewScore
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


def _evaluator(scores: ResultsFile, task_key: str) -> dict[str, Any]:
    """Who made a value that no re-scoring made: an earlier scorer of ours, or the evaluation itself."""
    versions = member(scores.data, "versions")
    ours = versions.get(f"{task_key}|scorer")
    own = member(member(member(scores.data, "palmares"), "scores"), short_name(task_key))
    if ours is not None:
        return {"name": own.get("scorer", "palmares"), "version": ours, "hash": own.get("scorer_hash")}
    return {"name": "evaluator", "version": versions.get(task_key), "hash": None}


def _averages(scores: ResultsFile, changes: Sequence[Change], notes: list[str]) -> dict[Keys, Any]:
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


def _record(scores: ResultsFile, task_key: str) -> dict[str, Any]:
    return member(member(scores.data, HISTORY), task_key)


def stale_groups(scores: ResultsFile, task_key: str, at: MetricAt) -> list[str]:
    """lm-eval's groups hold weighted means; their rule is the task's own."""
    members = member(scores.data, "group_subtasks")
    groups = member(scores.data, "groups")
    return [
        f"{scores.path.name}: group {group} holds an average of the old {at.key} of {task_key}; "
        "it was left as it is."
        for group, tasks in members.items()
        if isinstance(tasks, list) and task_key in tasks and at.key in member(groups, group)
    ]


def unscored_rows(scores: ResultsFile, score: NewScore, task_key: str) -> list[str]:
    """Rows of the data set that no details hold, though no limit was asked for."""
    of = scores.rows_of_dataset(task_key)
    if of is None or of <= score.rows or scores.limit is not None:
        return []
    return [
        f"{scores.path.name}: {task_key} has scores of {score.rows:,} of {of:,} rows; the other "
        f"{of - score.rows:,} are in no file. Evaluate again for a score of the whole task."
    ]


def other_before(scores: ResultsFile, score: NewScore, change: Change) -> list[str]:
    """The rows' old verdicts should come to the value that stands; half a row's difference is rounding."""
    if score.value_before is None or change.before is None:
        return []
    if abs(score.value_before - change.before) <= 0.5 / score.rows:
        return []
    return [
        f"{scores.path.name}: {change.task_key} {change.metric} was {change.before:.4f}, but the old "
        f"verdicts in {score.details_name} come to {score.value_before:.4f}. Re-scored before "
        "without a trace, or the details of another run? The new score is of these details."
    ]


def own_block_changes(
    scores: ResultsFile,
    changes: Sequence[tuple[Change, NewScore]],
    baselines: Mapping[str, float],
    notes: list[str],
) -> dict[Keys, Any]:
    """Edits of ``palmares.scores`` and ``palmares.average``; none for files of other programs.

    Args:
        scores: The results file.
        changes: What changes in its ``results``.
        baselines: What guessing scores, by short task name.
        notes: Gets a sentence where the average is left as it is.
    """
    block = scores.data.get("palmares")
    own = block.get("scores") if isinstance(block, dict) else None
    if not isinstance(block, dict) or not isinstance(own, dict):
        return {}
    edits: dict[Keys, Any] = {}
    shown = {task: score.get("shown") for task, score in own.items() if isinstance(score, dict)}
    before = _mean_of_all(shown, len(own))
    for change, score in changes:
        task = short_name(change.task_key)
        entry = own.get(task)
        if not isinstance(entry, dict):
            continue
        shown[task] = normalize(score.value, baseline=baselines.get(task, 0.0))
        values = {
            "value": score.value,
            "stderr": score.stderr,
            "shown": shown[task],
            "n": score.rows,
            "scorer": score.scorer.name,
            "scorer_version": score.scorer.version,
            "scorer_hash": score.scorer.hash,
        }
        edits |= {
            ("palmares", "scores", task, name): value
            for name, value in values.items()
            if entry.get(name) != value
        }
        if isinstance(entry.get("parts"), dict) and change.metric in entry["parts"]:
            edits["palmares", "scores", task, "parts", change.metric] = score.value
    stands, after = number(block.get("average")), _mean_of_all(shown, len(own))
    if not edits or stands is None or after is None:
        return edits
    if before is None or abs(before - stands) > _SAME:
        notes.append(
            f"{scores.path.name}: palmares.average is no plain mean of the tasks: the suite has groups "
            "or weights. It was left as it is; the DAG rescore_details computes it anew."
        )
        return edits
    edits["palmares", "average"] = after
    return edits


def _mean_of_all(shown: Mapping[str, Any], tasks: int) -> float | None:
    """The plain mean of the shown values; None: a task has none."""
    known = [value for one in shown.values() if (value := number(one)) is not None]
    return mean(known) if known and len(known) == tasks else None
