"""Contents of request files, by git's hash of them."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import array, insert

from include.store import tables
from include.store.database import Database

log = logging.getLogger(__name__)

_BLOBS = tables.request_blobs
_ROWS_A_STATEMENT = 1_000


class Blobs(Database):
    """Rows of `request_blobs`: a cache, which may be emptied at any time."""

    def known_contents(self, oids: Collection[str]) -> dict[str, bytes]:
        """Return the contents that are known, by oid; the others are left out."""
        if not oids:
            return {}
        wanted = func.unnest(array(sorted(oids))).table_valued("oid").render_derived()
        statement = select(_BLOBS.c.oid, _BLOBS.c.content).join(wanted, wanted.c.oid == _BLOBS.c.oid)
        with self.transaction() as connection:
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
        rows = [
            {"oid": oid, "repo_id": repo_id, "content": content} for oid, content in sorted(contents.items())
        ]
        gone = delete(_BLOBS).where(
            _BLOBS.c.repo_id == repo_id, ~_BLOBS.c.oid.in_(select(func.unnest(array(sorted(listed)))))
        )
        with self.transaction() as connection:
            for start in range(0, len(rows), _ROWS_A_STATEMENT):
                statement = insert(_BLOBS).on_conflict_do_nothing()
                connection.execute(statement, rows[start : start + _ROWS_A_STATEMENT])
            forgotten = connection.execute(gone).rowcount
        if forgotten:
            log.info("forgot %s contents that %s no longer lists", forgotten, repo_id)
