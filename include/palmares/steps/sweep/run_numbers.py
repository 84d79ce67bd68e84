"""Which run number a submission gets: that of the result it waits for, or the next one for a new result."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable

from palmares.leaderboard.submissions.submission import Submission
from palmares.steps.services import Services
from palmares.steps.sweep.summary import RESULTS_INCOMPLETE
from palmares.store.store import LIVE, REPLACED, Evaluation, EvaluationState

log = logging.getLogger(__name__)

MAY_CURE_ITSELF = frozenset({"gated", "not_found"})

CancelJob = Callable[[str, str], None]
"""Stops the job of a key, if it has a live one: (job key, reason in a sentence)."""


def with_run_number(
    services: Services, submission: Submission, *, dag_run_id: str, force: bool, rerun: bool
) -> Submission:
    """Give the submission its latest run number, or the next one where a new result is asked for.

    Args:
        services: Open handles.
        submission: As admitted, with the first number.
        dag_run_id: Who asks; what it claimed itself stays as it is.
        force: The run asks for new results.
        rerun: The request's sender does.
    """
    later = dataclasses.replace(submission, run_number=submission.run_number + 1)
    while services.store.evaluations.get(later.job_key) is not None:
        submission, later = later, dataclasses.replace(later, run_number=later.run_number + 1)
    known = services.store.evaluations.get(submission.job_key)
    if known is None or (known.dag_run_id == dag_run_id and not known.is_replaced):
        return submission
    return later if _wants_new_run(known, submission, force=force, rerun=rerun) else submission


def _wants_new_run(known: Evaluation, submission: Submission, *, force: bool, rerun: bool) -> bool:
    again = force or rerun
    is_resubmitted = known.submission.get("blob_oid") != submission.blob_oid
    if known.state in LIVE:
        # Two sweeps may have read the same RERUN before the first of them wrote RUNNING.
        return force or (rerun and is_resubmitted)
    if known.state is EvaluationState.FAILED:
        # ClearML's task ended well and left nothing usable: adopting it again would fail again.
        return known.failure_class == RESULTS_INCOMPLETE
    if known.state in {EvaluationState.REFUSED, EvaluationState.CANCELLED}:
        return again or (is_resubmitted and known.failure_class not in MAY_CURE_ITSELF)
    return again and known.state in {EvaluationState.PUBLISHED, EvaluationState.QUARANTINED}


def replace_older(
    services: Services, submission: Submission, *, dag_run_id: str, cancel_job: CancelJob | None
) -> None:
    """Close what still runs for the same thing under an older number, and stop its job.

    The store comes first, so that the older run's tasks are fenced; who dies in between finds the closed
    evaluation on the retry, and cancels then.
    """
    reason = f"Replaced by run {dag_run_id}, which asked for a new result."
    for number in range(submission.run_number - 1, 0, -1):
        older = dataclasses.replace(submission, run_number=number)
        known = services.store.evaluations.get(older.job_key)
        while known is not None and known.state in LIVE:
            services.store.evaluations.update_if_unchanged(
                known,
                state=EvaluationState.CANCELLED,
                failure_class="cancelled",
                reason_code=REPLACED,
                reason=reason,
            )
            known = services.store.evaluations.get(older.job_key)
        if known is None or not known.is_replaced:
            continue
        log.info("%s, run number %s: %s", submission.model_id, number, known.reason)
        if cancel_job is not None:
            cancel_job(older.job_key, known.reason or reason)
