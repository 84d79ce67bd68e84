"""The outbox's rows: added once a key, read in order, settled once written."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, and_, func, select, text
from sqlalchemy.dialects.postgresql import insert

from palmares.store import tables
from palmares.store.database import Database, lock_number
from palmares.store.outbox_entries import OutboxEntry, OutboxStatus, PendingEntry, QueueState
from palmares.store.records import utc_times
from palmares.store.values import clean_json, clean_text, json_sha256

log = logging.getLogger(__name__)

_OUTBOX = tables.outbox
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


class OutboxTable(Database):
    """Rows of `outbox`."""

    def add_to_outbox(self, entries: Sequence[OutboxEntry]) -> None:
        """Add all of *entries*, or none; one whose key waits or is done is left as it was.

        An entry that failed is tried again with what is given now.
        """
        with self.transaction() as connection:
            insert_entries(connection, entries)

    def outbox_pending(self, repo_id: str | None = None) -> list[PendingEntry]:
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
        with self.transaction() as connection:
            rows = connection.execute(query).mappings()
            return [PendingEntry(**utc_times(row)) for row in rows]

    def outbox_queue(self, repo_id: str) -> QueueState:
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
        with self.transaction() as connection:
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

    def outbox_files(self, job_key: str) -> dict[str, OutboxStatus]:
        """Status of every file of a model that was ever queued, by the entry's key."""
        query = select(_OUTBOX.c.key, _OUTBOX.c.status).where(
            _OUTBOX.c.job_key == job_key, _OUTBOX.c.kind == "put"
        )
        with self.transaction() as connection:
            return {key: OutboxStatus(status) for key, status in connection.execute(query)}

    def outbox_repositories(self) -> list[str]:
        """Repositories that something waits for."""
        query = select(_OUTBOX.c.repo_id).where(_PENDING).distinct().order_by(_OUTBOX.c.repo_id)
        with self.transaction() as connection:
            return list(connection.execute(query).scalars())

    def outbox_repositories_of(self, keys: Collection[str]) -> list[str]:
        """Repositories that these entries are for."""
        query = select(_OUTBOX.c.repo_id).where(_OUTBOX.c.key.in_(list(keys))).distinct()
        with self.transaction() as connection:
            return sorted(connection.execute(query).scalars())

    def outbox_failed(self, *, limit: int = 100) -> list[tuple[str, str, str]]:
        """Key, repository and reason of entries that can never be applied, the latest first."""
        query = (
            select(_OUTBOX.c.key, _OUTBOX.c.repo_id, _OUTBOX.c.reason)
            .where(_OUTBOX.c.status == OutboxStatus.FAILED.value)
            .order_by(_OUTBOX.c.settled_at.desc(), _OUTBOX.c.id.desc())
            .limit(limit)
        )
        with self.transaction() as connection:
            return [(key, repo_id, reason or "") for key, repo_id, reason in connection.execute(query)]

    def outbox_contents(self, ids: Collection[int]) -> dict[int, bytes]:
        """Contents of pending puts, by entry id."""
        query = select(_OUTBOX.c.id, _OUTBOX.c.content).where(
            _OUTBOX.c.id.in_(list(ids)), _OUTBOX.c.content.is_not(None)
        )
        with self.transaction() as connection:
            return {number: bytes(content) for number, content in connection.execute(query)}

    def outbox_status(self, keys: Collection[str]) -> dict[str, tuple[OutboxStatus, str | None]]:
        """Status of each known key, and why it failed."""
        query = select(_OUTBOX.c.key, _OUTBOX.c.status, _OUTBOX.c.reason).where(_OUTBOX.c.key.in_(list(keys)))
        with self.transaction() as connection:
            return {key: (OutboxStatus(status), reason) for key, status, reason in connection.execute(query)}

    def settle_outbox(
        self, done: Collection[int], *, commit: str | None, failed: Mapping[int, str] | None = None
    ) -> None:
        """Mark entries as written, and free their contents.

        Args:
            done: Entry ids.
            commit: The commit that holds them; None when nothing had to change.
            failed: Entries that can never be applied, with the reason.
        """
        with self.transaction() as connection:
            settle_entries(connection, done, commit=commit, failed=failed)


def settle_entries(
    connection: Connection,
    done: Collection[int],
    *,
    commit: str | None,
    failed: Mapping[int, str] | None = None,
) -> None:
    """`OutboxTable.settle_outbox` within the caller's transaction."""
    settled = {"settled_at": func.now()}
    if done:
        connection.execute(
            _OUTBOX.update()
            .where(_OUTBOX.c.id.in_(list(done)), _PENDING)
            .values(settled | {"status": OutboxStatus.DONE.value, "commit_oid": commit, "content": None})
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
            .values(settled | {"status": OutboxStatus.FAILED.value, "reason": clean_text(reason)})
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
