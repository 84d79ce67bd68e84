"""A Hub in memory at the outbox's boundary: history, stale parents, lost answers and other writers."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from include.leaderboard.errors import HubNotFoundError, HubUnavailableError, StaleCommitError


@dataclass(slots=True)
class FakeCommitter:
    """Repositories as lists of trees; a commit's oid names its place."""

    history: dict[str, list[dict[str, bytes]]] = field(default_factory=dict)
    messages: list[str] = field(default_factory=list)
    private: dict[str, bool] = field(default_factory=dict)
    after_read: Callable[[], None] | None = None
    """Called when a file was read, before anything is committed: another writer's chance."""
    down: bool = False
    lose_answers: int = 0
    """How many commits happen without their answer arriving."""
    lock: threading.Lock = field(default_factory=threading.Lock)

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
        if self.down:
            raise HubUnavailableError("503")
        if repo_id not in self.history:
            raise HubNotFoundError(f"{repo_id} is not there", what="repository")
        return f"c{len(self.history[repo_id]) - 1}"

    def read_file(self, repo_id: str, path: str, *, commit: str) -> bytes | None:
        content = self.history[repo_id][int(commit[1:])].get(path)
        if self.after_read is not None:
            self.after_read()
        return content

    def commit_files(
        self, repo_id: str, files: Mapping[str, bytes], *, message: str, parent_commit: str
    ) -> str:
        with self.lock:
            if parent_commit != f"c{len(self.history[repo_id]) - 1}":
                raise StaleCommitError(f"{parent_commit} is not the newest")
            assert files, "an empty commit"
            assert len(files) < 100
            self.history[repo_id].append({**self.history[repo_id][-1], **files})
            self.messages.append(message)
            if self.lose_answers:
                self.lose_answers -= 1
                raise HubUnavailableError("the connection was cut")
            return f"c{len(self.history[repo_id]) - 1}"

    def ensure_dataset(self, repo_id: str, *, private: bool) -> None:
        self.history.setdefault(repo_id, [{}])
        self.private.setdefault(repo_id, private)
