"""The end of a sweep: write back what did not end well, and say what happened."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from typing import Any

from palmares.leaderboard.errors import ResultsError
from palmares.leaderboard.submissions.submission import Submission
from palmares.steps.outbox import queue_request_edit, write_out
from palmares.steps.services import Services
from palmares.steps.write_back import INFRASTRUCTURE, settled_changes
from palmares.store.store import LIVE, Evaluation, EvaluationState

log = logging.getLogger(__name__)


def record_failure(
    services: Services,
    job_key: str,
    *,
    dag_run_id: str,
    task_id: str,
    error: BaseException | str | None,
) -> None:
    """Note why a model's group stopped; a decision that a step stored itself (quarantined, refused) stays.

    The reason reaches the public request file: a stranger's exception, which may quote data, is named only.
    """
    evaluation = services.store.evaluations.get(job_key)
    if evaluation is None or evaluation.state in SETTLED or evaluation.dag_run_id != dag_run_id:
        return  # decided already, or another run's by now
    if task_id == "poll_status" and evaluation.failure_class and evaluation.reason:
        # How the job ended is stored already, in better words than the exception's.
        services.store.evaluations.update(
            job_key,
            state=EvaluationState.FAILED,
            failure_class=evaluation.failure_class,
            reason_code=task_id,
            reason=evaluation.reason,
        )
        return
    reason = _in_public(error).splitlines()[0][:500]
    services.store.evaluations.update(
        job_key,
        state=EvaluationState.FAILED,
        failure_class=RESULTS_INCOMPLETE if isinstance(error, ResultsError) else INFRASTRUCTURE,
        reason_code=task_id,
        reason=f"{task_id}: {reason}",
    )


RESULTS_INCOMPLETE = "results_incomplete"
"""Class of outputs that cannot be used: the job is run anew, adopting it again would not mend them."""
ADDRESS = re.compile(r"https?://\S+")
OUR_MODULES = ("palmares.", "clearml_provider.", "airflow.")
"""Whose errors never quote rows, tokens or addresses with passwords."""
SETTLED = frozenset(
    {
        EvaluationState.PUBLISHED,
        EvaluationState.REFUSED,
        EvaluationState.QUARANTINED,
        EvaluationState.CANCELLED,
    }
)


def _in_public(error: BaseException | str | None) -> str:
    if isinstance(error, str):
        return error or "no reason given"
    if error is not None and type(error).__module__.startswith(OUR_MODULES):
        return ADDRESS.sub("(address withheld)", str(error)) or type(error).__name__
    return f"{type(error).__name__}, see the task's log" if error else "no reason given"


def without_a_told_end(services: Services, *, dag_run_id: str) -> list[Evaluation]:
    """Evaluations of a run that no step settled: ClearML may know that a person cancelled their jobs."""
    open_states = LIVE | {EvaluationState.FAILED}
    return services.store.evaluations.find(dag_run_id=dag_run_id, state=open_states)


def summarize(
    services: Services, *, dag_run_id: str, killed: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Write back the endings of a run's models and describe the run.

    Reads the store only: XCom of a mapped group has another shape with one, some and no members
    (apache/airflow#69036).

    Args:
        services: Open handles.
        dag_run_id: The run.
        killed: Why a person cancelled, by job key: jobs whose waiting task was marked failed in Airflow.

    Returns:
        Counts, ``failed`` (models whose group is red, with class and reason) and ``text``, a sentence for
        people.
    """
    published, failed, preliminary = [], [], []
    refused: dict[str, dict[str, str | None]] = {}
    for evaluation in services.store.evaluations.find(dag_run_id=dag_run_id):
        submission = Submission.from_json(dict(evaluation.submission))
        if evaluation.state is EvaluationState.PUBLISHED:
            published.append(evaluation.model_id)
        elif submission.limit_samples is not None and evaluation.state is EvaluationState.SCORED:
            preliminary.append(evaluation.model_id)
            # Not a result: whoever asks for the same again gets it.
            services.store.evaluations.update_if_unchanged(
                evaluation, state=EvaluationState.FAILED, reason="preliminary run, not published"
            )
        elif evaluation.state is EvaluationState.REFUSED:
            refused[evaluation.request_path] = {"model": evaluation.model_id, "reason": evaluation.reason}
            _write_back(services, evaluation, submission, dag_run_id=dag_run_id)
        else:
            ended = _settled(services, evaluation, killed=(killed or {}).get(evaluation.job_key))
            _write_back(services, ended, submission, dag_run_id=dag_run_id)
            failed.append(
                {"model": ended.model_id, "class": _class_of(ended), "reason": ended.reason or "no reason"}
            )
    for refusal in services.store.request_files.refusals(dag_run_id=dag_run_id):
        refused[refusal.request_path] = {
            "model": refusal.model_id or refusal.request_path,
            "reason": refusal.refusal.message_en,
        }
    write_out(services, services.settings.hub.requests_repo)
    text = (
        f"{len(published)} published, {len(preliminary)} preliminary, "
        f"{len(refused)} refused, {len(failed)} failed"
    )
    if failed:
        text += "; " + "; ".join(f"{one['model']}: {one['class']}: {one['reason']}" for one in failed)
    log.info("%s", text)
    return {
        "published": published,
        "preliminary": preliminary,
        "refused": list(refused.values()),
        "failed": failed,
        "text": text,
    }


def _settled(services: Services, evaluation: Evaluation, *, killed: str | None) -> Evaluation:
    """Settle what no step has settled; a decision stays."""
    if evaluation.state in SETTLED:
        return evaluation
    if killed is not None:
        services.store.evaluations.update_if_unchanged(
            evaluation,
            state=EvaluationState.CANCELLED,
            failure_class="cancelled",
            reason_code="cancelled",
            reason=killed,
        )
    elif evaluation.state is not EvaluationState.FAILED:
        services.store.evaluations.update_if_unchanged(
            evaluation,
            state=EvaluationState.FAILED,
            failure_class=evaluation.failure_class or INFRASTRUCTURE,
            reason=evaluation.reason or f"stopped after {evaluation.state.value}: see the red task's log",
        )
    return services.store.evaluations.get(evaluation.job_key) or evaluation


def _class_of(evaluation: Evaluation) -> str:
    return evaluation.failure_class or evaluation.state.value


def _write_back(
    services: Services, evaluation: Evaluation, submission: Submission, *, dag_run_id: str
) -> None:
    """Queue what the request says of an evaluation that this run still holds."""
    changes = settled_changes(evaluation)
    if changes is not None and evaluation.dag_run_id == dag_run_id:
        queue_request_edit(services, submission, changes, dag_run_id=dag_run_id)
