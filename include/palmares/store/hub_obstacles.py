"""What stands in the way of writing to a repository: why, since when, and when we look again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import case, func, null, select, text
from sqlalchemy.dialects.postgresql import insert

from palmares.store import tables
from palmares.store.database import Database
from palmares.store.records import utc_times
from palmares.store.values import clean_text

_REPOSITORIES = tables.hub_repositories

EVERYWHERE = "*"
"""In place of a repository: the whole endpoint is meant."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Obstacle:
    """Why nothing is written to a repository now; its entries wait."""

    repo_id: str
    """``*``: all repositories of the endpoint."""
    code: str
    """``budget``, ``rate_limited``, ``unavailable``, ``overtaken``, ``missing``, ``gated``, ``token``,
    ``forbidden``, ``quota``, ``public``, ``content`` or ``refused``."""
    reason: str
    since: datetime
    retry_at: datetime
    """Nobody asks the Hub before."""
    retry_in_s: float
    """0: due."""
    lasted_s: float


class HubObstacles(Database):
    """The obstacles in `hub_repositories`."""

    def note_obstacle(
        self, endpoint: str, repo_id: str, *, code: str, reason: str, retry_in_s: float
    ) -> None:
        """Note why nothing is written, and for how long nobody shall try; the same one keeps its start."""
        since = case((_REPOSITORIES.c.obstacle == code, _REPOSITORIES.c.since), else_=func.clock_timestamp())
        values = {
            "obstacle": code,
            "reason": clean_text(reason),
            "retry_at": func.clock_timestamp() + text("make_interval(secs => :wait_s)"),
        }
        statement = (
            insert(_REPOSITORIES)
            .values(endpoint=endpoint, repo_id=repo_id, since=func.clock_timestamp(), **values)
            .on_conflict_do_update(index_elements=["endpoint", "repo_id"], set_=values | {"since": since})
        )
        with self.transaction() as connection:
            connection.execute(statement, {"wait_s": retry_in_s})

    def clear_obstacle(self, endpoint: str, repo_id: str) -> None:
        """Note that writing to a repository went well: neither it nor its endpoint is in the way."""
        with self.transaction() as connection:
            connection.execute(
                _REPOSITORIES.update()
                .where(
                    _REPOSITORIES.c.endpoint == endpoint,
                    _REPOSITORIES.c.repo_id.in_([repo_id, EVERYWHERE]),
                    _REPOSITORIES.c.obstacle.is_not(None),
                )
                .values(obstacle=null(), reason=null(), since=null(), retry_at=null())
            )

    def obstacle(self, endpoint: str, repo_id: str) -> Obstacle | None:
        """What is in the way of *repo_id*: the one that lasts longer, if its endpoint has one too."""
        found = [one for one in self.obstacles(endpoint) if one.repo_id in {repo_id, EVERYWHERE}]
        return max(found, key=lambda one: one.retry_at, default=None)

    def obstacles(self, endpoint: str) -> list[Obstacle]:
        """Everything that is in the way at *endpoint*."""
        columns = _REPOSITORIES.c
        now = func.clock_timestamp()
        query = (
            select(
                columns.repo_id,
                columns.obstacle.label("code"),
                columns.reason,
                columns.since,
                columns.retry_at,
                func.greatest(func.extract("epoch", columns.retry_at - now), 0).label("retry_in_s"),
                func.extract("epoch", now - columns.since).label("lasted_s"),
            )
            .where(columns.endpoint == endpoint, columns.obstacle.is_not(None))
            .order_by(columns.repo_id)
        )
        with self.transaction() as connection:
            rows = [dict(row) for row in connection.execute(query).mappings()]
        for row in rows:
            row |= {name: float(row[name]) for name in ("retry_in_s", "lasted_s")}
        return [Obstacle(**utc_times(row)) for row in rows]
