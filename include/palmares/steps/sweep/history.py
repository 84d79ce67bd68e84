"""Past jobs of a cluster, as the planner's forecasts are corrected by them."""

from __future__ import annotations

import logging

from palmares.leaderboard.planning.duration import History, HistoryRow
from palmares.store.store import Store

log = logging.getLogger(__name__)


def history_of(store: Store, *, cluster: str) -> History:
    """Read what accepted jobs of *cluster* took; jobs of other machines say nothing about these."""
    history = History.of(
        HistoryRow(
            family=job.family,
            parameters=job.parameters,
            predicted_s=job.estimated_s,
            actual_s=job.duration_s,
        )
        for job in store.ledger.finished_jobs(cluster=cluster)
    )
    log.info("forecasts on %s are corrected by %s past jobs", cluster, len(history.rows))
    return history
