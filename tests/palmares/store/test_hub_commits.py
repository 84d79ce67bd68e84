from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from palmares.leaderboard.errors import StoreError
from palmares.store.outbox.commit_log import CommitBudgetError, SentCommit
from palmares.store.store import OutboxStatus, Store

from tests.palmares.store.entries import REPO, put

HUB = "https://hub.test"


def begin(store, *, entry_ids=(), per_hour=10, endpoint=HUB, repo_id=REPO, parent="p"):
    return store.commit_log.begin(
        endpoint, repo_id, parent=parent, entry_ids=entry_ids, files=1, per_hour=per_hour
    )


def test_a_commit_is_noted_before_it_is_sent_and_settled_with_its_entries(store):
    store.outbox.add([put("x"), put("y")])
    ids = [entry.id for entry in store.outbox.pending()]
    idempotency_key = begin(store, entry_ids=ids)
    assert store.commit_log.unfinished(HUB, REPO) == [
        SentCommit(idempotency_key=idempotency_key, parent="p", entry_ids=tuple(ids))
    ]
    assert not store.commit_log.has_committed(HUB, REPO)
    store.commit_log.finish(idempotency_key, "oid", done=ids[:1], failed={ids[1]: "no"})
    assert store.commit_log.unfinished(HUB, REPO) == []
    assert store.commit_log.has_committed(HUB, REPO)
    assert store.outbox.status(["put:x", "put:y"]) == {
        "put:x": (OutboxStatus.DONE, None),
        "put:y": (OutboxStatus.FAILED, "no"),
    }


def test_a_void_commit_counts_no_longer_and_a_made_one_stays_made(store):
    idempotency_key = begin(store, per_hour=1)
    with pytest.raises(CommitBudgetError):
        begin(store, per_hour=1)
    store.commit_log.void(idempotency_key)
    assert store.commit_log.use(HUB).used == 0
    other = begin(store, per_hour=1)
    store.commit_log.finish(other, "oid", done=[])
    store.commit_log.void(other)
    assert store.commit_log.use(HUB).used == 1


def test_workers_at_once_never_take_more_than_the_hour_has(store_url):
    def work(number):
        with Store.connect(store_url) as own:
            taken = 0
            for _ in range(5):
                try:
                    begin(own, per_hour=7, repo_id=f"org/{number}")
                    taken += 1
                except CommitBudgetError:
                    pass
            return taken

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(work, range(4))) == 7


def test_another_endpoint_has_commits_of_its_own(store):
    begin(store, per_hour=1)
    begin(store, per_hour=1, endpoint="https://other.test")
    assert store.commit_log.use("https://third.test").used == 0


def test_old_commits_are_forgotten_but_those_of_unknown_end(store, age_commits):
    sent, made = begin(store), begin(store)
    store.commit_log.finish(made, "oid", done=[])
    age_commits(8 * 24 * 3600)
    begin(store)
    assert store.commit_log.unfinished(HUB, REPO)[0].idempotency_key == sent
    with pytest.raises(StoreError, match="No row"):
        store.commit_log.finish(made, "oid", done=[])


def test_an_obstacle_keeps_its_start_while_it_is_the_same_and_is_forgotten_once(store):
    store.blockers.note(HUB, REPO, code="quota", reason="full", retry_in_s=300)
    first = store.blockers.of(HUB, REPO)
    store.blockers.note(HUB, REPO, code="quota", reason="still full", retry_in_s=300)
    second = store.blockers.of(HUB, REPO)
    assert (second.since, second.reason) == (first.since, "still full")
    assert second.retry_at > first.retry_at
    store.blockers.note(HUB, REPO, code="token", reason="revoked", retry_in_s=0)
    third = store.blockers.of(HUB, REPO)
    assert third.since > first.since
    assert third.retry_in_s == 0
    store.blockers.clear(HUB, REPO)
    assert store.blockers.of(HUB, REPO) is None


def test_an_obstacle_of_the_endpoint_stops_every_repository(store):
    store.blockers.note(HUB, "*", code="rate_limited", reason="429", retry_in_s=60)
    assert store.blockers.of(HUB, "org/any").code == "rate_limited"
    assert store.blockers.of("https://other.test", "org/any") is None
    store.blockers.clear(HUB, "org/any")
    assert store.blockers.find(HUB) == []
