"""The leaderboard's policy in the types of the ClearML provider: classify, keep, try again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from palmares_airflow.services import open_services

if TYPE_CHECKING:
    from clearml_provider.models import TaskInfo
    from clearml_provider.outcomes import AttemptEdit, AttemptOutcome, Termination
    from palmares.leaderboard.outcomes import Child

RETRIES = 17
"""How many attempts of a job may fail: the sum of ``retries`` in leaderboard.yaml (a test holds them equal).
A plain number, because every task parses the DAG file, and reading YAML costs more than it."""
SPARE_TRIES = 2 * RETRIES + 6
"""Airflow's own retries of the task that waits, beyond those: they cost no attempt of the job. ClearML may be
away for a while, and on a busy machine tries die before they begin (13 of 21 in one trial). The budgets that
count are on the ClearML task."""

GENERAL = "General"
"""Section of the hyperparameters that the evaluator reads."""
CLOCKS_DIFFER_S = 60


def classify(termination: Termination) -> AttemptOutcome:
    """Judge an ended ClearML task by the leaderboard's rules and tonight's retry budgets."""
    from clearml_provider.outcomes import AttemptOutcome
    from clearml_provider.redaction import shown_reason
    from palmares.steps.sweep.outcomes import bounded, classify_task

    task = termination.info
    outcome = classify_task(
        succeeded=task.status.is_success,
        status=task.status.value,
        status_reason=shown_reason(task.status_reason),
        stop_cause=termination.stop_cause,
        user_properties=task.user_properties,
        artifacts=[artifact.key for artifact in task.artifacts],
        console=termination.log_lines,
        children=_children(termination),
        ran_s=_ran_s(task),
    )
    with open_services() as services:
        bound = bounded(
            services,
            outcome,
            count=termination.count,
            user_properties=task.user_properties,
            general=task.hyperparams.get(GENERAL, {}),
        )
    return AttemptOutcome(decision=bound.decision, failure_class=bound.failure_class, reason=bound.reason)


def keep_outcome(termination: Termination, outcome: AttemptOutcome) -> None:
    """Write an attempt and its outcome into the store."""
    from palmares.steps.sweep.outcomes import record_outcome

    task = termination.info
    with open_services() as services:
        record_outcome(
            services,
            decision=outcome.decision,
            failure_class=outcome.failure_class,
            reason=outcome.reason,
            clearml_task_id=task.id,
            attempt=termination.attempt,
            user_properties=task.user_properties,
            ran_s=_ran_s(task),
        )


def next_attempt(termination: Termination, outcome: AttemptOutcome) -> AttemptEdit | None:
    """The fallback policy's next plan if the same one would fail again, else the same; None: none is left."""
    from clearml_provider.outcomes import AttemptEdit
    from palmares.steps.sweep.outcomes import next_step

    task = termination.info
    with open_services() as services:
        step = next_step(
            services,
            outcome.failure_class,
            user_properties=task.user_properties,
            general=task.hyperparams.get(GENERAL, {}),
        )
    if step is None:
        return None
    return AttemptEdit(
        hyperparams={GENERAL: step.hyperparameters} if step.hyperparameters else {},
        user_properties=step.user_properties,
        queue=step.queue,
        note=step.note,
    )


def show_line(line: str) -> str | None:
    """What of a line of the job's console may be copied to Airflow's log; None: it may quote a row."""
    from palmares.leaderboard.outcomes import safe_line

    return safe_line(line)


def _children(termination: Termination) -> list[Child]:
    """The nodes that ended by themselves or were lost: those that we stopped with them tell nothing."""
    from clearml_provider.outcomes import CAUSE_CHILD, CAUSE_MASTER_ENDED, CAUSE_NODE_LOST, stop_cause
    from clearml_provider.redaction import shown_reason
    from palmares.leaderboard.outcomes import Child

    causes = [(child, stop_cause(child)) for child in termination.children]
    return [
        Child(
            status="lost" if cause == CAUSE_NODE_LOST else child.status.value,
            status_reason=shown_reason(child.status_reason),
        )
        for child, cause in causes
        if cause not in {CAUSE_CHILD, CAUSE_MASTER_ENDED}
    ]


def _ran_s(task: TaskInfo) -> float | None:
    """How long the attempt was in progress; 0: it never began; None: nobody knows.

    The server never moves ``started`` forward: of a later attempt it says nothing.
    """
    if task.started is None:
        return 0.0
    if task.attempt == 1:
        ended_at = task.completed or task.last_update
        return (ended_at - task.started).total_seconds() if ended_at else None
    enqueued_at, seen = task.user_properties.get("enqueued_at", ""), task.last_worker_report
    if seen is not None and enqueued_at.isdecimal() and seen.timestamp() < int(enqueued_at) - CLOCKS_DIFFER_S:
        return 0.0
    return None
