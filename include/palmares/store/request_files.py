"""Request files: those refused before they became evaluations, and contents by git's hash of them."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Row, and_, delete, func, or_, select, text
from sqlalchemy.dialects.postgresql import array, insert

from palmares.leaderboard.errors import Refusal
from palmares.store import schema
from palmares.store.database import Database
from palmares.store.outbox.queue import OutboxEntry, insert_entries
from palmares.store.states import RECHECKED_CODES
from palmares.store.values import clean_text, utc_times

log = logging.getLogger(__name__)

_REFUSALS = schema.refusals
_BLOBS = schema.request_blobs
_ADD = text(
    "INSERT INTO request_blobs (oid, repo_id, content)"
    " SELECT oid, :repo_id, content"
    " FROM unnest(CAST(:oids AS text[]), CAST(:contents AS bytea[])) AS new(oid, content)"
    " ON CONFLICT DO NOTHING"
)
"""One statement for all: thousands of rows as parameters of their own take ten times as long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRefusal:
    """A request file that was refused before it became an evaluation."""

    request_path: str
    blob_oid: str
    """Git's id of the refused content: another content of the same file is looked at again."""
    model_id: str | None
    refusal: Refusal
    dag_run_id: str
    created_at: datetime
    lifted_at: datetime | None
    """When the request was admitted after all; None while it stands refused."""


class RequestFiles:
    """Rows of `refusals`, and of `request_blobs`: a cache, which may be emptied at any time."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def refuse(
        self,
        *,
        request_path: str,
        blob_oid: str,
        model_id: str | None,
        refusal: Refusal,
        dag_run_id: str,
        entries: Sequence[OutboxEntry] = (),
    ) -> bool:
        """Note that this content of a request file is refused.

        Args:
            entries: What tells the sender, added to the outbox in the same transaction; only when the
                refusal is new.

        Returns:
            False if this content already stands refused for the same reason (by code).
        """
        row = {
            "request_path": clean_text(request_path),
            "blob_oid": blob_oid,
            "model_id": None if model_id is None else clean_text(model_id),
            "code": refusal.code,
            "message_en": clean_text(refusal.message_en),
            "message_fr": clean_text(refusal.message_fr),
            "dag_run_id": dag_run_id,
        }
        statement = insert(_REFUSALS).values(row)
        statement = statement.on_conflict_do_update(
            index_elements=["request_path", "blob_oid"],
            set_=row | {"created_at": func.now(), "lifted_at": None},
            where=or_(_REFUSALS.c.code != refusal.code, _REFUSALS.c.lifted_at.is_not(None)),
        )
        with self._database.transaction() as connection:
            added = connection.execute(statement.returning(_REFUSALS.c.blob_oid)).first() is not None
            if added:
                insert_entries(connection, entries)
        if added:
            log.info("%s (%s) refused by %s: %s", request_path, blob_oid, dag_run_id, refusal.code)
        return added

    def refusals(self, *, dag_run_id: str | None = None, include_lifted: bool = False) -> list[StoredRefusal]:
        """Refusals, of all runs or first made by one; oldest first.

        Args:
            include_lifted: Also those whose request was admitted later.
        """
        query = select(_REFUSALS).order_by(_REFUSALS.c.created_at, _REFUSALS.c.request_path)
        if dag_run_id is not None:
            query = query.where(_REFUSALS.c.dag_run_id == dag_run_id)
        if not include_lifted:
            query = query.where(_REFUSALS.c.lifted_at.is_(None))
        with self._database.transaction() as connection:
            return [_stored(row) for row in connection.execute(query)]

    def refused_blobs(self) -> set[tuple[str, str]]:
        """Every (request path, blob) that need not be looked at again until it changes.

        Left out: what may cure itself (`RECHECKED_CODES`: gated, not found) and what was admitted later.
        """
        query = select(_REFUSALS.c.request_path, _REFUSALS.c.blob_oid).where(_stands())
        with self._database.transaction() as connection:
            return {(path, blob) for path, blob in connection.execute(query)}

    def contents(self, oids: Collection[str]) -> dict[str, bytes]:
        """Return the contents that are known, by oid; the others are left out."""
        if not oids:
            return {}
        wanted = func.unnest(array(sorted(oids))).table_valued("oid").render_derived()
        statement = select(_BLOBS.c.oid, _BLOBS.c.content).join(wanted, wanted.c.oid == _BLOBS.c.oid)
        with self._database.transaction() as connection:
            return {oid: bytes(content) for oid, content in connection.execute(statement)}

    def keep_contents(self, repo_id: str, contents: Mapping[str, bytes], *, listed: Collection[str]) -> None:
        """Add *contents* by oid, and forget those of *repo_id* that it no longer lists.

        Args:
            repo_id: The dataset that they were read from.
            contents: May be known already.
            listed: Oids of the dataset's files at the commit that was read.
        """
        if not contents:
            return
        gone = delete(_BLOBS).where(
            _BLOBS.c.repo_id == repo_id, ~_BLOBS.c.oid.in_(select(func.unnest(array(sorted(listed)))))
        )
        with self._database.transaction() as connection:
            connection.execute(
                _ADD, {"repo_id": repo_id, "oids": list(contents), "contents": list(contents.values())}
            )
            forgotten = connection.execute(gone).rowcount
        if forgotten:
            log.info("forgot %s contents that %s no longer lists", forgotten, repo_id)


def _stands() -> ColumnElement[bool]:
    return and_(_REFUSALS.c.lifted_at.is_(None), _REFUSALS.c.code.not_in(sorted(RECHECKED_CODES)))


def _stored(row: Row[tuple[object, ...]]) -> StoredRefusal:
    values = utc_times(row._mapping)
    refusal = Refusal(**{name: values.pop(name) for name in ("code", "message_en", "message_fr")})
    return StoredRefusal(**values, refusal=refusal)
