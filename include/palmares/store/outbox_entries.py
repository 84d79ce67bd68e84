"""What waits to be written to the Hub."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import PurePosixPath
from typing import Any, Literal

from palmares.leaderboard.errors import StoreError

MAX_CONTENT_BYTES = 50_000_000
"""Largest file that goes through the database."""

EntryKind = Literal["put", "edit_request", "edit_card"]


class OutboxStatus(StrEnum):
    PENDING = "pending"
    DONE = "done"
    FAILED = "failed"
    """It can never be applied (the file is gone, or is no JSON); adding its key again tries again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxEntry:
    """One file to write, or one edit of a request file or of a card, in a dataset on the Hub."""

    key: str
    """Names the effect: an entry with a key that is known is not added again."""
    repo_id: str
    private: bool
    """The dataset must be private; it is created so if missing."""
    kind: EntryKind
    path: str
    content: bytes | None = None
    """The whole file, of a ``put``."""
    changes: dict[str, Any] | None = None
    """What to set, of an edit: applied to the file as it is when written. A card may be missing till then."""
    job_key: str | None = None
    message: str
    """Commit message; several entries share a commit."""

    def __post_init__(self) -> None:
        parts = PurePosixPath(self.path).parts
        if not parts or self.path != "/".join(parts) or ".." in parts or "\0" in self.path:
            raise StoreError(
                f"Outbox entry {self.key}: {self.path!r} is no plain relative path in a repository."
            )
        if self.kind == "put" and (self.content is None or self.changes is not None):
            raise StoreError(f"Outbox entry {self.key}: a put has content and no changes.")
        if self.kind != "put" and (self.changes is None or self.content is not None):
            raise StoreError(f"Outbox entry {self.key}: an {self.kind} has changes and no content.")
        if self.content is not None and len(self.content) > MAX_CONTENT_BYTES:
            raise StoreError(
                f"Outbox entry {self.key}: {self.path} has {len(self.content):,} bytes, more than the "
                f"{MAX_CONTENT_BYTES:,} that go through the database. Split the file."
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingEntry:
    """An entry as it waits, without its content."""

    id: int
    """Order of writing."""
    key: str
    repo_id: str
    private: bool
    kind: EntryKind
    path: str
    content_bytes: int
    """Size of the content; 0 for an edit."""
    changes: dict[str, Any] | None
    job_key: str | None
    message: str
    created_at: datetime
    waits_for_files: bool = False
    """It says that a model is finished, and files of that model wait to be written: they come first."""
    lost_files: str | None = None
    """Such a file can never be written: which, and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueState:
    """What could be committed to a repository now."""

    entries: int
    """0: nothing, and the others mean nothing."""
    held: int
    """Entries that wait for their models' files, and will be ready soon after these."""
    paths: int
    content_bytes: int
    oldest_s: float
    """How long the first of them could have been written."""
    newest_s: float
    """Since anything was queued, for whatever repository: a publication goes to several."""
    newest_id: int
    """Of what was queued last, for whatever repository."""
