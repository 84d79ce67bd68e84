"""Contents of small files by git's hash of them: what was read once is not asked of the Hub again."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Collection, Mapping
from typing import Protocol

KEPT_BYTES = 64 * 1024 * 1024


class Blobs(Protocol):
    """A place for contents that outlives a process; `store.request_files` in production."""

    def contents(self, oids: Collection[str]) -> Mapping[str, bytes]:
        """Those of *oids* that are there, with their content."""
        ...

    def keep_contents(self, repo_id: str, contents: Mapping[str, bytes], *, listed: Collection[str]) -> None:
        """Add *contents* by oid; what *repo_id* no longer lists may be forgotten."""
        ...


class BlobsInMemory:
    """The newest contents, up to a size; for this process only. May be shared by threads."""

    def __init__(self, *, most_bytes: int = KEPT_BYTES) -> None:
        self._kept: OrderedDict[str, bytes] = OrderedDict()
        self._kept_bytes = 0
        self._most_bytes = most_bytes
        self._lock = threading.Lock()

    def contents(self, oids: Collection[str]) -> dict[str, bytes]:
        with self._lock:
            return {oid: self._kept[oid] for oid in oids if oid in self._kept}

    def keep_contents(self, repo_id: str, contents: Mapping[str, bytes], *, listed: Collection[str]) -> None:
        with self._lock:
            for oid, content in contents.items():
                self._kept_bytes += len(content) - len(self._kept.pop(oid, b""))
                self._kept[oid] = content
            while self._kept_bytes > self._most_bytes:
                _, dropped = self._kept.popitem(last=False)
                self._kept_bytes -= len(dropped)


def git_hash(content: bytes) -> str:
    """Git's name of a content: 40 hex digits."""
    return hashlib.sha1(b"blob %d\0%s" % (len(content), content), usedforsecurity=False).hexdigest()
