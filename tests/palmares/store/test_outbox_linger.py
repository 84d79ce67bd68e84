from __future__ import annotations

import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from palmares.leaderboard.errors import LockHeldError
from palmares.store.outbox.commit_log import CommitUse
from palmares.store.outbox.pacing import OutboxLimits, is_due, spacing_s
from palmares.store.outbox.queue import QueueState
from palmares.store.outbox.writer import drain_when_due
from palmares.store.store import Store

from tests.palmares.store.entries import REPO, put
from tests.palmares.store.fake_committer import FakeCommitter

LIMITS = OutboxLimits(files_per_commit=99, bytes_per_commit=1000, linger_s=2, longest_linger_s=30)


def queue(**changed):
    given = {
        "entries": 5,
        "held": 0,
        "paths": 5,
        "content_bytes": 10,
        "oldest_s": 1.0,
        "newest_s": 1.0,
        "newest_id": 7,
    }
    return QueueState(**given | changed)


@pytest.mark.parametrize(
    ("state", "due"),
    [
        (queue(), False),
        (queue(newest_s=2), True),
        (queue(newest_s=2, held=1), False),  # it comes soon, with its files
        (queue(oldest_s=30, held=1), True),
        (queue(oldest_s=30), True),
        (queue(paths=99), True),
        (queue(content_bytes=1000), True),
        (queue(entries=0, newest_s=99, oldest_s=99), False),
    ],
)
def test_a_commit_is_due_when_it_is_full_or_old_or_nobody_comes_any_more(state, due):
    assert is_due(state, LIMITS) is due


def test_where_commits_are_short_only_a_full_one_does_not_wait():
    assert not is_due(queue(newest_s=50, oldest_s=50), LIMITS, spacing=100)
    assert is_due(queue(oldest_s=100), LIMITS, spacing=100)
    assert is_due(queue(paths=99), LIMITS, spacing=100)


@pytest.mark.parametrize(("used", "frees_in_s", "spacing"), [(59, 3000, 0), (60, 3000, 100), (89, 500, 500)])
def test_the_last_third_of_the_hours_commits_is_spread_over_the_rest_of_the_hour(used, frees_in_s, spacing):
    use = CommitUse(used=used, frees_in_s=frees_in_s)
    assert spacing_s(use, OutboxLimits(commits_per_hour=90)) == spacing


@given(
    used=st.integers(0, 300),
    per_hour=st.integers(1, 128),
    frees_in_s=st.floats(0, 3600),
)
def test_spacing_is_never_longer_than_the_hour_and_grows_with_use(used, per_hour, frees_in_s):
    limits = OutboxLimits(commits_per_hour=per_hour)
    here = spacing_s(CommitUse(used=used, frees_in_s=frees_in_s), limits)
    more = spacing_s(CommitUse(used=used + 1, frees_in_s=frees_in_s), limits)
    assert 0 <= here <= more <= 3600


@pytest.fixture
def hub():
    return FakeCommitter().with_files(REPO, {})


def wait_until_held(store):
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            with store.database.advisory_lock(f"outbox:{REPO}", timeout_s=0.01):
                time.sleep(0.01)
        except LockHeldError:
            return
    raise AssertionError("nobody leads")


def test_entries_that_come_in_time_share_one_commit(store, store_url, hub):
    limits = OutboxLimits(linger_s=2, longest_linger_s=60)
    store.outbox.add([put("0")])
    reports = []

    def lead():
        with Store.connect(store_url) as own:
            reports.append(drain_when_due(own, hub, REPO, limits=limits))

    leader = threading.Thread(target=lead)
    leader.start()
    wait_until_held(store)
    held = 0
    for number in range(1, 6):
        store.outbox.add([put(str(number))])
        try:
            drain_when_due(store, hub, REPO, limits=limits, lock_timeout_s=0.05)
        except LockHeldError:
            held += 1  # left to the leader, at once
    leader.join(timeout=600)
    assert held == 5
    assert [report.committed for report in reports] == [6]
    assert hub.calls.count("commit 6") == 1


def test_a_full_commit_waits_for_nobody(store, hub):
    limits = OutboxLimits(files_per_commit=3, linger_s=60, longest_linger_s=0.2)
    store.outbox.add([put(str(number)) for number in range(7)])
    assert len(drain_when_due(store, hub, REPO, limits=limits).commits) == 3


def test_an_old_entry_is_written_though_others_keep_coming(store, store_url, hub):
    limits = OutboxLimits(linger_s=1, longest_linger_s=0.5)
    store.outbox.add([put("first")])
    stopped = threading.Event()

    def keep_coming():
        with Store.connect(store_url) as own:
            for number in range(1000):
                if stopped.wait(0.02):
                    return
                own.outbox.add([put(f"more-{number}")])

    other = threading.Thread(target=keep_coming)
    other.start()
    try:
        report = drain_when_due(store, hub, REPO, limits=limits)
    finally:
        stopped.set()
        other.join(timeout=20)
    assert "first" in hub.files(REPO)
    assert len(report.commits) <= 6  # nor does it lead for ever


def test_when_commits_are_short_a_drain_leaves_the_rest_to_a_later_one(store, hub):
    limits = OutboxLimits(commits_per_hour=3, files_per_commit=2, linger_s=0, longest_linger_s=0)
    store.outbox.add([put(str(number)) for number in range(5)])
    report = drain_when_due(store, hub, REPO, limits=limits)
    assert (report.committed, len(report.commits)) == (4, 2)
    assert len(store.outbox.pending()) == 1
    assert store.blockers.find(hub.endpoint) == []
