"""When a commit is made: limits, the batching window, the budget of an hour, and pauses after errors."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import case, func, null, select, text
from sqlalchemy.dialects.postgresql import insert

from palmares.leaderboard.errors import (
    HubError,
    HubGatedError,
    HubNotFoundError,
    HubRefusedError,
    HubUnavailableError,
    StaleCommitError,
)
from palmares.store import schema
from palmares.store.database import Database
from palmares.store.outbox.commit_log import CommitBudgetError, CommitLog, CommitUse
from palmares.store.outbox.queue import Outbox, QueueState
from palmares.store.values import clean_text, utc_times

_REPOSITORIES = schema.hub_repositories

EVERYWHERE = "*"
"""In place of a repository: the whole endpoint is meant."""
EVERYWHERE_CODES = frozenset({"budget", "rate_limited", "token"})
"""Blockers of the endpoint: they stop every repository."""
FREELY = 2 / 3
"""Share of the hour's commits that is given to whoever comes; the rest is spread over the hour."""
_POLL_S = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxLimits:
    """How much is written at once, how often, and how long is waited."""

    files_per_commit: int = 99
    """The Hub advises fewer than a hundred."""
    bytes_per_commit: int = 100_000_000
    """Contents are in memory together; one file may have more."""
    commits_per_hour: int = 90
    """Over all repositories of an endpoint and all workers."""
    linger_s: float = 2.0
    """A commit waits until nothing was queued for so long …"""
    longest_linger_s: float = 30.0
    """… but no entry waits longer, unless commits are short."""
    retry_least_s: float = 15.0
    """First pause after an outage; it grows with the outage …"""
    retry_most_s: float = 600.0
    """… up to this."""
    asked_most_s: float = 3600.0
    """Longest pause that the Hub may ask for: after it, we try."""
    mend_s: float = 300.0
    """Between looks at what a person has to mend: a token, a full storage, a lost dataset."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocker:
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


class Blockers:
    """The blockers of `hub_repositories`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def note(self, endpoint: str, repo_id: str, *, code: str, reason: str, retry_in_s: float) -> None:
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
        with self._database.transaction() as connection:
            connection.execute(statement, {"wait_s": retry_in_s})

    def clear(self, endpoint: str, repo_id: str) -> None:
        """Note that writing to a repository went well: neither it nor its endpoint is in the way."""
        with self._database.transaction() as connection:
            connection.execute(
                _REPOSITORIES.update()
                .where(
                    _REPOSITORIES.c.endpoint == endpoint,
                    _REPOSITORIES.c.repo_id.in_([repo_id, EVERYWHERE]),
                    _REPOSITORIES.c.obstacle.is_not(None),
                )
                .values(obstacle=null(), reason=null(), since=null(), retry_at=null())
            )

    def of(self, endpoint: str, repo_id: str) -> Blocker | None:
        """What is in the way of *repo_id*: the one that lasts longer, if its endpoint has one too."""
        found = [one for one in self.find(endpoint) if one.repo_id in {repo_id, EVERYWHERE}]
        return max(found, key=lambda one: one.retry_at, default=None)

    def find(self, endpoint: str) -> list[Blocker]:
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
        with self._database.transaction() as connection:
            rows = [dict(row) for row in connection.execute(query).mappings()]
        for row in rows:
            row |= {name: float(row[name]) for name in ("retry_in_s", "lasted_s")}
        return [Blocker(**utc_times(row)) for row in rows]


def blocker_of(
    error: HubError, repo_id: str, *, before: Blocker | None, limits: OutboxLimits
) -> tuple[str, str, float]:
    """Name an blocker.

    Args:
        error: Why a drain stopped.
        repo_id: Where.
        before: What was in the way before: a lasting outage is looked at more and more rarely.
        limits: Bounds of the pause.

    Returns:
        Code, repository (or ``*``), and seconds until the next try.
    """
    code = code_of(error)
    where = EVERYWHERE if code in EVERYWHERE_CODES else repo_id
    if code in {"budget", "rate_limited"}:
        asked_s = getattr(error, "retry_after_s", None) or limits.retry_least_s
        return code, where, min(asked_s, limits.asked_most_s)
    if code == "overtaken":
        return code, where, limits.retry_least_s
    if code == "unavailable":
        lasted_s = before.lasted_s if before is not None and before.code == code else 0.0
        return code, where, min(max(lasted_s, limits.retry_least_s), limits.retry_most_s)
    return code, where, limits.mend_s


def code_of(error: HubError) -> str:
    """The blocker's code, as `Blocker.code` lists them."""
    match error:
        case CommitBudgetError():
            return "budget"
        case HubUnavailableError(retry_after_s=None):
            return "unavailable"
        case HubUnavailableError():
            return "rate_limited"
        case StaleCommitError():
            return "overtaken"
        case HubNotFoundError():
            return "missing"
        case HubGatedError():
            return "gated"
        case HubRefusedError(code=code):
            return code
        case _:
            return "refused"


def spacing_s(use: CommitUse, limits: OutboxLimits) -> float:
    """How long entries have to wait because commits are short; 0 while they are plenty.

    What is left of the budget is spread evenly over the time until the oldest commit is an hour old.
    """
    left = limits.commits_per_hour - use.used
    if use.used < FREELY * limits.commits_per_hour:
        return 0.0
    return use.frees_in_s / max(1, left)


def is_due(queue: QueueState, limits: OutboxLimits, *, spacing: float = 0.0) -> bool:
    """Whether what waits for a repository should be committed now.

    Args:
        queue: What waits.
        limits: A full commit never waits: waiting cannot make it better.
        spacing: Of `spacing_s`.
    """
    if queue.entries == 0:
        return False
    if queue.paths >= limits.files_per_commit or queue.content_bytes >= limits.bytes_per_commit:
        return True
    if queue.oldest_s >= max(limits.longest_linger_s, spacing):
        return True
    return spacing == 0.0 and queue.held == 0 and queue.newest_s >= limits.linger_s


def wait_until_due(
    outbox: Outbox,
    commit_log: CommitLog,
    endpoint: str,
    repo_id: str,
    limits: OutboxLimits,
    *,
    deadline: float,
) -> bool:
    """Wait for other entries until a commit is due.

    Args:
        deadline: Of `time.monotonic`: when to give up.

    Returns:
        False: nothing waits any more, commits are short, or the time is up; a later one writes what waits.
    """
    while True:
        queue = outbox.state(repo_id)
        spacing = spacing_s(commit_log.use(endpoint), limits)
        if time.monotonic() > deadline:
            return False
        if is_due(queue, limits, spacing=spacing):
            return True
        if queue.entries == 0 or spacing:
            return False
        time.sleep(min(_POLL_S, max(0.0, limits.linger_s - queue.newest_s) + 0.005))
