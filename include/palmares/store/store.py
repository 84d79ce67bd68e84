"""All durable state of the leaderboard, behind one façade."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from palmares.store.database import Database
from palmares.store.evaluations import Attempt, Evaluation, Evaluations
from palmares.store.ledger import FinishedJob, Ledger
from palmares.store.moderation import ModerationLog
from palmares.store.outbox.commit_log import CommitLog
from palmares.store.outbox.pacing import Blocker, Blockers
from palmares.store.outbox.queue import Outbox, OutboxEntry, OutboxStatus, PendingEntry
from palmares.store.request_files import RequestFiles, StoredRefusal
from palmares.store.rescorings import Rescorable, Rescoring, RescoringOutcome, Rescorings
from palmares.store.results import AcceptedResults, PublishedRecord, Results
from palmares.store.row_scores import RowScores, StoredRowScores
from palmares.store.states import LIVE, REPLACED, STOPPED, WITHDRAWN, ClaimOutcome, EvaluationState

__all__ = [
    "LIVE",
    "REPLACED",
    "STOPPED",
    "WITHDRAWN",
    "AcceptedResults",
    "Attempt",
    "Blocker",
    "ClaimOutcome",
    "Evaluation",
    "EvaluationState",
    "FinishedJob",
    "OutboxEntry",
    "OutboxStatus",
    "PendingEntry",
    "PublishedRecord",
    "Rescorable",
    "Rescoring",
    "RescoringOutcome",
    "Store",
    "StoredRefusal",
    "StoredRowScores",
]


class Store:
    """One PostgreSQL database: all that is known of evaluations, their results and their publication.

    Each attribute is the manager of some tables. Each of their methods is one transaction, is safe to run
    twice, and raises `StoreError` when the database is unreachable. A store may be shared by threads; open
    one in each process.
    """

    def __init__(self, database: Database) -> None:
        self.database = database
        self.evaluations = Evaluations(database)
        self.results = Results(database)
        self.row_scores = RowScores(database)
        self.ledger = Ledger(database)
        self.request_files = RequestFiles(database)
        self.moderation = ModerationLog(database)
        self.rescorings = Rescorings(database)
        self.outbox = Outbox(database)
        self.commit_log = CommitLog(database)
        self.blockers = Blockers(database)

    @classmethod
    def connect(cls, url: str) -> Self:
        """Open the database, and check that its schema is the one this code was written for.

        Args:
            url: ``postgresql://`` or ``postgres://`` address.

        Raises:
            StoreError: It cannot be reached, or is not at the newest migration; says what to do.
        """
        return cls(Database.connect(url))

    def close(self) -> None:
        """Close the connections."""
        self.database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
