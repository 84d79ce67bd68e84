from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from palmares.leaderboard.errors import StoreError
from palmares.store.hub_commits import CommitBudgetError, SentCommit
from palmares.store.store import OutboxStatus, Store

from tests.palmares.store.entries import REPO, put

HUB = "https://hub.test"


def begin(store, *, entry_ids=(), per_hour=10, endpoint=HUB, repo_id=REPO, parent="p"):
    return store.begin_commit(
        endpoint, repo_id, parent=parent, entry_ids=entry_ids, files=1, per_hour=per_hour
    )


def test_a_commit_is_noted_before_it_is_sent_and_settled_with_its_entries(store):
    store.add_to_outbox([put("x"), put("y")])
    ids = [entry.id for entry in store.outbox_pending()]
    mark = begin(store, entry_ids=ids)
    assert store.unsettled_commits(HUB, REPO) == [SentCommit(mark=mark, parent="p", entry_ids=tuple(ids))]
    assert not store.has_committed(HUB, REPO)
    store.finish_commit(mark, "oid", done=ids[:1], failed={ids[1]: "no"})
    assert store.unsettled_commits(HUB, REPO) == []
    assert store.has_committed(HUB, REPO)
    assert store.outbox_status(["put:x", "put:y"]) == {
        "put:x": (OutboxStatus.DONE, None),
        "put:y": (OutboxStatus.FAILED, "no"),
    }


def test_a_void_commit_counts_no_longer_and_a_made_one_stays_made(store):
    mark = begin(store, per_hour=1)
    with pytest.raises(CommitBudgetError):
        begin(store, per_hour=1)
    store.void_commit(mark)
    assert store.commit_use(HUB).used == 0
    other = begin(store, per_hour=1)
    store.finish_commit(other, "oid", done=[])
    store.void_commit(other)
    assert store.commit_use(HUB).used == 1


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
    assert store.commit_use("https://third.test").used == 0


def test_old_commits_are_forgotten_but_those_of_unknown_end(store, age_commits):
    sent, made = begin(store), begin(store)
    store.finish_commit(made, "oid", done=[])
    age_commits(8 * 24 * 3600)
    begin(store)
    assert store.unsettled_commits(HUB, REPO)[0].mark == sent
    with pytest.raises(StoreError, match="No row"):
        store.finish_commit(made, "oid", done=[])


def test_an_obstacle_keeps_its_start_while_it_is_the_same_and_is_forgotten_once(store):
    store.note_obstacle(HUB, REPO, code="quota", reason="full", retry_in_s=300)
    first = store.obstacle(HUB, REPO)
    store.note_obstacle(HUB, REPO, code="quota", reason="still full", retry_in_s=300)
    second = store.obstacle(HUB, REPO)
    assert (second.since, second.reason) == (first.since, "still full")
    assert second.retry_at > first.retry_at
    store.note_obstacle(HUB, REPO, code="token", reason="revoked", retry_in_s=0)
    third = store.obstacle(HUB, REPO)
    assert third.since > first.since
    assert third.retry_in_s == 0
    store.clear_obstacle(HUB, REPO)
    assert store.obstacle(HUB, REPO) is None


def test_an_obstacle_of_the_endpoint_stops_every_repository(store):
    store.note_obstacle(HUB, "*", code="rate_limited", reason="429", retry_in_s=60)
    assert store.obstacle(HUB, "org/any").code == "rate_limited"
    assert store.obstacle("https://other.test", "org/any") is None
    store.clear_obstacle(HUB, "org/any")
    assert store.obstacles(HUB) == []
