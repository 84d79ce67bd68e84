"""Contents of request files, by git's hash of them."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping

from sqlalchemy import delete, func, select, text
from sqlalchemy.dialects.postgresql import array

from palmares.store import tables
from palmares.store.database import Database

log = logging.getLogger(__name__)

_BLOBS = tables.request_blobs
_ADD = text(
    "INSERT INTO request_blobs (oid, repo_id, content)"
    " SELECT oid, :repo_id, content"
    " FROM unnest(CAST(:oids AS text[]), CAST(:contents AS bytea[])) AS new(oid, content)"
    " ON CONFLICT DO NOTHING"
)
"""One statement for all: thousands of rows as parameters of their own take ten times as long."""


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
        gone = delete(_BLOBS).where(
            _BLOBS.c.repo_id == repo_id, ~_BLOBS.c.oid.in_(select(func.unnest(array(sorted(listed)))))
        )
        with self.transaction() as connection:
            connection.execute(
                _ADD, {"repo_id": repo_id, "oids": list(contents), "contents": list(contents.values())}
            )
            forgotten = connection.execute(gone).rowcount
        if forgotten:
            log.info("forgot %s contents that %s no longer lists", forgotten, repo_id)
