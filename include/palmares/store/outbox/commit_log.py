"""Commits to the Hub as our database knows them: noted before they are sent, counted by the hour."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from uuid import uuid4

from sqlalchemy import Connection, func, select, text
from sqlalchemy.dialects.postgresql import insert

from palmares.leaderboard.errors import HubUnavailableError
from palmares.store import schema
from palmares.store.database import Database, lock_number
from palmares.store.outbox.queue import finalize_entries

_COMMITS = schema.hub_commits
_REPOSITORIES = schema.hub_repositories

HOUR_S = 3600.0
_KEPT = text("interval '7 days'")


class CommitBudgetError(HubUnavailableError):
    """We have made as many commits in the last hour as we allow ourselves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SentCommit:
    """A commit that was sent, and whose end nobody has noted yet."""

    idempotency_key: str
    """Stands in the commit's description."""
    parent: str
    entry_ids: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitUse:
    """How much of the hour's commits is used up."""

    used: int
    """Commits of the last hour, those of unknown end included."""
    frees_in_s: float
    """Until the oldest of them is an hour old; 0 if there is none."""


class CommitLog:
    """Rows of `hub_commits`, and the last commit of each of `hub_repositories`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def begin(
        self,
        endpoint: str,
        repo_id: str,
        *,
        parent: str,
        entry_ids: Collection[int],
        files: int,
        per_hour: int,
    ) -> str:
        """Note a commit that is about to be sent, as one of the hour's; return its idempotency key.

        Whoever comes after a crash finds by the key whether it was made, and settles its entries.

        Args:
            entry_ids: Of the outbox: what it settles.
            files: How many it changes.
            per_hour: Commits that all workers together may make at *endpoint* in an hour.

        Raises:
            CommitBudgetError: They are used up; says when the next one is free.
        """
        idempotency_key = uuid4().hex
        with self._database.transaction() as connection:
            # One at a time: two workers must not both take the last one.
            connection.execute(
                text("SELECT pg_advisory_xact_lock(:number)"), {"number": lock_number(f"commits:{endpoint}")}
            )
            connection.execute(
                _COMMITS.delete().where(
                    _COMMITS.c.status != "sent", _COMMITS.c.sent_at < func.clock_timestamp() - _KEPT
                )
            )
            use = _use(connection, endpoint)
            if use.used < per_hour:
                connection.execute(
                    _COMMITS.insert().values(
                        endpoint=endpoint,
                        repo_id=repo_id,
                        mark=idempotency_key,
                        parent=parent,
                        entry_ids=sorted(entry_ids),
                        files=files,
                        sent_at=func.clock_timestamp(),
                    )
                )
                return idempotency_key
        raise CommitBudgetError(
            f"all {per_hour} commits of the hour are used at {endpoint} (hub.commits_per_hour in "
            f"leaderboard.yaml); the next one is free in {use.frees_in_s:.0f} s",
            retry_after_s=use.frees_in_s,
        )

    def finish(
        self,
        idempotency_key: str,
        oid: str,
        *,
        done: Collection[int],
        failed: Mapping[int, str] | None = None,
    ) -> None:
        """Note that a commit was made, and settle its entries with it.

        Args:
            idempotency_key: Of `begin`.
            oid: The commit.
            done: Outbox entries that it holds.
            failed: Entries that can never be applied, with the reason.
        """
        with self._database.transaction() as connection:
            commit = connection.execute(
                _COMMITS.update()
                .where(_COMMITS.c.mark == idempotency_key)
                .values(status="made", oid=oid, settled_at=func.now())
                .returning(_COMMITS.c.endpoint, _COMMITS.c.repo_id)
            ).one()
            finalize_entries(connection, done, commit=oid, failed=failed)
            last = {"last_commit": oid, "last_commit_at": func.now()}
            connection.execute(
                insert(_REPOSITORIES)
                .values(endpoint=commit.endpoint, repo_id=commit.repo_id, **last)
                .on_conflict_do_update(index_elements=["endpoint", "repo_id"], set_=last)
            )

    def void(self, idempotency_key: str) -> None:
        """Note that a commit was not made: it counts no longer, and its entries wait on."""
        with self._database.transaction() as connection:
            connection.execute(
                _COMMITS.update()
                .where(_COMMITS.c.mark == idempotency_key, _COMMITS.c.status == "sent")
                .values(status="void", settled_at=func.now())
            )

    def unfinished(self, endpoint: str, repo_id: str) -> list[SentCommit]:
        """Commits whose sender died, or never heard the answer, oldest first."""
        query = (
            select(_COMMITS.c.mark, _COMMITS.c.parent, _COMMITS.c.entry_ids)
            .where(
                _COMMITS.c.endpoint == endpoint, _COMMITS.c.repo_id == repo_id, _COMMITS.c.status == "sent"
            )
            .order_by(_COMMITS.c.id)
        )
        with self._database.transaction() as connection:
            return [
                SentCommit(idempotency_key=idempotency_key, parent=parent, entry_ids=tuple(entry_ids))
                for idempotency_key, parent, entry_ids in connection.execute(query)
            ]

    def use(self, endpoint: str) -> CommitUse:
        """How many commits of the last hour there are at *endpoint*."""
        with self._database.transaction() as connection:
            return _use(connection, endpoint)

    def has_committed(self, endpoint: str, repo_id: str) -> bool:
        """Whether a commit of ours was ever made there: then a missing repository was there once."""
        query = select(_REPOSITORIES.c.last_commit).where(
            _REPOSITORIES.c.endpoint == endpoint, _REPOSITORIES.c.repo_id == repo_id
        )
        with self._database.transaction() as connection:
            return connection.execute(query).scalar_one_or_none() is not None


def _use(connection: Connection, endpoint: str) -> CommitUse:
    query = select(
        func.count(),
        func.coalesce(
            HOUR_S - func.extract("epoch", func.clock_timestamp() - func.min(_COMMITS.c.sent_at)), 0
        ),
    ).where(
        _COMMITS.c.endpoint == endpoint,
        _COMMITS.c.status != "void",
        _COMMITS.c.sent_at > func.clock_timestamp() - text("interval '1 hour'"),
    )
    used, frees_in_s = connection.execute(query).one()
    return CommitUse(used=used, frees_in_s=max(0.0, float(frees_in_s)))
