from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from palmares.leaderboard.errors import StoreError


@pytest.fixture
def key(store, submission):
    store.evaluations.claim(submission, dag_run_id="run")
    return submission["job_key"]


def manifest(attempt, **other):
    return {"schema": 1, "attempt": attempt, "duration_s": 12.3, "limit_samples": None} | other


def test_an_attempt_becomes_the_current_one(store, key):
    store.evaluations.record_attempt(key, attempt=1, clearml_task_id="t", plan={"nodes": 1})
    store.evaluations.record_attempt(key, attempt=2, clearml_task_id="t", plan={"nodes": 2})
    evaluation = store.evaluations.get(key)
    assert (evaluation.attempt, evaluation.clearml_task_id, evaluation.plan) == (2, "t", {"nodes": 2})
    assert [(one.attempt, one.plan) for one in store.evaluations.attempts(key)] == [
        (1, {"nodes": 1}),
        (2, {"nodes": 2}),
    ]


def test_recording_again_changes_nothing(store, key):
    store.evaluations.record_attempt(key, attempt=1, clearml_task_id="t", plan={"nodes": 1})
    first = store.evaluations.attempts(key)
    store.evaluations.record_attempt(key, attempt=1, clearml_task_id="t", plan={"nodes": 1})
    assert store.evaluations.attempts(key) == first


def test_a_late_repetition_of_an_old_attempt_leaves_the_current_one(store, key):
    store.evaluations.record_attempt(key, attempt=1, clearml_task_id="t", plan={"nodes": 1})
    store.evaluations.record_attempt(key, attempt=2, clearml_task_id="t", plan={"nodes": 2})
    store.evaluations.record_attempt(key, attempt=1, clearml_task_id="t", plan={"nodes": 1})
    assert (store.evaluations.get(key).attempt, store.evaluations.get(key).plan) == (2, {"nodes": 2})


def test_how_long_an_attempt_ran_stays_noted(store, key):
    store.evaluations.record_attempt(key, attempt=1, clearml_task_id="t", plan={})
    store.evaluations.end_attempt(key, attempt=1, failure_class="node_lost", reason="gone", ran_s=12.5)
    store.evaluations.end_attempt(key, attempt=1, failure_class="node_lost", reason="said again")
    assert [one.ran_s for one in store.evaluations.attempts(key)] == [12.5]


def test_a_deleted_clearml_task_starts_the_count_afresh(store, key):
    store.evaluations.record_attempt(key, attempt=1, clearml_task_id="deleted", plan={"nodes": 1})
    store.evaluations.end_attempt(key, attempt=1, failure_class="node_lost", reason="gone")
    store.evaluations.record_attempt(key, attempt=2, clearml_task_id="deleted", plan={"nodes": 1})
    store.evaluations.record_attempt(key, attempt=1, clearml_task_id="new", plan={"nodes": 1})
    assert (store.evaluations.get(key).attempt, store.evaluations.get(key).clearml_task_id) == (1, "new")
    assert store.evaluations.attempts(key)[0].ended_at is None


def test_an_ending_is_noted_and_its_first_time_stays(store, key):
    store.evaluations.record_attempt(key, attempt=1, clearml_task_id="t", plan={})
    store.evaluations.end_attempt(key, attempt=1, failure_class="preempted", reason="by\0 another job")
    (first,) = store.evaluations.attempts(key)
    store.evaluations.end_attempt(key, attempt=1, failure_class="node_lost", reason="node n3 is down")
    (second,) = store.evaluations.attempts(key)
    assert (first.failure_class, first.reason) == ("preempted", "by\ufffd another job")
    assert (second.failure_class, second.ended_at) == ("node_lost", first.ended_at)


def test_an_unrecorded_attempt_cannot_end(store, key):
    with pytest.raises(StoreError, match="has no attempt 3"):
        store.evaluations.end_attempt(key, attempt=3, failure_class="node_lost", reason="gone")


def test_an_attempt_of_an_unclaimed_key_is_refused(store):
    with pytest.raises(StoreError, match="No evaluation has the key"):
        store.evaluations.record_attempt("nothing", attempt=1, clearml_task_id="t", plan={})


def test_results_are_accepted_once(store, key):
    first = store.results.accept(key, attempt=1, manifest=manifest(1), raw_url="file:///raw/1")
    assert (first.attempt, first.manifest, first.raw_url) == (1, manifest(1), "file:///raw/1")
    assert store.results.accepted(key) == first


def test_the_same_results_again_give_the_same_row_whatever_the_order_of_keys(store, key):
    first = store.results.accept(key, attempt=1, manifest=manifest(1), raw_url="u")
    shuffled = dict(reversed(manifest(1).items()))
    assert store.results.accept(key, attempt=1, manifest=shuffled, raw_url="u") == first


def test_other_results_are_discarded_and_the_caller_sees_it(store, key, caplog):
    first = store.results.accept(key, attempt=2, manifest=manifest(2), raw_url="u2")
    assert store.results.accept(key, attempt=1, manifest=manifest(1), raw_url="u1") == first
    assert "results of attempt 1 discarded" in caplog.text


def test_of_eight_results_at_once_all_callers_see_the_same_winner(store, key):
    barrier = Barrier(8)

    def accept(attempt):
        barrier.wait(20)
        return store.results.accept(key, attempt=attempt, manifest=manifest(attempt), raw_url=f"u{attempt}")

    with ThreadPoolExecutor(8) as pool:
        seen = list(pool.map(accept, range(1, 9)))
    assert all(one == seen[0] for one in seen)
    assert seen[0].raw_url == f"u{seen[0].attempt}"


def test_results_of_an_unclaimed_key_are_refused(store):
    with pytest.raises(StoreError, match="No evaluation has the key"):
        store.results.accept("nothing", attempt=1, manifest={}, raw_url="u")


def test_no_results_are_none(store, key):
    assert store.results.accepted(key) is None
