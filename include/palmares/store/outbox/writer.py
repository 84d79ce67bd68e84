"""The outbox's single writer: what waits for a repository becomes commits, each effect once."""

from __future__ import annotations

import hashlib
import logging
import random
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from palmares.leaderboard.errors import (
    HubError,
    HubNotFoundError,
    HubRefusedError,
    LeaderboardError,
    OutboxWaitError,
    StaleCommitError,
)
from palmares.leaderboard.publishing.card import edit_card
from palmares.leaderboard.submissions.status_machine import write_status
from palmares.store.outbox.pacing import OutboxLimits, blocker_of, is_due, spacing_s, wait_until_due
from palmares.store.outbox.queue import PendingEntry
from palmares.store.store import Store

log = logging.getLogger(__name__)

LOCK_TIMEOUT_S = 120.0
"""Wait for another writer of the same repository."""
_LIMITS = OutboxLimits()
MAX_TRIES = 6
"""Tries in a row while others commit first."""


class Committer(Protocol):
    """The part of the Hub that writing needs; `palmares.hub.Hub` in production."""

    @property
    def endpoint(self) -> str:
        """Address: budgets and obstacles are kept by it."""
        ...

    def head(self, repo_id: str) -> str:
        """Oid of the newest commit.

        Raises:
            HubNotFoundError: No such repository.
            HubUnavailableError: Try again later.
        """
        ...

    def content_ids(self, repo_id: str, paths: Sequence[str], *, commit: str) -> dict[str, str]:
        """What the files hold, as `is_content` reads it; missing ones are left out."""
        ...

    def read_files(self, repo_id: str, paths: Sequence[str], *, commit: str) -> dict[str, bytes]:
        """The files' contents at *commit*; missing ones are left out."""
        ...

    def commit_files(
        self,
        repo_id: str,
        files: Mapping[str, bytes],
        *,
        message: str,
        parent_commit: str,
        idempotency_key: str,
    ) -> str:
        """Write *files* in one commit on top of *parent_commit*, findable by its key; returns its oid.

        Raises:
            StaleCommitError: *parent_commit* is not the newest any more.
            HubRefusedError: Token, rights, storage, or one of the files.
            HubUnavailableError: Try again later; the commit may or may not have happened.
        """
        ...

    def find_commit(self, repo_id: str, idempotency_key: str, *, since: str) -> str | None:
        """Oid of the commit with this key that was made after the commit *since*, if there is one."""
        ...

    def ensure_dataset(self, repo_id: str, *, private: bool) -> None:
        """Create the dataset if missing."""
        ...


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
    """Write what waits for *repo_id* in few commits.

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
    if not store.outbox.state(repo_id).entries:
        return DrainReport()
    # No worker leads for ever while entries keep coming: the next one goes on.
    deadline = time.monotonic() + max(limits.linger_s, limits.longest_linger_s) + 1
    with _writing(store, committer, repo_id, limits=limits, lock_timeout_s=lock_timeout_s) as drain:
        while wait_until_due(
            store.outbox, store.commit_log, committer.endpoint, repo_id, limits, deadline=deadline
        ):
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
    the files are read and edited again. Every commit is noted before it is sent, with an idempotency key
    that its description carries: whoever comes after a crash or a lost answer looks for the key, and
    finalizes what was written instead of writing it again.

    What stands in the way is noted in the store, with a time before which nobody tries again.

    Args:
        limits: Size and number of commits.
        lock_timeout_s: Longest wait for another drain of the same repository.

    Raises:
        LockHeldError: Another drain holds the repository.
        StoreError: The database is unreachable.
        OutboxWaitError: An blocker that was met before is not due for another look; the entries wait.
        StaleCommitError: Somebody was faster every time; the entries wait.
        HubUnavailableError: An outage, or the hour's commits are used up; the entries wait.
        HubRefusedError: Token, rights or storage; the entries wait.
        HubNotFoundError: The repository is not there any more; the entries wait.
    """
    if not store.outbox.state(repo_id).entries:
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
    with store.database.advisory_lock(f"outbox:{repo_id}", timeout_s=lock_timeout_s):
        before = store.blockers.of(endpoint, repo_id)
        if before is not None and before.retry_in_s > 0:
            raise OutboxWaitError(before.reason, retry_after_s=before.retry_in_s)
        drain = Drain(store, committer, repo_id, limits=limits)
        try:
            yield drain
        except HubError as error:
            code, where, retry_in_s = blocker_of(error, repo_id, before=before, limits=limits)
            store.blockers.note(endpoint, where, code=code, reason=str(error), retry_in_s=retry_in_s)
            log.warning(
                "%s entries wait for %s, next look in %.0f s: %s: %s",
                store.outbox.state(repo_id).entries,
                repo_id,
                retry_in_s,
                code,
                error,
            )
            raise
        if before is not None and drain.has_asked:
            store.blockers.clear(endpoint, repo_id)
            log.info("%s is written to again, %s lasted %.0f s", repo_id, before.code, before.lasted_s)


