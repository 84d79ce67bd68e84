"""What an evaluation's state says in its request file (the table in docs/explanation/architecture.md)."""

from __future__ import annotations

from typing import Any

from palmares.leaderboard.errors import Refusal
from palmares.leaderboard.publishing.status import (
    cancelled_changes,
    failed_changes,
    finished_changes,
    on_hold_changes,
    pending_changes,
)
from palmares.leaderboard.submissions.submission import Submission
from palmares.store.store import Evaluation, EvaluationState

INFRASTRUCTURE = "infrastructure"
"""Class of a failure on our side of ClearML: a task of the DAG stopped, no job ended."""


def settled_changes(evaluation: Evaluation) -> dict[str, Any] | None:
    """Describe the edit that tells a settled evaluation; None: its file says what it should.

    That is so while a run works on it, and for one that was replaced: the file tells of the newer one.
    """
    reason = evaluation.reason or ""
    match evaluation.state:
        case EvaluationState.PUBLISHED:
            submission = Submission.from_json(dict(evaluation.submission))
            return finished_changes(submission, job_id=evaluation.clearml_task_id)
        case EvaluationState.REFUSED:
            code = evaluation.reason_code or "refused"
            return failed_changes(Refusal(code=code, message_en=reason, message_fr=reason))
        case EvaluationState.QUARANTINED:
            return on_hold_changes(reason)
        case EvaluationState.CANCELLED:
            return None if evaluation.is_replaced else cancelled_changes(reason)
        case EvaluationState.FAILED:
            return pending_changes(evaluation.failure_class or INFRASTRUCTURE, reason or "no reason given")
        case _:
            return None
