"""Everything that goes to the Hub goes through the store's outbox: queue it, then write it out."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from typing import Any

from palmares.leaderboard.errors import HubError, LockHeldError, OutboxWaitError
from palmares.leaderboard.submissions.submission import Submission
from palmares.steps.services import Services
from palmares.store.outbox.pacing import OutboxLimits
from palmares.store.outbox.queue import OutboxEntry
from palmares.store.outbox.writer import drain_outbox, drain_when_due
from palmares.store.store import Blocker, OutboxStatus

log = logging.getLogger(__name__)

WRITER_PATIENCE_S = 20.0
"""Wait for another task that writes to the same repository: it may carry ours."""
SHARING_PATIENCE_S = 0.05
"""The same where several tasks share commits: a worker does other work meanwhile, and comes again."""
LEAST_WAIT_S = 5.0


def queue_request_edit(
    services: Services, submission: Submission, changes: Mapping[str, Any], *, dag_run_id: str
) -> None:
    """Queue a change of the submission's request file; a preliminary run changes no request."""
    if submission.limit_samples is not None:
        return
    services.store.outbox.add(
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


def outbox_limits(services: Services) -> OutboxLimits:
    """What the settings say of commits."""
    hub = services.settings.hub
    return OutboxLimits(
        files_per_commit=hub.files_per_commit,
        commits_per_hour=hub.commits_per_hour,
        linger_s=hub.linger_s,
        longest_linger_s=hub.longest_linger_s,
    )


def write_out(services: Services, repo_id: str, *, shares_commits: bool = False) -> list[str]:
    """Commit what waits for a repository; return the new commits, oldest first.

    Whatever the Hub says, nothing is raised for it: what is not written waits, the next one writes it, and
    `check_written` tells whoever has to know.

    Args:
        services: Open handles.
        repo_id: The dataset.
        shares_commits: Many do this at the same time: wait a moment for others, or leave it to one of them.

    Raises:
        StoreError: Our database is unreachable.
    """
    drain = drain_when_due if shares_commits else drain_outbox
    try:
        report = drain(
            services.store,
            services.hub,
            repo_id,
            limits=outbox_limits(services),
            lock_timeout_s=SHARING_PATIENCE_S if shares_commits else WRITER_PATIENCE_S,
        )
    except LockHeldError as held:
        log.log(
            logging.INFO if shares_commits else logging.WARNING,
            "%s: another task writes, and takes ours along: %s",
            repo_id,
            held,
        )
        return []
    except HubError as error:
        log.warning("what is to be written to %s waits in the outbox: %s", repo_id, error)
        return []
    if report.commits:
        log.info("committed %s changes to %s: %s", report.committed, repo_id, ", ".join(report.commits))
    for key, reason in report.failed.items():
        log.error("%s cannot be written to %s: %s", key, repo_id, reason)
    return list(report.commits)


def write_everything(services: Services) -> dict[str, list[str]]:
    """Commit all that waits, to every repository.

    Returns:
        Repository to new commits, where there are any.
    """
    written: dict[str, list[str]] = {}
    for _ in range(2):  # a status waits for its model's files, whichever repository comes first
        for repo_id in services.store.outbox.repositories():
            written.setdefault(repo_id, []).extend(write_out(services, repo_id))
    return {repo_id: commits for repo_id, commits in written.items() if commits}


def check_written(services: Services, keys: Sequence[str]) -> None:
    """Make sure that these entries are committed, by whichever task carried them.

    Raises:
        OutboxWaitError: Some wait: says for what, and when to look again.
        HubError: One can never be applied.
    """
    waiting: list[str] = []
    for key, (status, reason) in services.store.outbox.status(keys).items():
        if status is OutboxStatus.FAILED:
            raise HubError(f"{key} cannot be written: {reason}. Clear this task to try again.")
        if status is OutboxStatus.PENDING:
            waiting.append(key)
    if not waiting:
        return
    repositories = services.store.outbox.repositories_of(waiting)
    blockers = [
        blocker
        for repo_id in repositories
        if (blocker := services.store.blockers.of(services.hub.endpoint, repo_id)) is not None
    ]
    if not blockers:
        raise OutboxWaitError(
            f"{len(waiting)} of {len(keys)} files wait for {', '.join(repositories)}, to share a commit with "
            "others. Nothing is lost.",
            retry_after_s=max(LEAST_WAIT_S, services.settings.hub.longest_linger_s),
        )
    raise OutboxWaitError(
        f"{len(waiting)} of {len(keys)} files wait for {', '.join(repositories)}. "
        + " ".join(describe_blocker(one) for one in blockers)
        + " Nothing is lost: they are written when this is over.",
        retry_after_s=max(LEAST_WAIT_S, *(one.retry_in_s for one in blockers)),
    )


def describe_blocker(blocker: Blocker) -> str:
    """Say in a line what is in the way, since when, and when somebody looks again."""
    return (
        f"[{blocker.code}] {blocker.reason} (since {blocker.since:%Y-%m-%d %H:%M} UTC, "
        f"next look in {blocker.retry_in_s:.0f} s)"
    )
