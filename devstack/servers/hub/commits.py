"""Commits to a branch: compare-and-swap in one transaction, once even when its answer was lost."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from devstack.servers.hub.database import Database
from devstack.servers.hub.history import Commit, History
from devstack.servers.hub.objects import ObjectStore, commit_oid
from devstack.servers.hub.operations import CommitRequest, PutFile
from devstack.servers.hub.refusals import Refusal
from devstack.servers.hub.repositories import Repository, now
from devstack.servers.hub.tree_editor import EditedTree, apply_operations

Connection = tuple[str, int]
"""A client's address and port: one TCP connection, while it lasts."""

_REPLAY_WINDOW_S = 60.0
# The client gives up retrying after 23 s; kept-alive connections must outlast the window (serve.py).


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sender:
    user: str
    connection: Connection | None


class Committer:
    """Writes commits.

    The client retries a commit whose answer it did not get, and would meet its own first try: without a
    parent as a second commit, with one as a conflict. Two cures, both without any help from the client:

    - a commit that changes nothing answers the head it found;
    - a commit on a stale parent answers the commit that stands right after that parent, when that one has
      the same author, message and resulting tree, **and** the connection that carried it was closed within
      the last minute. A second writer who sends an identical change (two increments of a counter) comes
      while the first one's connection still stands, and gets his conflict.

    Attributes:
        is_open: Whether a connection still stands. None: unknown, and the second cure is off.
    """

    def __init__(self, database: Database, objects: ObjectStore, history: History) -> None:
        self._database = database
        self._objects = objects
        self._history = history
        self._senders: OrderedDict[tuple[int, str], _Sender] = OrderedDict()
        self._senders_lock = threading.Lock()
        self.is_open: Callable[[Connection], bool] | None = None

    def commit(
        self,
        repository: Repository,
        branch_ref: str,
        request: CommitRequest,
        *,
        user: str,
        connection: Connection | None,
    ) -> Commit:
        """Apply *request* on top of a branch.

        Raises:
            Refusal: 412: the branch is no longer at the parent that the request names.
        """
        while True:
            head = self._history.resolve(repository, branch_ref)
            if request.parent is not None and not head.oid.startswith(request.parent):
                return self._replayed(repository, head, request, user=user)
            edited = apply_operations(self._objects, head.tree, request.operations)
            if edited.root == head.tree:
                return head
            sender = _Sender(user=user, connection=connection)
            commit = self._swap(repository, branch_ref, head, edited, request, sender)
            if commit is not None:
                return commit
            # The branch moved between the read and the transaction: look again.

    def _swap(
        self,
        repository: Repository,
        branch_ref: str,
        head: Commit,
        edited: EditedTree,
        request: CommitRequest,
        sender: _Sender,
    ) -> Commit | None:
        date = now()
        message = f"{request.title}\n\n{request.description}".rstrip()
        unix_time = int(datetime.fromisoformat(date).timestamp())
        oid = commit_oid(
            tree=edited.root, parent=head.oid, author=sender.user, message=message, unix_time=unix_time
        )
        commit = Commit(
            oid=oid,
            parent=head.oid,
            tree=edited.root,
            author=sender.user,
            title=request.title,
            description=request.description,
            date=date,
        )
        blobs = {op.blob.oid: op.blob.data for op in request.operations if isinstance(op, PutFile)}
        with self._database.writing() as connection:
            moved = connection.execute(
                "UPDATE refs SET oid = ? WHERE repo_id = ? AND ref = ? AND oid = ?",
                (oid, repository.key, branch_ref, head.oid),
            ).rowcount
            if not moved:
                return None
            connection.executemany(
                "INSERT OR IGNORE INTO blobs VALUES (?, ?, ?)",
                ((blob_oid, len(data), data) for blob_oid, data in blobs.items()),
            )
            connection.executemany("INSERT OR IGNORE INTO trees VALUES (?, ?)", edited.trees.items())
            connection.execute(
                "INSERT OR IGNORE INTO commits (repo_id, oid, parent, tree, author, title, description, date)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    repository.key,
                    oid,
                    head.oid,
                    edited.root,
                    sender.user,
                    request.title,
                    request.description,
                    date,
                ),
            )
            connection.execute("UPDATE repos SET last_modified = ? WHERE id = ?", (date, repository.key))
            # Before others see the commit: one who meets it must find its sender.
            self._remember(repository, commit, sender)
        return commit

    def _remember(self, repository: Repository, commit: Commit, sender: _Sender) -> None:
        with self._senders_lock:
            self._senders[(repository.key, commit.oid)] = sender
            while len(self._senders) > 10_000:
                self._senders.popitem(last=False)

    def _replayed(self, repository: Repository, head: Commit, request: CommitRequest, *, user: str) -> Commit:
        stale = Refusal(
            412,
            f"A commit has happened since: the branch is at {head.oid}, not at {request.parent}. "
            "Please refresh and try again.",
        )
        assert request.parent is not None
        commits = self._history.log(repository, head, limit=200)
        candidate = next(
            (commit for commit in commits if commit.parent and commit.parent.startswith(request.parent)), None
        )
        if (
            candidate is None
            or candidate.parent is None
            or (candidate.author, candidate.title, candidate.description)
            != (user, request.title, request.description)
            or not self._answer_may_be_lost(repository, candidate)
        ):
            raise stale
        parent = self._history.commit(repository, candidate.parent)
        try:
            edited = apply_operations(self._objects, parent.tree, request.operations)
        except Refusal as error:
            raise stale from error
        if edited.root != candidate.tree:
            raise stale
        return candidate

    def _answer_may_be_lost(self, repository: Repository, commit: Commit) -> bool:
        age = datetime.now(UTC) - datetime.fromisoformat(commit.date)
        if self.is_open is None or age.total_seconds() > _REPLAY_WINDOW_S:
            return False
        with self._senders_lock:
            sender = self._senders.get((repository.key, commit.oid))
        # Unknown: this process started since, so no connection of then stands.
        return sender is None or sender.connection is None or not self.is_open(sender.connection)
