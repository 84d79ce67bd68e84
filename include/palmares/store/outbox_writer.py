"""One drain of the outbox, by the one who holds the repository's lock."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from palmares.leaderboard.errors import HubNotFoundError, HubRefusedError, StaleCommitError
from palmares.store.outbox_batches import (
    apply_entries,
    commit_message,
    edited_paths,
    halves,
    next_batch,
)
from palmares.store.outbox_entries import PendingEntry
from palmares.store.outbox_gathering import is_due, spacing_s
from palmares.store.outbox_hub import Committer, OutboxLimits

if TYPE_CHECKING:
    from palmares.store.store import Store

log = logging.getLogger(__name__)

MAX_TRIES = 6
"""Tries in a row while others commit first."""


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
        self.settled = 0
        self.has_asked = False
        """Whether the Hub was asked for anything."""

    def run(self, *, until: float | None = None) -> None:
        """Write batch after batch until nothing is left.

        Args:
            until: Of `time.monotonic`: begin no batch after it, and leave what a later drain writes in fewer
                commits. None: write everything.
        """
        self._head = None
        self._settle_lost_answers()
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
                self._settle_lost_answers()

    def _batch(self, until: float | None) -> list[PendingEntry]:
        if until is not None:
            queue = self._store.outbox_queue(self._repo_id)
            use = self._store.commit_use(self._committer.endpoint)
            if (
                not is_due(queue, self._limits, spacing=spacing_s(use, self._limits))
                or time.monotonic() > until
            ):
                return []
        return next_batch(self._store.outbox_pending(self._repo_id), self._limits)

    def _settle_lost_answers(self) -> None:
        """Find out what became of commits whose sender died or heard nothing.

        One that is not in the history, while the branch is still at its parent, may yet arrive: then ours
        comes too late, and the next look finds it.
        """
        for sent in self._store.unsettled_commits(self._committer.endpoint, self._repo_id):
            if self._at_head([]) == sent.parent:
                continue
            oid = self._committer.find_commit(self._repo_id, sent.mark, since=sent.parent)
            if oid is None:
                self._store.void_commit(sent.mark)
                continue
            self._store.finish_commit(sent.mark, oid, done=sent.entry_ids)
            self.settled += len(sent.entry_ids)
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
            self._settle([], commit=None, failed={entry.id: str(why) for entry in part}, batch=part)

    def _write(self, batch: Sequence[PendingEntry]) -> bool:
        """Commit *batch* on top of what is newest; False: nothing had to change."""
        store, committer, repo_id = self._store, self._committer, self._repo_id
        if not self._is_private_ensured and any(entry.private for entry in batch):
            # Before any private content leaves: the adapter creates the dataset private, or objects.
            if store.has_committed(committer.endpoint, repo_id):
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
            store.outbox_contents([entry.id for entry in batch]),
            content_ids=content_ids,
            before=committer.read_files(
                repo_id, [path for path in edited if path in content_ids], commit=head
            ),
            where=f"{repo_id} at commit {head}",
        )
        done = [entry for entry in batch if entry.id not in change.failed]
        if not change.files:
            self._settle(done, commit=None, failed=change.failed, batch=batch)
            return False
        mark = store.begin_commit(
            committer.endpoint,
            repo_id,
            parent=head,
            entry_ids=[entry.id for entry in done],
            files=len(change.files),
            per_hour=self._limits.commits_per_hour,
        )
        try:
            oid = committer.commit_files(
                repo_id, change.files, message=commit_message(done), parent_commit=head, mark=mark
            )
        except StaleCommitError:
            store.void_commit(mark)
            raise
        except HubRefusedError as error:
            if error.code == "content":
                store.void_commit(mark)
            raise
        self._head = oid
        self._settle(done, commit=oid, failed=change.failed, batch=batch, mark=mark)
        return True

    def _settle(
        self,
        done: Sequence[PendingEntry],
        *,
        commit: str | None,
        failed: dict[int, str],
        batch: Sequence[PendingEntry],
        mark: str | None = None,
    ) -> None:
        ids = [entry.id for entry in done]
        if mark is not None and commit is not None:
            self._store.finish_commit(mark, commit, done=ids, failed=failed)
            self.commits.append(commit)
            log.info("%s: %d entries in commit %s", self._repo_id, len(ids), commit)
        else:
            self._store.settle_outbox(ids, commit=None, failed=failed)
        self.settled += len(ids)
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
                if self._store.has_committed(self._committer.endpoint, self._repo_id):
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
