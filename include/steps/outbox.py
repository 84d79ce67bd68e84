"""Everything that goes to the Hub goes through the store's outbox: queue it, then write it out."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from typing import Any

from include.leaderboard.errors import HubError
from include.leaderboard.submissions.submission import Submission
from include.steps.services import Services
from include.store.outbox import OutboxEntry, drain_outbox
from include.store.store import OutboxStatus

log = logging.getLogger(__name__)


def queue_request_edit(
    services: Services, submission: Submission, changes: Mapping[str, Any], *, dag_run_id: str
) -> None:
    """Queue a change of the submission's request file; a preliminary run changes no request."""
    if submission.limit_samples is not None:
        return
    services.store.add_to_outbox(
        [
            request_edit(
                services,
                submission.request_path,
                changes,
                dag_run_id=dag_run_id,
                job_key=submission.job_key,
            )
        ]
    )


def request_edit(
    services: Services,
    path: str,
    changes: Mapping[str, Any],
    *,
    dag_run_id: str,
    job_key: str | None = None,
) -> OutboxEntry:
    """Describe a change of one request file; a run says the same thing once."""
    status = changes["status"]
    said = hashlib.sha256(json.dumps(changes, sort_keys=True).encode()).hexdigest()[:16]
    return OutboxEntry(
        key=f"request:{path}:{dag_run_id}:{said}",
        repo_id=services.settings.hub.requests_repo,
        private=False,
        kind="edit_request",
        path=path,
        changes=dict(changes),
        job_key=job_key,
        message=f"{status} {path}",
    )


def write_out(services: Services, repo_id: str) -> list[str]:
    """Commit what waits for a repository; return the new commits, oldest first."""
    report = drain_outbox(services.store, services.hub, repo_id)
    if report.commits:
        log.info("committed %s changes to %s: %s", report.committed, repo_id, ", ".join(report.commits))
    for key, reason in report.failed.items():
        log.error("%s cannot be written to %s: %s", key, repo_id, reason)
    return list(report.commits)


def check_written(services: Services, keys: Sequence[str]) -> None:
    """Make sure that these entries are committed, by whichever task carried them.

    Raises:
        HubError: One is not: it can never be applied, or another task's drain has yet to come to it.
    """
    for key, (status, reason) in services.store.outbox_status(keys).items():
        if status is not OutboxStatus.DONE:
            raise HubError(
                f"{key} is {status.value}: {reason or 'not written yet'}. Clear this task to retry."
            )
