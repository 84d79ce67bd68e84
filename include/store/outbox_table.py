"""The outbox's rows: added once a key, read in order, settled once written."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, func, select, text
from sqlalchemy.dialects.postgresql import insert

from include.store import tables
from include.store.database import Database, lock_number
from include.store.outbox_entries import OutboxEntry, OutboxStatus, PendingEntry
from include.store.records import utc_times
from include.store.values import clean_json, clean_text, json_sha256

log = logging.getLogger(__name__)

_OUTBOX = tables.outbox
_PENDING = _OUTBOX.c.status == OutboxStatus.PENDING.value


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
        wanted: list[ColumnElement[Any]] = [
            _OUTBOX.c[name] for name in PendingEntry.__slots__ if name != "content_bytes"
        ]
        size = func.coalesce(func.octet_length(_OUTBOX.c.content), 0).label("content_bytes")
        query = select(*wanted, size).where(_PENDING).order_by(_OUTBOX.c.id)
        if repo_id is not None:
            query = query.where(_OUTBOX.c.repo_id == repo_id)
        with self.transaction() as connection:
            rows = connection.execute(query).mappings()
            return [PendingEntry(**utc_times(row)) for row in rows]

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
        settled = {"settled_at": func.now()}
        with self.transaction() as connection:
            if done:
                connection.execute(
                    _OUTBOX.update()
                    .where(_OUTBOX.c.id.in_(list(done)), _PENDING)
                    .values(
                        settled | {"status": OutboxStatus.DONE.value, "commit_oid": commit, "content": None}
                    )
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
        retried = {"status": OutboxStatus.PENDING.value, "reason": None, "settled_at": None}
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
