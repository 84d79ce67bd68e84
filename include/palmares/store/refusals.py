"""Request files that were refused before they became evaluations."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from sqlalchemy import ColumnElement, Row, and_, func, or_, select
from sqlalchemy.dialects.postgresql import insert

from palmares.leaderboard.errors import Refusal
from palmares.store import tables
from palmares.store.database import Database
from palmares.store.outbox_entries import OutboxEntry
from palmares.store.outbox_table import insert_entries
from palmares.store.records import StoredRefusal, utc_times
from palmares.store.states import RECHECKED_CODES
from palmares.store.values import clean_text

log = logging.getLogger(__name__)

_REFUSALS = tables.refusals


class Refusals(Database):
    """Rows of `refusals`."""

    def add_refusal(
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
        with self.transaction() as connection:
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
        with self.transaction() as connection:
            return [_stored(row) for row in connection.execute(query)]

    def is_refused(self, request_path: str, blob_oid: str) -> bool:
        """Whether this content need not be looked at again until it changes.

        False for what may cure itself (`RECHECKED_CODES`: gated, not found) and for what was admitted later.
        """
        query = select(_REFUSALS.c.code).where(
            _REFUSALS.c.request_path == clean_text(request_path), _REFUSALS.c.blob_oid == blob_oid, _settled()
        )
        with self.transaction() as connection:
            return connection.execute(query).first() is not None

    def known_blobs(self) -> set[tuple[str, str]]:
        """Every (request path, blob) for which `is_refused` holds."""
        query = select(_REFUSALS.c.request_path, _REFUSALS.c.blob_oid).where(_settled())
        with self.transaction() as connection:
            return {(path, blob) for path, blob in connection.execute(query)}


def _settled() -> ColumnElement[bool]:
    return and_(_REFUSALS.c.lifted_at.is_(None), _REFUSALS.c.code.not_in(sorted(RECHECKED_CODES)))


def _stored(row: Row[tuple[object, ...]]) -> StoredRefusal:
    values = utc_times(row._mapping)
    refusal = Refusal(**{name: values.pop(name) for name in ("code", "message_en", "message_fr")})
    return StoredRefusal(**values, refusal=refusal)
