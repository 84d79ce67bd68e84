"""The outbox's rows: added once a key, read in order, finalized once written."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import PurePosixPath
from typing import Any, Literal

from sqlalchemy import Connection, and_, func, select, text
from sqlalchemy.dialects.postgresql import insert

from palmares.leaderboard.errors import StoreError
from palmares.store import schema
from palmares.store.database import Database, lock_number
from palmares.store.values import clean_json, clean_text, json_sha256, utc_times

log = logging.getLogger(__name__)

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


_OUTBOX = schema.outbox
_PENDING = _OUTBOX.c.status == OutboxStatus.PENDING.value
_FILES = (
    select(
        _OUTBOX.c.job_key,
        func.min(_OUTBOX.c.id).filter(_PENDING).label("waiting_id"),
        func.min(_OUTBOX.c.path + ": " + _OUTBOX.c.reason)
        .filter(_OUTBOX.c.status == OutboxStatus.FAILED.value)
        .label("lost"),
    )
    .where(
        _OUTBOX.c.status != OutboxStatus.DONE.value, _OUTBOX.c.kind == "put", _OUTBOX.c.job_key.is_not(None)
    )
    .group_by(_OUTBOX.c.job_key)
    .subquery("files")
)
"""Files that are not written, by job key."""
_SAYS_FINISHED = _OUTBOX.c.changes["status"].astext == "FINISHED"
_WITH_FILES = _OUTBOX.outerjoin(_FILES, and_(_OUTBOX.c.job_key == _FILES.c.job_key, _SAYS_FINISHED))
_WAITS = func.coalesce(_FILES.c.waiting_id < _OUTBOX.c.id, False)


class Outbox:
    """Rows of `outbox`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, entries: Sequence[OutboxEntry]) -> None:
        """Add all of *entries*, or none; one whose key waits or is done is left as it was.

        An entry that failed is tried again with what is given now.
        """
        with self._database.transaction() as connection:
            insert_entries(connection, entries)

    def pending(self, repo_id: str | None = None) -> list[PendingEntry]:
        """What waits, of one repository or of all, in the order of writing."""
        computed = {
            "content_bytes": func.coalesce(func.octet_length(_OUTBOX.c.content), 0),
            "waits_for_files": _WAITS,
            "lost_files": _FILES.c.lost,
        }
        wanted = [
            computed[name].label(name) if name in computed else _OUTBOX.c[name]
            for name in PendingEntry.__slots__
        ]
        query = select(*wanted).select_from(_WITH_FILES).where(_PENDING).order_by(_OUTBOX.c.id)
        if repo_id is not None:
            query = query.where(_OUTBOX.c.repo_id == repo_id)
        with self._database.transaction() as connection:
            rows = connection.execute(query).mappings()
            return [PendingEntry(**utc_times(row)) for row in rows]

    def state(self, repo_id: str) -> QueueState:
        """How much waits for *repo_id* that could be written now, and for how long."""
        now = func.clock_timestamp()
        ready = ~_WAITS
        query = (
            select(
                func.count().filter(ready).label("entries"),
                func.count().filter(_WAITS).label("held"),
                func.count(_OUTBOX.c.path.distinct()).filter(ready).label("paths"),
                func.coalesce(func.sum(func.octet_length(_OUTBOX.c.content)).filter(ready), 0).label("bytes"),
                func.extract("epoch", now - func.min(_OUTBOX.c.ready_at).filter(ready)).label("oldest_s"),
            )
            .select_from(_WITH_FILES)
            .where(_PENDING, _OUTBOX.c.repo_id == repo_id)
        )
        newest = select(
            func.extract("epoch", now - func.max(_OUTBOX.c.created_at)).label("newest_s"),
            func.coalesce(func.max(_OUTBOX.c.id), 0).label("newest_id"),
        ).where(_PENDING)
        with self._database.transaction() as connection:
            row = connection.execute(query).one()
            last = connection.execute(newest).one()
        return QueueState(
            entries=row.entries,
            held=row.held,
            paths=row.paths,
            content_bytes=int(row.bytes),
            oldest_s=float(row.oldest_s or 0),
            newest_s=float(last.newest_s or 0),
            newest_id=last.newest_id,
        )

    def files(self, job_key: str) -> dict[str, OutboxStatus]:
        """Status of every file of a model that was ever queued, by the entry's key."""
        query = select(_OUTBOX.c.key, _OUTBOX.c.status).where(
            _OUTBOX.c.job_key == job_key, _OUTBOX.c.kind == "put"
        )
        with self._database.transaction() as connection:
            return {key: OutboxStatus(status) for key, status in connection.execute(query)}

    def repositories(self) -> list[str]:
        """Repositories that something waits for."""
        query = select(_OUTBOX.c.repo_id).where(_PENDING).distinct().order_by(_OUTBOX.c.repo_id)
        with self._database.transaction() as connection:
            return list(connection.execute(query).scalars())

    def repositories_of(self, keys: Collection[str]) -> list[str]:
        """Repositories that these entries are for."""
        query = select(_OUTBOX.c.repo_id).where(_OUTBOX.c.key.in_(list(keys))).distinct()
        with self._database.transaction() as connection:
            return sorted(connection.execute(query).scalars())

    def failed(self, *, limit: int = 100) -> list[tuple[str, str, str]]:
        """Key, repository and reason of entries that can never be applied, the latest first."""
        query = (
            select(_OUTBOX.c.key, _OUTBOX.c.repo_id, _OUTBOX.c.reason)
            .where(_OUTBOX.c.status == OutboxStatus.FAILED.value)
            .order_by(_OUTBOX.c.settled_at.desc(), _OUTBOX.c.id.desc())
            .limit(limit)
        )
        with self._database.transaction() as connection:
            return [(key, repo_id, reason or "") for key, repo_id, reason in connection.execute(query)]

    def contents(self, ids: Collection[int]) -> dict[int, bytes]:
        """Contents of pending puts, by entry id."""
        query = select(_OUTBOX.c.id, _OUTBOX.c.content).where(
            _OUTBOX.c.id.in_(list(ids)), _OUTBOX.c.content.is_not(None)
        )
        with self._database.transaction() as connection:
            return {number: bytes(content) for number, content in connection.execute(query)}

    def status(self, keys: Collection[str]) -> dict[str, tuple[OutboxStatus, str | None]]:
        """Status of each known key, and why it failed."""
        query = select(_OUTBOX.c.key, _OUTBOX.c.status, _OUTBOX.c.reason).where(_OUTBOX.c.key.in_(list(keys)))
        with self._database.transaction() as connection:
            return {key: (OutboxStatus(status), reason) for key, status, reason in connection.execute(query)}

    def finalize(
        self, done: Collection[int], *, commit: str | None, failed: Mapping[int, str] | None = None
    ) -> None:
        """Mark entries as written, and free their contents.

        Args:
            done: Entry ids.
            commit: The commit that holds them; None when nothing had to change.
            failed: Entries that can never be applied, with the reason.
        """
        with self._database.transaction() as connection:
            finalize_entries(connection, done, commit=commit, failed=failed)


