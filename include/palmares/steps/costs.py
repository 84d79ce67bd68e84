"""The ledger of everything that the store knows."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from palmares.leaderboard.ledger import GROUPINGS, added_up, entry, ledger_frame, total
from palmares.steps.services import Services

if TYPE_CHECKING:
    import pandas as pd


def read_ledger(services: Services, *, since: str | None = None, until: str | None = None) -> pd.DataFrame:
    """Read every attempt with what it cost, a row each.

    Args:
        services: Open handles; the Hub is not asked.
        since: First month, ``2026-11``; None: from the beginning.
        until: Last month; None: to the present.
    """
    now = datetime.now(UTC)
    clusters = services.settings.clusters
    entries = [entry(one, clusters, now=now) for one in services.store.ledger.attempts()]
    return ledger_frame(
        one for one in entries if (not since or one.month >= since) and (not until or one.month <= until)
    )


def ledger_report(frame: pd.DataFrame, *, by: tuple[str, ...] = GROUPINGS) -> dict[str, Any]:
    """The sums by each of *by*, and in all, as plain JSON."""
    return {"total": total(frame), **{f"by_{name}": added_up(frame, name) for name in by}}
