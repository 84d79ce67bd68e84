"""What the outbox needs of a Hub, and the limits that it keeps there."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol


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
        self, repo_id: str, files: Mapping[str, bytes], *, message: str, parent_commit: str, mark: str
    ) -> str:
        """Write *files* in one commit on top of *parent_commit*, findable by *mark*; returns its oid.

        Raises:
            StaleCommitError: *parent_commit* is not the newest any more.
            HubRefusedError: Token, rights, storage, or one of the files.
            HubUnavailableError: Try again later; the commit may or may not have happened.
        """
        ...

    def find_commit(self, repo_id: str, mark: str, *, since: str) -> str | None:
        """Oid of the commit with *mark* that was made after the commit *since*, if there is one."""
        ...

    def ensure_dataset(self, repo_id: str, *, private: bool) -> None:
        """Create the dataset if missing."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxLimits:
    """How much is written at once, how often, and how long is waited."""

    files_per_commit: int = 99
    """The Hub advises fewer than a hundred."""
    bytes_per_commit: int = 100_000_000
    """Contents are in memory together; one file may have more."""
    commits_per_hour: int = 90
    """Over all repositories of an endpoint and all workers."""
    quiet_s: float = 2.0
    """A commit waits until nothing was queued for so long …"""
    at_most_s: float = 30.0
    """… but no entry waits longer, unless commits are short."""
    retry_least_s: float = 15.0
    """First pause after an outage; it grows with the outage …"""
    retry_most_s: float = 600.0
    """… up to this."""
    asked_most_s: float = 3600.0
    """Longest pause that the Hub may ask for: after it, we try."""
    mend_s: float = 300.0
    """Between looks at what a person has to mend: a token, a full storage, a lost dataset."""


def is_content(content: bytes, content_id: str) -> bool:
    """Whether *content* is what the Hub says a file holds: ``git:<blob id>`` or ``sha256:<…>`` (LFS)."""
    kind, _, said = content_id.partition(":")
    if kind == "sha256":
        return hashlib.sha256(content).hexdigest() == said
    blob = hashlib.sha1(b"blob %d\0" % len(content), usedforsecurity=False)
    blob.update(content)
    return blob.hexdigest() == said
