"""From a claimed submission to the job that ClearML will run."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

from palmares.leaderboard.clusters import minutes
from palmares.leaderboard.errors import RefusedError
from palmares.leaderboard.planning import JobPlan, hyperparameters
from palmares.leaderboard.submissions.submission import Submission
from palmares.steps.outbox import write_out
from palmares.steps.requests.refusals import refuse
from palmares.steps.services import PROJECT_ROOT, Services
from palmares.steps.sweep.placement import QueueDepths, best_plan
from palmares.store.store import EvaluationState

log = logging.getLogger(__name__)

ABOUT = "About"
"""Section of hyperparameters for people; user properties are the machines' own."""
QUEUE_PATIENCE_S = 24 * 3600
"""A job may wait in its queue for a day before its wall time begins."""


def plan_resources(
    services: Services,
    submission_json: dict[str, Any],
    *,
    dag_run_id: str,
    cluster: str | None,
    queue_depths: QueueDepths | None = None,
    run_url: str = "",
) -> dict[str, Any]:
    """Plan one model's job, and describe it as the ClearML task to create.

    Args:
        services: Open handles.
        submission_json: The submission.
        dag_run_id: The run that must hold the model.
        cluster: Where; None: chosen among those that give the same result (``placing.best_plan``).
        queue_depths: Says how long the queues are, if there is a choice.
        run_url: The run's page in Airflow, for the ClearML task; empty: only its id is said.

    Returns:
        ``summary`` (the plan in a line, for people), ``plan``, ``task_spec``, ``queue``, ``job_key``,
        ``multi_node``, ``deadline_s`` (seconds from the enqueueing), ``run_limit_s`` (seconds in progress),
        ``lost_after_s`` (seconds without a sign of life).

    Raises:
        ClaimLostError: Another run holds the model by now.
        RefusedError: The model fits nowhere or cannot be served; its request says so already.
    """
    submission = Submission.from_json(submission_json)
    services.store.evaluations.assert_held(submission.job_key, dag_run_id)
    settings = services.settings
    suite = settings.suite(submission.suite)
    try:
        plan = best_plan(services, submission, cluster=cluster, queue_depths=queue_depths)
    except RefusedError as error:
        services.store.evaluations.update(
            submission.job_key,
            state=EvaluationState.REFUSED,
            held_by=dag_run_id,
            reason_code=error.refusal.code,
            reason=error.refusal.message_en,
        )
        refuse(services, error.refusal, submission=submission, dag_run_id=dag_run_id)
        write_out(services, settings.hub.requests_repo, shares_commits=True)
        raise
    services.store.evaluations.update(
        submission.job_key, state=EvaluationState.PLANNED, held_by=dag_run_id, plan=plan.to_json()
    )
    for reason in plan.reasons:
        log.log(logging.WARNING if reason in plan.warnings else logging.INFO, "%s", reason)
    on, run_limit_s = settings.cluster(plan.cluster), plan.run_limit_s
    about = _about(services, submission, plan, dag_run_id=dag_run_id, run_url=run_url)
    return {
        "summary": summary(plan),
        "plan": plan.to_json(),
        "task_spec": {
            "name": f"{submission.model_id} {submission.precision}",
            "project": settings.clearml.project,
            "type": "testing",
            "script": _script(PROJECT_ROOT / settings.clearml.script),
            # A smaller batch that the fallback policy chose on an earlier night does not hold for this plan.
            "hyperparams": {
                "General": {**hyperparameters(submission, plan, suite), "batch_size": ""},
                ABOUT: about,
            },
            "user_properties": {
                "plan": compact(plan),
                "run_limit_s": str(run_limit_s),
                # A class that an earlier night's attempt left says nothing about the next.
                "failure_class": "",
            },
            "tags": ["palmares"],
            "comment": "\n".join(f"{name}: {value}" for name, value in about.items()),
        },
        "queue": plan.queue,
        "job_key": submission.job_key,
        # A retry may add nodes and wall time, as far as the cluster goes.
        "multi_node": on.nodes > 1,
        "deadline_s": max(run_limit_s, minutes(on.max_walltime) * 60) + QUEUE_PATIENCE_S,
        "run_limit_s": run_limit_s,
        "lost_after_s": on.lost_after_s,
    }


def _about(
    services: Services, submission: Submission, plan: JobPlan, *, dag_run_id: str, run_url: str
) -> dict[str, str]:
    """Where the job comes from, for people who read ClearML's page of it."""
    request = services.hub.file_url(services.settings.hub.requests_repo, submission.request_path)
    return {
        "Model": f"{submission.model_id} at {submission.revision}, {submission.precision}",
        "Suite": submission.suite,
        "Request": request,
        "Airflow run": run_url or f"evaluate_submissions, {dag_run_id}",
        "First plan": summary(plan),
    }


def _script(path: Path) -> dict[str, str]:
    """The evaluator's entry script, sent whole: any agent with the evaluator's environment can run it."""
    return {
        "diff": path.read_text(encoding="utf-8"),
        "entry_point": path.name,
        "working_dir": ".",
        "binary": "python3",
    }


def summary(plan: JobPlan) -> str:
    """Say a plan in one line: where, how large, how long, at what cost."""
    carbon = f", {plan.carbon_kg:g} kg CO2" if plan.carbon_kg else ""
    by_hand = f", set by hand: {', '.join(plan.overridden)}" if plan.overridden else ""
    return (
        f"{plan.nodes} x {plan.gpus_per_node} GPU on {plan.cluster} (queue {plan.queue}), tensor parallel "
        f"{plan.tensor_parallel_size}, pipeline parallel {plan.pipeline_parallel_size}, {plan.backend}, "
        f"{plan.max_model_len} tokens, wall time {plan.walltime}, forecast {plan.gpu_hours:g} GPU-hours"
        f"{carbon}{by_hand}"
    )


def compact(plan: JobPlan) -> str:
    """The plan as the ClearML task carries it, without the alternatives, which nobody reads again."""
    said = {name: value for name, value in plan.to_json().items() if name != "alternatives"}
    return json.dumps(said, ensure_ascii=False, separators=(",", ":"))
