"""What each row of a published evaluation counts: a copy, small and quick to read, of the graded records."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from palmares.store import schema
from palmares.store.database import Database

_ROW_SCORES = schema.row_scores


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRowScores:
    """One task's rows of one evaluation."""

    job_key: str
    task: str
    scorer: str
    """Who graded, with version and hash: a score of another scorer is of other records."""
    row_set: str
    """Hash of the row ids."""
    scores: bytes
    """Fractions as little-endian float32, by row id."""


class RowScores:
    """Rows of `row_scores`; whatever is missing can be made again from the graded records."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of(self, job_keys: Collection[str]) -> Mapping[tuple[str, str], StoredRowScores]:
        """Read what is kept of some evaluations, by job key and short task name."""
        query = select(_ROW_SCORES).where(_ROW_SCORES.c.job_key.in_(list(job_keys)))
        with self._database.transaction() as connection:
            rows = connection.execute(query).mappings().all()
        found = [StoredRowScores(**{**row, "scores": bytes(row["scores"])}) for row in rows]
        return {(one.job_key, one.task): one for one in found}

    def put(self, rows: Sequence[StoredRowScores]) -> None:
        """Keep these, instead of what was kept of the same tasks."""
        if not rows:
            return
        new = insert(_ROW_SCORES)
        newest = new.on_conflict_do_update(
            index_elements=["job_key", "task"],
            set_={name: new.excluded[name] for name in ("scorer", "row_set", "scores")},
        )
        with self._database.transaction() as connection:
            connection.execute(newest, [asdict(row) for row in rows])
