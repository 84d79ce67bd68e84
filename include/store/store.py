"""All durable state of the leaderboard, behind one door."""

from __future__ import annotations

from include.store.attempts import Attempts
from include.store.blobs import Blobs
from include.store.evaluations import Evaluations
from include.store.finished_jobs import FinishedJobs
from include.store.hub_commits import HubCommits
from include.store.hub_obstacles import HubObstacles, Obstacle
from include.store.moderation import Moderations
from include.store.outbox_entries import OutboxEntry, OutboxStatus, PendingEntry
from include.store.outbox_table import OutboxTable
from include.store.published import PublishedRecord, PublishedResults
from include.store.records import AcceptedResults, Attempt, Evaluation, FinishedJob, StoredRefusal
from include.store.refusals import Refusals
from include.store.rescorings import Rescorable, Rescoring, RescoringOutcome, Rescorings
from include.store.states import LIVE, REPLACED, STOPPED, WITHDRAWN, ClaimOutcome, EvaluationState

__all__ = [
    "LIVE",
    "REPLACED",
    "STOPPED",
    "WITHDRAWN",
    "AcceptedResults",
    "Attempt",
    "ClaimOutcome",
    "Evaluation",
    "EvaluationState",
    "FinishedJob",
    "Obstacle",
    "OutboxEntry",
    "OutboxStatus",
    "PendingEntry",
    "PublishedRecord",
    "Rescorable",
    "Rescoring",
    "RescoringOutcome",
    "Store",
    "StoredRefusal",
]


class Store(
    Evaluations,
    Attempts,
    FinishedJobs,
    Refusals,
    Moderations,
    Blobs,
    PublishedResults,
    Rescorings,
    OutboxTable,
    HubCommits,
    HubObstacles,
):
    """One PostgreSQL database: all that is known of evaluations, their results and their publication.

    Every method is one transaction, is safe to run twice, and raises `StoreError` when the database is
    unreachable. A store may be shared by threads; open one in each process.
    """
