"""Shorthands: a claimed model with its job on the embedded ClearML server."""

from __future__ import annotations

from typing import Any

from clearml_provider import api
from clearml_provider.flows.cancel import cancel
from clearml_provider.operators import ClearMLEnqueueOperator
from clearml_provider.outcomes import CAUSE_KILLED
from palmares.leaderboard.submissions.submission import Submission
from palmares.steps.reconcile.sources import RunFacts
from palmares.steps.services import Services
from palmares.steps.sweep.outcomes import record_enqueued
from palmares.steps.sweep.planning import plan_resources
from palmares.store.store import Evaluation

from tests.palmares.steps.sweeping import admit, claimed
from tests.plugins.clearml_provider.workplace import Workplace

RUN = "night-1"


def forget_jobs(clearml: Workplace) -> None:
    """The server outlives a test, and the demo's models have the same keys in each."""
    jobs = clearml.hook.run(api.find_tasks_by_tag("palmares"))
    if jobs:
        clearml.call("tasks.delete_many", ids=[job.id for job in jobs], force=True)


def enqueue(services: Services, clearml: Workplace, submission: Submission, *, run: str = RUN) -> str:
    """Plan a claimed submission and enqueue its job, as the group's first two tasks do."""
    job = plan_resources(services, submission.to_json(), dag_run_id=run, cluster=None)
    clearml.key = submission.job_key
    task_id: str = ClearMLEnqueueOperator(
        task_id="enqueue",
        task_spec=job["task_spec"],
        clearml_queue=clearml.queue,
        idempotency_key=submission.job_key,
    ).execute({})
    record_enqueued(services, submission.job_key, task_id)
    return task_id


def petit_enqueued(services: Services, clearml: Workplace, *, run: str = RUN) -> Submission:
    petit = claimed(admit(services, run=run, models=["palmares-demo/petit"]))["petit"]
    enqueue(services, clearml, petit, run=run)
    return petit


def kill(clearml: Workplace) -> None:
    """What a trigger does when its task is marked failed."""
    task = clearml.task()
    flow = cancel(
        task.id, attempt=task.attempt, cause=CAUSE_KILLED, reason="Marked failed by anna", grace_s=0
    )
    clearml.hook.run(flow)


def set_property(clearml: Workplace, task_id: str, name: str, value: str) -> None:
    """What the evaluator says of itself."""
    from clearml_provider.flows import create

    clearml.hook.run(create.edit_hyperparams(task_id, properties={name: value}))


def stored(services: Services, submission: Submission) -> Evaluation:
    evaluation = services.store.evaluations.get(submission.job_key)
    assert evaluation is not None
    return evaluation


def runs(**facts: Any) -> Any:
    """Airflow, which says the same of every run."""
    return lambda run_ids: {run_id: RunFacts(run_id=run_id, **facts) for run_id in run_ids}
