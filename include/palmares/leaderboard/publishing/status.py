"""What is written into a request file at each step of an evaluation; ``edit_request`` takes these changes."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from palmares.leaderboard.errors import Refusal
from palmares.leaderboard.submissions.request_file import RequestStatus
from palmares.leaderboard.submissions.submission import Submission

JOB_START_FORMAT = "%Y-%m-%dT%H-%M-%S.%f"
"""As the original back end writes it: ``-`` for ``:``."""
LONGEST_MESSAGE = 500

Changes = dict[str, Any]
"""New values by key; None for a key that the file lacks adds nothing."""


def running_changes(submission: Submission, *, started_at: datetime, job_id: str | None = None) -> Changes:
    """Claimed: the revision is frozen, an old error is taken away.

    Args:
        submission: Pinned to a commit.
        started_at: Aware.
        job_id: ClearML task, once there is one.
    """
    changes: Changes = {
        "status": RequestStatus.RUNNING.value,
        "revision": submission.revision,
        "job_start_time": started_at.astimezone(UTC).strftime(JOB_START_FORMAT),
        "error_msg": None,
    }
    return changes if job_id is None else {**changes, "job_id": job_id}


def finished_changes(submission: Submission, *, job_id: str | None = None) -> Changes:
    """Evaluated and published."""
    changes: Changes = {
        "status": RequestStatus.FINISHED.value,
        "revision": submission.revision,
        "error_msg": None,
    }
    return changes if job_id is None else {**changes, "job_id": job_id}


def failed_changes(refusal: Refusal) -> Changes:
    """The model's fault: code and sentence say what its sender can do."""
    return {"status": RequestStatus.FAILED.value, "error_msg": _short(refusal.error_msg)}


def pending_changes(failure_class: str, reason: str) -> Changes:
    """Not the model's fault: tried again first next night, and not charged."""
    return {"status": RequestStatus.PENDING.value, "error_msg": _short(f"{failure_class}: {reason}")}


def on_hold_changes(reason: str) -> Changes:
    """The numbers look wrong: RUNNING until a person decides."""
    return {"status": RequestStatus.RUNNING.value, "error_msg": _short(f"parked: {reason}")}


def cancelled_changes(reason: str) -> Changes:
    """Cancelled by a person."""
    return {"status": RequestStatus.CANCELLED.value, "error_msg": _short(f"cancelled: {reason}")}


def _short(message: str) -> str:
    line = " ".join(message.split())
    return line if len(line) <= LONGEST_MESSAGE else line[: LONGEST_MESSAGE - 1] + "…"
