from __future__ import annotations

from datetime import timedelta

import pytest
from airflow.sdk.definitions.retry_policy import RetryAction
from palmares.leaderboard.errors import HubUnavailableError, OutboxWaitError, ResultsError, StoreError
from palmares_airflow.waiting import LEAST_DELAY, LONGEST_DELAY, OTHER_TRIES, WAITING_TRIES, OutboxRetryPolicy


def decide(error, try_number=1):
    return OutboxRetryPolicy().evaluate(error, try_number, WAITING_TRIES)


@pytest.mark.parametrize(
    ("asked_s", "delay"),
    [(300, timedelta(minutes=5)), (None, LEAST_DELAY), (0, LEAST_DELAY), (86_400, LONGEST_DELAY)],
)
def test_what_waits_in_the_outbox_is_looked_at_again_when_it_says(asked_s, delay):
    decision = decide(OutboxWaitError("7 files wait: the storage is full.", retry_after_s=asked_s))
    assert (decision.action, decision.retry_delay) == (RetryAction.RETRY, delay)
    assert decision.reason == "7 files wait: the storage is full."


@pytest.mark.parametrize("error", [HubUnavailableError("503"), StoreError("the database is away")])
def test_an_outage_is_waited_for_however_long_it_lasts(error):
    decision = decide(error, try_number=WAITING_TRIES - 1)
    assert (decision.action, decision.reason) == (RetryAction.RETRY, str(error))


def test_anything_else_fails_after_a_few_tries_and_its_words_stay_in_the_log():
    secret = ResultsError("row 3: une question cachée")
    first, last = decide(secret), decide(secret, try_number=OTHER_TRIES)
    assert (first.action, first.reason) == (RetryAction.RETRY, "ResultsError")
    assert last.action is RetryAction.FAIL
    assert "cachée" not in str(last.reason)


def test_a_day_of_looks_fits_into_the_tries():
    assert timedelta(minutes=5) * WAITING_TRIES > timedelta(hours=24)
