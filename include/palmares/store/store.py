"""All durable state of the leaderboard, behind one door."""

from __future__ import annotations

from palmares.store.attempts import Attempts
from palmares.store.blobs import Blobs
from palmares.store.evaluations import Evaluations
from palmares.store.finished_jobs import FinishedJobs
from palmares.store.hub_commits import HubCommits
from palmares.store.hub_obstacles import HubObstacles, Obstacle
from palmares.store.moderation import Moderations
from palmares.store.outbox_entries import OutboxEntry, OutboxStatus, PendingEntry
from palmares.store.outbox_table import OutboxTable
from palmares.store.published import PublishedRecord, PublishedResults
from palmares.store.records import AcceptedResults, Attempt, Evaluation, FinishedJob, StoredRefusal
from palmares.store.refusals import Refusals
from palmares.store.rescorings import Rescorable, Rescoring, RescoringOutcome, Rescorings
from palmares.store.states import LIVE, REPLACED, STOPPED, WITHDRAWN, ClaimOutcome, EvaluationState

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
