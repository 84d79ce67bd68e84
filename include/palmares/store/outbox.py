"""The outbox's single writer: what waits for a repository becomes commits, each effect once."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from palmares.leaderboard.errors import HubError, OutboxWaitError
from palmares.store.outbox_entries import MAX_CONTENT_BYTES, OutboxEntry, OutboxStatus, PendingEntry
from palmares.store.outbox_gathering import wait_until_due
from palmares.store.outbox_hub import Committer, OutboxLimits
from palmares.store.outbox_obstacles import obstacle_of
from palmares.store.outbox_writer import Drain

if TYPE_CHECKING:
    from palmares.store.store import Store

__all__ = [
    "MAX_CONTENT_BYTES",
    "Committer",
    "DrainReport",
    "OutboxEntry",
    "OutboxLimits",
    "OutboxStatus",
    "PendingEntry",
    "drain_outbox",
    "drain_when_due",
]

log = logging.getLogger(__name__)

LOCK_TIMEOUT_S = 120.0
"""Wait for another writer of the same repository."""
_LIMITS = OutboxLimits()


@dataclass(frozen=True, slots=True, kw_only=True)
class DrainReport:
    """What one drain did."""

    committed: int = 0
    """Entries whose effect is on the Hub now, whether a commit was needed or not."""
    commits: list[str] = field(default_factory=list)
    """Oids, oldest first."""
    failed: dict[str, str] = field(default_factory=dict)
    """Entries that can never be applied: key and reason."""


def drain_when_due(
    store: Store,
    committer: Committer,
    repo_id: str,
    *,
    limits: OutboxLimits = _LIMITS,
    lock_timeout_s: float = LOCK_TIMEOUT_S,
) -> DrainReport:
    """Write what waits for *repo_id* in as few commits as siblings allow.

    Of many who publish at once, one waits here, and commits for all when a commit is full, when nobody has
    come for a while, or when an entry has waited for long (`OutboxLimits`). The others are told that the
    lock is held, and are free for other work.

    Args:
        lock_timeout_s: Longest wait for the one who writes.

    Raises:
        LockHeldError: Another one writes, and takes ours along.
        StoreError: The database is unreachable.
        HubError: As `drain_outbox`.
    """
    if not store.outbox_queue(repo_id).entries:
        return DrainReport()
    # No worker leads for ever while siblings keep coming: the next one goes on.
    deadline = time.monotonic() + max(limits.quiet_s, limits.at_most_s) + 1
    with _writing(store, committer, repo_id, limits=limits, lock_timeout_s=lock_timeout_s) as drain:
        while wait_until_due(store, committer.endpoint, repo_id, limits, deadline=deadline):
            drain.run(until=deadline)
    return _report(drain)


def drain_outbox(
    store: Store,
    committer: Committer,
    repo_id: str,
    *,
    limits: OutboxLimits = _LIMITS,
    lock_timeout_s: float = LOCK_TIMEOUT_S,
) -> DrainReport:
    """Write everything that waits for *repo_id*, in order.

    Others may write to the same repository: every commit names its parent, and when somebody was faster,
    the files are read and edited again. Every commit is noted before it is sent, with a mark that its
    description carries: whoever comes after a crash or a lost answer looks for the mark, and settles what
    was written instead of writing it again.

    What stands in the way is noted in the store, with a time before which nobody tries again.

    Args:
        limits: Size and number of commits.
        lock_timeout_s: Longest wait for another drain of the same repository.

    Raises:
        LockHeldError: Another drain holds the repository.
        StoreError: The database is unreachable.
        OutboxWaitError: An obstacle that was met before is not due for another look; the entries wait.
        StaleCommitError: Somebody was faster every time; the entries wait.
        HubUnavailableError: An outage, or the hour's commits are used up; the entries wait.
        HubRefusedError: Token, rights or storage; the entries wait.
        HubNotFoundError: The repository is not there any more; the entries wait.
    """
    if not store.outbox_queue(repo_id).entries:
        return DrainReport()
    with _writing(store, committer, repo_id, limits=limits, lock_timeout_s=lock_timeout_s) as drain:
        drain.run()
    return _report(drain)


@contextmanager
def _writing(
    store: Store, committer: Committer, repo_id: str, *, limits: OutboxLimits, lock_timeout_s: float
) -> Iterator[Drain]:
    """Hold the repository; note what is in the way, and forget what was."""
    endpoint = committer.endpoint
    with store.advisory_lock(f"outbox:{repo_id}", timeout_s=lock_timeout_s):
        met = store.obstacle(endpoint, repo_id)
        if met is not None and met.retry_in_s > 0:
            raise OutboxWaitError(met.reason, retry_after_s=met.retry_in_s)
        drain = Drain(store, committer, repo_id, limits=limits)
        try:
            yield drain
        except HubError as error:
            code, where, retry_in_s = obstacle_of(error, repo_id, met=met, limits=limits)
            store.note_obstacle(endpoint, where, code=code, reason=str(error), retry_in_s=retry_in_s)
            log.warning(
                "%s entries wait for %s, next look in %.0f s: %s: %s",
                store.outbox_queue(repo_id).entries,
                repo_id,
                retry_in_s,
                code,
                error,
            )
            raise
        if met is not None and drain.has_asked:
            store.clear_obstacle(endpoint, repo_id)
            log.info("%s is written to again, %s lasted %.0f s", repo_id, met.code, met.lasted_s)


def _report(drain: Drain) -> DrainReport:
    return DrainReport(committed=drain.settled, commits=drain.commits, failed=drain.failed)
