"""What an error of the Hub means for the entries that wait: whom it stops, and for how long."""

from __future__ import annotations

from palmares.leaderboard.errors import (
    HubError,
    HubGatedError,
    HubNotFoundError,
    HubRefusedError,
    HubUnavailableError,
    StaleCommitError,
)
from palmares.store.hub_commits import CommitBudgetError
from palmares.store.hub_obstacles import EVERYWHERE, Obstacle
from palmares.store.outbox_hub import OutboxLimits

EVERYWHERE_CODES = frozenset({"budget", "rate_limited", "token"})
"""Obstacles of the endpoint: they stop every repository."""


def obstacle_of(
    error: HubError, repo_id: str, *, met: Obstacle | None, limits: OutboxLimits
) -> tuple[str, str, float]:
    """Name an obstacle.

    Args:
        error: Why a drain stopped.
        repo_id: Where.
        met: What was in the way before: a lasting outage is looked at more and more rarely.
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
        lasted_s = met.lasted_s if met is not None and met.code == code else 0.0
        return code, where, min(max(lasted_s, limits.retry_least_s), limits.retry_most_s)
    return code, where, limits.mend_s


def code_of(error: HubError) -> str:
    """The obstacle's code, as `Obstacle.code` lists them."""
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