def finalize_entries(
    connection: Connection,
    done: Collection[int],
    *,
    commit: str | None,
    failed: Mapping[int, str] | None = None,
) -> None:
    """`Outbox.finalize` within the caller's transaction."""
    finalized = {"settled_at": func.now()}
    if done:
        connection.execute(
            _OUTBOX.update()
            .where(_OUTBOX.c.id.in_(list(done)), _PENDING)
            .values(finalized | {"status": OutboxStatus.DONE.value, "commit_oid": commit, "content": None})
        )
        # What waited for these files is young again: it shares a commit with others of its kind.
        files = (
            select(_OUTBOX.c.job_key)
            .where(_OUTBOX.c.id.in_(list(done)), _OUTBOX.c.kind == "put", _OUTBOX.c.job_key.is_not(None))
            .distinct()
        )
        connection.execute(
            _OUTBOX.update()
            .where(_PENDING, _SAYS_FINISHED, _OUTBOX.c.job_key.in_(files))
            .values(ready_at=func.clock_timestamp())
        )
    for number, reason in (failed or {}).items():
        connection.execute(
            _OUTBOX.update()
            .where(_OUTBOX.c.id == number, _PENDING)
            .values(finalized | {"status": OutboxStatus.FAILED.value, "reason": clean_text(reason)})
        )


def insert_entries(connection: Connection, entries: Sequence[OutboxEntry]) -> None:
    """Add *entries* within the caller's transaction."""
    if not entries:
        return
    # One adder at a time: ids grow in the order of commits, and batches that share keys cannot deadlock.
    connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": lock_number("outbox:add")})
    for entry in entries:
        row = _row(entry)
        # A new id too: it is said now, after what was said of the same file meanwhile.
        retried = {
            "id": text("DEFAULT"),
            "status": OutboxStatus.PENDING.value,
            "reason": None,
            "settled_at": None,
            "created_at": func.now(),
            "ready_at": func.now(),
        }
        added = connection.execute(
            insert(_OUTBOX)
            .values(row)
            .on_conflict_do_update(
                index_elements=["key"],
                set_=row | retried,
                where=_OUTBOX.c.status == OutboxStatus.FAILED.value,
            )
            .returning(_OUTBOX.c.id)
        ).first()
        if added is None:
            known = connection.execute(
                select(_OUTBOX.c.digest).where(_OUTBOX.c.key == entry.key)
            ).scalar_one()
            if known != row["digest"]:
                log.warning("outbox entry %s is known with another payload: the first one stays", entry.key)


def _row(entry: OutboxEntry) -> dict[str, Any]:
    changes = None if entry.changes is None else clean_json(entry.changes, what=f"changes of {entry.key}")
    content_sha256 = None if entry.content is None else hashlib.sha256(entry.content).hexdigest()
    return {
        "key": entry.key,
        "repo_id": entry.repo_id,
        "private": entry.private,
        "kind": entry.kind,
        "path": clean_text(entry.path),
        "content": entry.content,
        "changes": changes,
        "digest": json_sha256([entry.repo_id, entry.kind, entry.path, changes, content_sha256]),
        "job_key": entry.job_key,
        "message": clean_text(entry.message),
    }