def _report(drain: Drain) -> DrainReport:
    return DrainReport(committed=drain.finalized, commits=drain.commits, failed=drain.failed)


class Drain:
    """One drain, by the one who holds the repository's lock."""

    def __init__(self, store: Store, committer: Committer, repo_id: str, *, limits: OutboxLimits) -> None:
        self._store = store
        self._committer = committer
        self._repo_id = repo_id
        self._limits = limits
        self._head: str | None = None
        self._is_private_ensured = False
        self.commits: list[str] = []
        self.failed: dict[str, str] = {}
        self.finalized = 0
        self.has_asked = False
        """Whether the Hub was asked for anything."""

    def run(self, *, until: float | None = None) -> None:
        """Write batch after batch until nothing is left.

        Args:
            until: Of `time.monotonic`: begin no batch after it, and leave what a later drain writes in fewer
                commits. None: write everything.
        """
        self._head = None
        self._finalize_lost_answers()
        stale = 0
        while batch := self._batch(until):
            self.has_asked = True
            try:
                self._write_apart(batch)
                stale = 0
            except StaleCommitError:
                stale += 1
                if stale >= MAX_TRIES:
                    raise
                time.sleep(random.uniform(0, 0.1 * 2**stale))  # noqa: S311 - no secret
                self._head = None
                self._finalize_lost_answers()

    def _batch(self, until: float | None) -> list[PendingEntry]:
        if until is not None:
            queue = self._store.outbox.state(self._repo_id)
            use = self._store.commit_log.use(self._committer.endpoint)
            if (
                not is_due(queue, self._limits, spacing=spacing_s(use, self._limits))
                or time.monotonic() > until
            ):
                return []
        return next_batch(self._store.outbox.pending(self._repo_id), self._limits)

    def _finalize_lost_answers(self) -> None:
        """Find out what became of commits whose sender died or heard nothing.

        One that is not in the history, while the branch is still at its parent, may yet arrive: then ours
        comes too late, and the next look finds it.
        """
        for sent in self._store.commit_log.unfinished(self._committer.endpoint, self._repo_id):
            if self._at_head([]) == sent.parent:
                continue
            oid = self._committer.find_commit(self._repo_id, sent.idempotency_key, since=sent.parent)
            if oid is None:
                self._store.commit_log.void(sent.idempotency_key)
                continue
            self._store.commit_log.finish(sent.idempotency_key, oid, done=sent.entry_ids)
            self.finalized += len(sent.entry_ids)
            self.commits.append(oid)
            log.info("%s: commit %s had been made, its answer was lost", self._repo_id, oid)

    def _write_apart(self, batch: Sequence[PendingEntry]) -> None:
        """Write *batch*; where the Hub refuses what is in it, find the entry, and write the others.

        An entry is given up only when another one could be written: else the fault may be elsewhere.
        """
        parts, is_any_written = [list(batch)], False
        refused: list[tuple[list[PendingEntry], HubRefusedError]] = []
        while parts:
            part = parts.pop(0)
            try:
                is_any_written |= self._write(part)
            except HubRefusedError as error:
                if error.code != "content":
                    raise
                cut = halves(part)
                if cut is not None:
                    parts[:0] = cut
                else:
                    refused.append((part, error))
        for part, why in refused:
            if not is_any_written:
                raise why
            self._finalize([], commit=None, failed={entry.id: str(why) for entry in part}, batch=part)

    def _write(self, batch: Sequence[PendingEntry]) -> bool:
        """Commit *batch* on top of what is newest; False: nothing had to change."""
        store, committer, repo_id = self._store, self._committer, self._repo_id
        if not self._is_private_ensured and any(entry.private for entry in batch):
            # Before any private content leaves: the adapter creates the dataset private, or objects.
            if store.commit_log.has_committed(committer.endpoint, repo_id):
                self._at_head(batch)  # a lost one is told, not made anew
            committer.ensure_dataset(repo_id, private=True)
            self._is_private_ensured = True
        head = self._at_head(batch)
        edited = edited_paths(batch)
        content_ids = committer.content_ids(
            repo_id, list(dict.fromkeys(entry.path for entry in batch)), commit=head
        )
        change = apply_entries(
            batch,
            store.outbox.contents([entry.id for entry in batch]),
            content_ids=content_ids,
            before=committer.read_files(
                repo_id, [path for path in edited if path in content_ids], commit=head
            ),
            where=f"{repo_id} at commit {head}",
        )
        done = [entry for entry in batch if entry.id not in change.failed]
        failed_paths = {entry.path for entry in batch if entry.id in change.failed}
        if not failed_paths.isdisjoint(entry.path for entry in done):
            # Noted before a later entry of the same path is sent: if that commit's answer is lost, the failed
            # one would be tried again on top of it.
            self._finalize([], commit=None, failed=change.failed, batch=batch)
            return False
        if not change.files:
            self._finalize(done, commit=None, failed=change.failed, batch=batch)
            return False
        idempotency_key = store.commit_log.begin(
            committer.endpoint,
            repo_id,
            parent=head,
            entry_ids=[entry.id for entry in done],
            files=len(change.files),
            per_hour=self._limits.commits_per_hour,
        )
        try:
            oid = committer.commit_files(
                repo_id,
                change.files,
                message=commit_message(done),
                parent_commit=head,
                idempotency_key=idempotency_key,
            )
        except StaleCommitError:
            store.commit_log.void(idempotency_key)
            raise
        except HubRefusedError as error:
            if error.code == "content":
                store.commit_log.void(idempotency_key)
            raise
        self._head = oid
        self._finalize(done, commit=oid, failed=change.failed, batch=batch, idempotency_key=idempotency_key)
        return True

    def _finalize(
        self,
        done: Sequence[PendingEntry],
        *,
        commit: str | None,
        failed: dict[int, str],
        batch: Sequence[PendingEntry],
        idempotency_key: str | None = None,
    ) -> None:
        ids = [entry.id for entry in done]
        if idempotency_key is not None and commit is not None:
            self._store.commit_log.finish(idempotency_key, commit, done=ids, failed=failed)
            self.commits.append(commit)
            log.info("%s: %d entries in commit %s", self._repo_id, len(ids), commit)
        else:
            self._store.outbox.finalize(ids, commit=None, failed=failed)
        self.finalized += len(ids)
        for entry in batch:
            if entry.id in failed:
                self.failed[entry.key] = failed[entry.id]
                log.error("outbox entry %s cannot be applied: %s", entry.key, failed[entry.id])

    def _at_head(self, batch: Sequence[PendingEntry]) -> str:
        """The newest commit, as far as we know; a first commit makes its dataset.

        Raises:
            HubNotFoundError: There is none, and it is not ours to make.
        """
        if self._head is None:
            try:
                self._head = self._committer.head(self._repo_id)
            except HubNotFoundError as error:
                if self._store.commit_log.has_committed(self._committer.endpoint, self._repo_id):
                    # Never begin anew, unasked, where we have written before.
                    raise HubNotFoundError(
                        f"dataset {self._repo_id}, which we have written to, is not there any more: deleted, "
                        "renamed, or hidden from our token. Put it back, name another one in "
                        "leaderboard.yaml, or create an empty one of that name to begin anew.",
                        what=error.what,
                    ) from error
                if not any(entry.kind == "put" for entry in batch):
                    # Edits need files that are there: a missing dataset is a wrong name, not one to create.
                    raise
                self._committer.ensure_dataset(self._repo_id, private=any(entry.private for entry in batch))
                self._head = self._committer.head(self._repo_id)
        return self._head


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What a batch amounts to on top of one commit."""

    files: dict[str, bytes]
    """Only what differs."""
    failed: dict[int, str]
    """Entries that can never be applied: id and reason."""


def next_batch(pending: Iterable[PendingEntry], limits: OutboxLimits) -> list[PendingEntry]:
    """The first entries that may be written and fit one commit; at least one, if any may.

    Entries of one path never overtake each other: behind one that has to wait for its model's files, all of
    that path wait.
    """
    batch: list[PendingEntry] = []
    paths: set[str] = set()
    waiting_paths: set[str] = set()
    size = 0
    for entry in pending:
        if entry.waits_for_files or entry.path in waiting_paths:
            waiting_paths.add(entry.path)
            continue
        is_full = len(paths | {entry.path}) > limits.files_per_commit
        if batch and (is_full or size + entry.content_bytes > limits.bytes_per_commit):
            break
        batch.append(entry)
        paths.add(entry.path)
        size += entry.content_bytes
    return batch


def halves(batch: Sequence[PendingEntry]) -> tuple[list[PendingEntry], list[PendingEntry]] | None:
    """Cut a batch in two, entries of one path together; None: it has one path only."""
    paths = list(dict.fromkeys(entry.path for entry in batch))
    if len(paths) == 1:
        return None
    first = set(paths[: len(paths) // 2])
    return (
        [entry for entry in batch if entry.path in first],
        [entry for entry in batch if entry.path not in first],
    )


def edited_paths(batch: Iterable[PendingEntry]) -> list[str]:
    """Paths whose content has to be known."""
    return sorted({entry.path for entry in batch if entry.kind != "put"})


def apply_entries(
    batch: Iterable[PendingEntry],
    contents: Mapping[int, bytes],
    *,
    content_ids: Mapping[str, str],
    before: Mapping[str, bytes],
    where: str,
) -> Change:
    """Apply *batch* to the files as they are; later entries build on earlier ones.

    Args:
        contents: Of puts, by entry id.
        content_ids: What every path of the batch holds now; missing files are left out.
        before: The contents of `edited_paths` that are there.
        where: Repository and commit, for messages.
    """
    after: dict[str, bytes] = {}
    failed: dict[int, str] = {}
    for entry in batch:
        path = entry.path
        if entry.lost_files is not None:
            failed[entry.id] = f"{path}: the model's files cannot be written ({entry.lost_files})"
            continue
        if entry.kind == "put":
            after[path] = contents[entry.id]
            continue
        current = after.get(path, before.get(path))
        if current is None and entry.kind != "edit_card":
            failed[entry.id] = f"{path} is not in {where}: its sender took it back."
            continue
        try:
            after[path] = _edited(entry, current)
        except (ValueError, LeaderboardError) as error:
            failed[entry.id] = f"{path} in {where} cannot be edited: {error}"
    files = {
        path: content
        for path, content in after.items()
        if path not in content_ids or not is_content(content, content_ids[path])
    }
    return Change(files=files, failed=failed)


def _edited(entry: PendingEntry, current: bytes | None) -> bytes:
    changes = entry.changes or {}
    if entry.kind == "edit_card":
        return edit_card(current, changes)
    return write_status(current or b"", changes, path=entry.path)


def commit_message(entries: Iterable[PendingEntry]) -> str:
    """One message for all: the same for the same entries."""
    messages = list(dict.fromkeys(entry.message for entry in entries))
    if len(messages) == 1:
        return messages[0]
    return "\n".join([f"{messages[0]} (and {len(messages) - 1} more)", "", *(f"- {one}" for one in messages)])


def is_content(content: bytes, content_id: str) -> bool:
    """Whether *content* is what the Hub says a file holds: ``git:<blob id>`` or ``sha256:<…>`` (LFS)."""
    kind, _, said = content_id.partition(":")
    if kind == "sha256":
        return hashlib.sha256(content).hexdigest() == said
    blob = hashlib.sha1(b"blob %d\0" % len(content), usedforsecurity=False)
    blob.update(content)
    return blob.hexdigest() == said
