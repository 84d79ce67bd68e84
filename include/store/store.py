"""All durable state of the leaderboard, behind one door."""

from __future__ import annotations

from include.store.attempts import Attempts
from include.store.evaluations import Evaluations
from include.store.finished_jobs import FinishedJobs
from include.store.outbox_entries import OutboxEntry, OutboxStatus, PendingEntry
from include.store.outbox_table import OutboxTable
from include.store.records import AcceptedResults, Attempt, Evaluation, FinishedJob, StoredRefusal
from include.store.refusals import Refusals
from include.store.rescorings import Rescorable, Rescoring, RescoringOutcome, Rescorings
from include.store.states import LIVE, REPLACED, STOPPED, ClaimOutcome, EvaluationState

__all__ = [
    "LIVE",
    "REPLACED",
    "STOPPED",
    "AcceptedResults",
    "Attempt",
    "ClaimOutcome",
    "Evaluation",
    "EvaluationState",
    "FinishedJob",
    "OutboxEntry",
    "OutboxStatus",
    "PendingEntry",
    "Rescorable",
    "Rescoring",
    "RescoringOutcome",
    "Store",
    "StoredRefusal",
]


class Store(Evaluations, Attempts, FinishedJobs, Refusals, Rescorings, OutboxTable):
    """One PostgreSQL database: evaluations, attempts, results, re-scorings, refusals and the outbox.

    Every method is one transaction, is safe to run twice, and raises `StoreError` when the database is
    unreachable. A store may be shared by threads; open one in each process.
    """
