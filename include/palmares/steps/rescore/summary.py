"""The end of a re-scoring run: what changed, and what failed."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from palmares.leaderboard.submissions.submission import Submission
from palmares.rescoring.comparison import ComparisonReport, ScoreAt, VerdictChanges, markdown, overall
from palmares.steps.services import Services
from palmares.store.store import EvaluationState, Rescoring, RescoringOutcome

log = logging.getLogger(__name__)

MOST_MOVES = 50
"""Models in the summary whose rank changed; the log has them all."""


def summarize(
    services: Services,
    *,
    dag_run_id: str,
    selected: Sequence[Mapping[str, str]],
    dry_run: Sequence[Mapping[str, Any]] | None = None,
) -> dict[str, Any]:
    """Say what a run did; reads the store, but for a dry run, which left nothing there.

    Returns:
        Counts by outcome, ``tasks`` (changes both ways over all models), ``failed`` and ``text``; but for a
        dry run also ``moves``: models whose rank changed. The whole comparison report is logged.
    """
    if dry_run is not None:
        would = {"would_change": True, "would_stay": False}
        return _summary(
            {
                name: [one["model_id"] for one in dry_run if one["changed"] is changed]
                for name, changed in would.items()
            },
            [one["tasks"] for one in dry_run],
            failed=_missing(selected, {one["model_id"] for one in dry_run}),
        )
    done: dict[str, Rescoring] = {
        one.job_key: one for one in services.store.rescorings.find(dag_run_id=dag_run_id)
    }
    outcomes: dict[str, list[str]] = {name.value: [] for name in _GOOD}
    failed = []
    for model in selected:
        rescoring = done.get(model["job_key"])
        outcome = rescoring.outcome if rescoring else _without_grading(services, model["job_key"])
        if outcome in _GOOD:
            outcomes[outcome.value].append(model["model_id"])
            continue
        reason = (rescoring.reason if rescoring else None) or "see the red task's log"
        failed.append(
            {
                "model": model["model_id"],
                "class": outcome.value if outcome else "not graded",
                "reason": reason,
            }
        )
    summary = _summary(outcomes, [one.verdict_changes or {} for one in done.values()], failed=failed)
    report = comparison_report(services, list(done.values()))
    for line in markdown(report).splitlines():
        log.info("%s", line)
    moved = [move for move in report.moves if move.up]
    return summary | {
        "moves": [
            {"model": one.model, "before": one.before, "after": one.after} for one in moved[:MOST_MOVES]
        ]
    }


def comparison_report(services: Services, rescorings: Sequence[Rescoring]) -> ComparisonReport:
    """Put a run's changes together, with the ranks that the leaderboard's models have before and after.

    Models of another suite than the leaderboard's have no rank. Ids and numbers only: it may be logged.
    """
    graded = {one.job_key: one for one in rescorings if one.scores is not None}
    shown = services.settings.suite()
    before: dict[str, dict[str, ScoreAt]] = {}
    after: dict[str, dict[str, ScoreAt]] = {}
    averages: tuple[dict[str, float], dict[str, float]] = {}, {}
    changes = []
    for published in services.store.rescorings.rescorable():
        evaluation = published.evaluation
        suite = Submission.from_json(evaluation.submission).suite
        of_suite = "" if suite == shown.name else f", suite {suite}"
        name = f"{evaluation.model_id} ({evaluation.precision}, {evaluation.revision[:8]}{of_suite})"
        rescoring = graded.get(evaluation.job_key)
        old = rescoring.previous_scores if rescoring else evaluation.scores or {}
        new = (rescoring.scores if rescoring else None) or evaluation.scores or {}
        before[name], after[name] = _scores_at(old), _scores_at(new)
        for scores, found in zip((old, new), averages, strict=True):
            average = shown.average(scores) if suite == shown.name else None
            if average is not None:
                found[name] = average
        for task, counts in ((rescoring.verdict_changes if rescoring else None) or {}).items():
            changes.append(
                VerdictChanges(
                    model=name,
                    task=task,
                    rows=counts["rows"],
                    unknown_before=counts["unknown_before"],
                    right_before=counts["right_before"],
                    right_after=counts["right_after"],
                    to_right=tuple(counts["to_right_ids"]),
                    to_wrong=tuple(counts["to_wrong_ids"]),
                )
            )
    return overall(changes, before, after, averages=averages)


def _scores_at(scores: Mapping[str, Any]) -> dict[str, ScoreAt]:
    return {
        task: ScoreAt(value=score["value"], stderr=score.get("stderr"))
        for task, score in scores.items()
        if score.get("value") is not None
    }


_GOOD = (RescoringOutcome.PUBLISHED, RescoringOutcome.UNCHANGED, RescoringOutcome.SKIPPED)


def _without_grading(services: Services, job_key: str) -> RescoringOutcome | None:
    """A model that another run took before its turn came was left alone; else its task failed."""
    evaluation = services.store.evaluations.get(job_key)
    is_published = evaluation is not None and evaluation.state is EvaluationState.PUBLISHED
    return None if is_published else RescoringOutcome.SKIPPED


def _missing(selected: Sequence[Mapping[str, str]], graded: Collection[str]) -> list[dict[str, str]]:
    return [
        {"model": one["model_id"], "class": "not graded", "reason": "see the red task's log"}
        for one in selected
        if one["model_id"] not in graded
    ]


def _summary(
    outcomes: dict[str, list[str]], changes: Sequence[Mapping[str, Any]], *, failed: list[dict[str, str]]
) -> dict[str, Any]:
    tasks: dict[str, dict[str, int]] = {}
    for of_model in changes:
        for task, counts in of_model.items():
            total = tasks.setdefault(task, {"models": 0, "to_right": 0, "to_wrong": 0})
            total["models"] += 1
            total["to_right"] += counts["to_right"]
            total["to_wrong"] += counts["to_wrong"]
    parts = [f"{len(models)} {outcome.replace('_', ' ')}" for outcome, models in outcomes.items()]
    parts.append(f"{len(failed)} failed")
    text = ", ".join(parts)
    for task, total in tasks.items():
        text += f"; {task}: {total['to_right']} rows became right, {total['to_wrong']} wrong"
    for one in failed:
        text += f"; {one['model']}: {one['class']}: {one['reason']}"
    log.info("%s", text)
    return {**outcomes, "tasks": tasks, "failed": failed, "text": text}
