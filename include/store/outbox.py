"""The outbox's single writer: what waits for a repository becomes commits, each effect once."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_random

from include.leaderboard.errors import HubNotFoundError, LeaderboardError, StaleCommitError
from include.leaderboard.submissions.request_file import edit_request
from include.store.outbox_entries import MAX_CONTENT_BYTES, OutboxEntry, OutboxStatus, PendingEntry

if TYPE_CHECKING:
    from include.store.store import Store

__all__ = [
    "MAX_CONTENT_BYTES",
    "Committer",
    "DrainReport",
    "OutboxEntry",
    "OutboxStatus",
    "PendingEntry",
    "drain_outbox",
]

log = logging.getLogger(__name__)

MAX_FILES = 99
"""Files a commit: the Hub advises fewer than a hundred."""
MAX_COMMIT_BYTES = 200_000_000
"""Contents a commit, because they are in memory together."""
MAX_TRIES = 6
"""Tries of one commit while others commit first."""
LOCK_TIMEOUT_S = 120.0
"""Wait for another writer of the same repository."""


class Committer(Protocol):
    """The part of the Hub that writing needs; `include.hub.Hub` in production."""

    def head(self, repo_id: str) -> str:
        """Oid of the newest commit.

        Raises:
            HubNotFoundError: No such repository.
            HubUnavailableError: Try again later.
        """
        ...

    def read_file(self, repo_id: str, path: str, *, commit: str) -> bytes | None:
        """The file's content at *commit*; None if there is none."""
        ...

    def commit_files(
        self, repo_id: str, files: Mapping[str, bytes], *, message: str, parent_commit: str
    ) -> str:
        """Write *files* in one commit on top of *parent_commit*; returns its oid.

        Raises:
            StaleCommitError: *parent_commit* is not the newest any more.
            HubUnavailableError: Try again later; the commit may or may not have happened.
        """
        ...

    def ensure_dataset(self, repo_id: str, *, private: bool) -> None:
        """Create the dataset if missing."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class DrainReport:
    """What one drain did."""

    committed: int
    """Entries whose effect is on the Hub now, whether a commit was needed or not."""
    commits: list[str] = field(default_factory=list)
    """Oids, oldest first."""
    failed: dict[str, str] = field(default_factory=dict)
    """Entries that can never be applied: key and reason."""


@dataclass(frozen=True, slots=True)
class _Change:
    """What a batch amounts to on top of one commit."""

    files: dict[str, bytes]
    """Only what differs."""
    failed: dict[int, str]
    """Entry id and reason."""


def drain_outbox(
    store: Store, committer: Committer, repo_id: str, *, lock_timeout_s: float = LOCK_TIMEOUT_S
) -> DrainReport:
    """Write everything that waits for *repo_id*, in order.

    Others may write to the same repository: every commit names its parent, and when somebody was faster,
    the files are read and edited again. A drain that dies after a commit and before noting it is harmless:
    the next one finds the files as they should be, and commits nothing.

    Args:
        lock_timeout_s: Longest wait for another drain of the same repository.

    Raises:
        StoreError: Another drain holds the repository, or the database is unreachable.
        StaleCommitError: Somebody was faster every time; the entries wait.
        HubUnavailableError: The entries wait.
    """
    commits: list[str] = []
    failed: dict[str, str] = {}
    settled = 0
    with store.advisory_lock(f"outbox:{repo_id}", timeout_s=lock_timeout_s):
        private_ensured = False
        while batch := _next_batch(store.outbox_pending(repo_id)):
            if not private_ensured and any(entry.private for entry in batch):
                # Before any private content leaves: the adapter creates the dataset private, or objects.
                committer.ensure_dataset(repo_id, private=True)
                private_ensured = True
            commit, change = _write(store, committer, repo_id, batch)
            done = [entry.id for entry in batch if entry.id not in change.failed]
            store.settle_outbox(done, commit=commit, failed=change.failed)
            settled += len(done)
            if commit is not None:
                commits.append(commit)
                log.info("%s: %d entries in commit %s", repo_id, len(done), commit)
            for entry in batch:
                if entry.id in change.failed:
                    failed[entry.key] = change.failed[entry.id]
                    log.error("outbox entry %s cannot be applied: %s", entry.key, failed[entry.key])
    return DrainReport(committed=settled, commits=commits, failed=failed)


def _next_batch(pending: Sequence[PendingEntry]) -> list[PendingEntry]:
    """The longest run of first entries that fits one commit; at least one, if any waits."""
    batch: list[PendingEntry] = []
    paths: set[str] = set()
    size = 0
    for entry in pending:
        paths.add(entry.path)
        size += entry.content_bytes
        if batch and (len(paths) > MAX_FILES or size > MAX_COMMIT_BYTES):
            break
        batch.append(entry)
    return batch


def _write(
    store: Store, committer: Committer, repo_id: str, batch: Sequence[PendingEntry]
) -> tuple[str | None, _Change]:
    """Commit *batch* on top of whatever is newest; None if nothing had to change."""
    contents = store.outbox_contents([entry.id for entry in batch])
    tries = Retrying(
        retry=retry_if_exception_type(StaleCommitError),
        stop=stop_after_attempt(MAX_TRIES),
        wait=wait_random(0, 0.3),
        reraise=True,
    )
    for attempt in tries:
        with attempt:
            head = _head(committer, repo_id, batch)
            change = _changes(committer, repo_id, batch, contents, head=head)
            if not change.files:
                return None, change
            message = _message([entry for entry in batch if entry.id not in change.failed])
            commit = committer.commit_files(repo_id, change.files, message=message, parent_commit=head)
            return commit, change
    raise AssertionError("unreachable: the last try raises")


def _head(committer: Committer, repo_id: str, batch: Sequence[PendingEntry]) -> str:
    try:
        return committer.head(repo_id)
    except HubNotFoundError:
        if not any(entry.kind == "put" for entry in batch):
            # Edits need files that are there: a missing dataset is a wrong name, not one to create.
            raise
        committer.ensure_dataset(repo_id, private=any(entry.private for entry in batch))
        return committer.head(repo_id)


def _changes(
    committer: Committer,
    repo_id: str,
    batch: Sequence[PendingEntry],
    contents: Mapping[int, bytes],
    *,
    head: str,
) -> _Change:
    """Apply *batch* to the files at *head*; later entries build on earlier ones."""
    before: dict[str, bytes | None] = {}
    after: dict[str, bytes | None] = {}
    failed: dict[int, str] = {}
    for entry in batch:
        path = entry.path
        if path not in before:
            before[path] = after[path] = committer.read_file(repo_id, path, commit=head)
        if entry.kind == "put":
            after[path] = contents[entry.id]
            continue
        current = after[path]
        if current is None:
            failed[entry.id] = f"{path} is not in {repo_id} at commit {head}: its sender took it back."
            continue
        try:
            after[path] = edit_request(current, entry.changes or {})
        except (ValueError, LeaderboardError) as error:
            failed[entry.id] = f"{path} in {repo_id} at commit {head} cannot be edited: {error}"
    files = {
        path: content for path, content in after.items() if content is not None and content != before[path]
    }
    return _Change(files, failed)


def _message(entries: Sequence[PendingEntry]) -> str:
    """One commit message: the same for the same entries, so that a replay can be recognised."""
    messages = list(dict.fromkeys(entry.message for entry in entries))
    if len(messages) == 1:
        return messages[0]
    return "\n".join([f"{messages[0]} (and {len(messages) - 1} more)", "", *(f"- {one}" for one in messages)])
