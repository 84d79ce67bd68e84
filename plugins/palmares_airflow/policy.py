"""What an ending means for a leaderboard, in the words of Airflow and of the ClearML provider."""

from __future__ import annotations

from typing import TYPE_CHECKING

from palmares_airflow.services import open_services

if TYPE_CHECKING:
    from clearml_provider.models import TaskInfo
    from clearml_provider.outcomes import AttemptEdit, EndedTask, Ending
    from palmares.leaderboard.outcomes import Child

RETRIES = 17
"""How many attempts of a job may fail: the sum of ``retries`` in leaderboard.yaml (a test holds them equal).
A plain number, because every task parses the DAG file, and reading YAML costs more than it."""
SPARE_TRIES = 3
"""Airflow's own retries of the task that waits, beyond those: ClearML may be away for a while."""

GENERAL = "General"
"""Section of the hyperparameters that the evaluator reads."""
CLOCKS_DIFFER_S = 60


def classify(ended: EndedTask) -> Ending:
    """Judge an ended ClearML task by the leaderboard's policy, and keep the attempt in the store."""
    from clearml_provider.outcomes import Ending
    from clearml_provider.redaction import shown_reason
    from palmares.steps.endings import bounded, classify_ending, record_ending

    task = ended.info
    with open_services() as services:
        verdict = bounded(
            services,
            classify_ending(
                succeeded=task.status.is_success,
                status=task.status.value,
                status_reason=shown_reason(task.status_reason),
                stop_cause=ended.stop_cause,
                user_properties=task.user_properties,
                artifacts=[artifact.key for artifact in task.artifacts],
                console=ended.log_lines,
                children=_children(ended),
                ran_s=_ran_s(task),
            ),
            count=ended.count,
            user_properties=task.user_properties,
            general=task.hyperparams.get(GENERAL, {}),
        )
        record_ending(
            services,
            verdict,
            clearml_task_id=task.id,
            attempt=ended.attempt,
            user_properties=task.user_properties,
        )
    return Ending(outcome=verdict.outcome, failure_class=verdict.failure_class, reason=verdict.reason)


def next_attempt(ended: EndedTask, ending: Ending) -> AttemptEdit | None:
    """The fallback policy's next plan if the same one would fail again, else the same; None: none is left."""
    from clearml_provider.outcomes import AttemptEdit
    from palmares.steps.endings import next_step

    task = ended.info
    with open_services() as services:
        step = next_step(
            services,
            ending.failure_class,
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


def _children(ended: EndedTask) -> list[Child]:
    """The nodes that ended by themselves or were lost: those that we stopped with them tell nothing."""
    from clearml_provider.outcomes import CAUSE_CHILD, CAUSE_MASTER_ENDED, CAUSE_NODE_LOST, stop_cause
    from clearml_provider.redaction import shown_reason
    from palmares.leaderboard.outcomes import Child

    causes = [(child, stop_cause(child)) for child in ended.children]
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
