"""When a task is tried again: how one waits for the Hub, and which failures no retry changes."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk.definitions.retry_policy import (
    ExceptionRetryPolicy,
    RetryAction,
    RetryDecision,
    RetryPolicy,
    RetryRule,
)

WAITING_TRIES = 300
"""Looks of a task whose files wait in the outbox: a day, at one each five minutes."""
OTHER_TRIES = 3
"""Tries of one that fails for another reason."""
LEAST_DELAY = timedelta(seconds=20)
LONGEST_DELAY = timedelta(minutes=15)
FORM_POLICY = ExceptionRetryPolicy(rules=[RetryRule(exception=SystemExit, action=RetryAction.FAIL)])
"""For a task that ends by ``SystemExit`` on a person's mistake: a wrong form stays wrong."""


class OutboxRetryPolicy(RetryPolicy):
    """Come back when the outbox says so: what waits there is not lost, and no worker is held meanwhile.

    An outage, of the Hub or of our database, is waited for too. Anything else is tried `OTHER_TRIES` times.
    """

    def evaluate(
        self, exception: BaseException, try_number: int, max_tries: int, context: Any = None
    ) -> RetryDecision:
        """Say when to look again; the reason is the error's own sentence."""
        from palmares.leaderboard.errors import HubUnavailableError, StoreError

        if isinstance(exception, HubUnavailableError):
            asked = timedelta(seconds=exception.retry_after_s or 0)
            return RetryDecision.retry(min(max(asked, LEAST_DELAY), LONGEST_DELAY), str(exception))
        if isinstance(exception, StoreError):
            return RetryDecision.retry(LEAST_DELAY * 3, str(exception))
        if try_number >= OTHER_TRIES:
            return RetryDecision.fail(
                f"{type(exception).__name__} on try {try_number}: waiting mends nothing"
            )
        return RetryDecision.retry(LEAST_DELAY, type(exception).__name__)

    def serialize(self) -> dict[str, Any]:
        """Nothing to tell: it has no settings."""
        return {}

    @classmethod
    def deserialize(cls, data: dict[str, Any]) -> OutboxRetryPolicy:
        """The policy again; *data* is empty."""
        return cls()
