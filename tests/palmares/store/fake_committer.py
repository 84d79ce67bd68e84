"""A Hub in memory at the outbox's boundary: history, stale parents, lost answers and other writers."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from palmares.leaderboard.errors import (
    HubError,
    HubNotFoundError,
    HubRefusedError,
    HubUnavailableError,
    StaleCommitError,
)


@dataclass(slots=True)
class FakeCommitter:
    """Repositories as lists of trees; a commit's oid names its place."""

    history: dict[str, list[dict[str, bytes]]] = field(default_factory=dict)
    messages: list[str] = field(default_factory=list)
    idempotency_keys: dict[tuple[str, str], str] = field(default_factory=dict)
    """Oid by repository and idempotency_key."""
    private: dict[str, bool] = field(default_factory=dict)
    after_read: Callable[[], None] | None = None
    """Called when files were read, before anything is committed: another writer's chance."""
    down: bool = False
    error: HubError | None = None
    """Raised by every commit."""
    poison: str | None = None
    """A path that no commit may have."""
    lose_answers: int = 0
    """How many commits happen without their answer arriving."""
    late: list[Callable[[], object]] = field(default_factory=list)
    """Commits that were sent and have not arrived yet."""
    send_late: int = 0
    """How many commits are under way when their sender dies."""
    lock: threading.Lock = field(default_factory=threading.Lock)
    endpoint: str = "https://hub.test"
    calls: list[str] = field(default_factory=list)

    def with_files(self, repo_id: str, files: Mapping[str, bytes]) -> FakeCommitter:
        self.history[repo_id] = [dict(files)]
        return self

    def write(self, repo_id: str, path: str, content: bytes | None) -> None:
        """What another writer does; None deletes."""
        with self.lock:
            tree = dict(self.history[repo_id][-1])
            if content is None:
                del tree[path]
            else:
                tree[path] = content
            self.history[repo_id].append(tree)

    def files(self, repo_id: str) -> dict[str, bytes]:
        return self.history[repo_id][-1]

    def head(self, repo_id: str) -> str:
        self.calls.append("head")
        if self.down:
            raise HubUnavailableError("503")
        if repo_id not in self.history:
            raise HubNotFoundError(f"{repo_id} is not there", what="repository")
        return f"c{len(self.history[repo_id]) - 1}"

    def content_ids(self, repo_id: str, paths: Sequence[str], *, commit: str) -> dict[str, str]:
        self.calls.append("content_ids")
        tree = self.history[repo_id][int(commit[1:])]
        found = {
            path: f"git:{hashlib.sha1(b'blob %d%c%s' % (len(tree[path]), 0, tree[path])).hexdigest()}"
            for path in paths
            if path in tree
        }
        if self.after_read is not None:
            self.after_read()
        return found

    def read_files(self, repo_id: str, paths: Sequence[str], *, commit: str) -> dict[str, bytes]:
        self.calls.append(f"read {len(paths)}")
        tree = self.history[repo_id][int(commit[1:])]
        return {path: tree[path] for path in paths if path in tree}

    def commit_files(
        self,
        repo_id: str,
        files: Mapping[str, bytes],
        *,
        message: str,
        parent_commit: str,
        idempotency_key: str,
    ) -> str:
        self.calls.append(f"commit {len(files)}")
        if self.error is not None:
            raise self.error
        if self.poison in files:
            raise HubRefusedError(f"400: {self.poison} is not taken", code="content")
        if self.send_late:
            self.send_late -= 1
            self.late.append(
                lambda: self._apply(
                    repo_id,
                    files,
                    message=message,
                    parent_commit=parent_commit,
                    idempotency_key=idempotency_key,
                )
            )
            raise KeyboardInterrupt
        oid = self._apply(
            repo_id, files, message=message, parent_commit=parent_commit, idempotency_key=idempotency_key
        )
        if self.lose_answers:
            self.lose_answers -= 1
            raise HubUnavailableError("the connection was cut")
        return oid

    def _apply(
        self,
        repo_id: str,
        files: Mapping[str, bytes],
        *,
        message: str,
        parent_commit: str,
        idempotency_key: str,
    ) -> str:
        with self.lock:
            if parent_commit != f"c{len(self.history[repo_id]) - 1}":
                raise StaleCommitError(f"{parent_commit} is not the newest")
            assert files, "an empty commit"
            assert len(files) < 100
            self.history[repo_id].append({**self.history[repo_id][-1], **files})
            self.messages.append(message)
            oid = f"c{len(self.history[repo_id]) - 1}"
            self.idempotency_keys[repo_id, idempotency_key] = oid
            return oid

    def find_commit(self, repo_id: str, idempotency_key: str, *, since: str) -> str | None:
        self.calls.append("find")
        return self.idempotency_keys.get((repo_id, idempotency_key))

    def ensure_dataset(self, repo_id: str, *, private: bool) -> None:
        self.history.setdefault(repo_id, [{}])
        self.private.setdefault(repo_id, private)
