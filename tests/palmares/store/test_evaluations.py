from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC
from threading import Barrier

import psycopg
import pytest
from palmares.leaderboard.errors import ClaimLostError, Refusal, StoreError
from palmares.store.store import REPLACED, WITHDRAWN, ClaimOutcome, EvaluationState, OutboxEntry, Store
from sqlalchemy import event

S = EvaluationState


@pytest.fixture
def key(submission):
    return submission["job_key"]


def wait_until_blocked_or_done(url, future, *, by):
    deadline = time.monotonic() + 20
    blocked = "SELECT count(*) FROM pg_stat_activity WHERE %s = ANY (pg_blocking_pids(pid))"
    with psycopg.connect(url, autocommit=True) as watcher:
        while not future.done() and watcher.execute(blocked, [by]).fetchone() == (0,):
            assert time.monotonic() < deadline, "neither blocked nor done"
            time.sleep(0.005)


def advance(store, key, *states, **fields):
    for state in states:
        store.evaluations.update(key, state=state, **fields)


def test_a_claim_keeps_the_submission_as_it_was(store, submission, key):
    assert store.evaluations.claim(submission, dag_run_id="run") is ClaimOutcome.CLAIMED
    evaluation = store.evaluations.get(key)
    assert evaluation.submission == submission
    assert (evaluation.state, evaluation.dag_run_id, evaluation.model_id) == (S.CLAIMED, "run", "org/model")
    assert evaluation.created_at.tzinfo is UTC


def test_an_unknown_key_is_none(store):
    assert store.evaluations.get("nothing") is None


def test_of_eight_claims_at_once_exactly_one_wins(store_url, submission, key):
    barrier = Barrier(8)

    def claim(number):
        with Store.connect(store_url) as store:
            barrier.wait(20)
            return store.evaluations.claim(submission, dag_run_id=f"run {number}")

    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(claim, range(8)))
    assert sorted(outcomes) == [ClaimOutcome.CLAIMED] + [ClaimOutcome.HELD] * 7


def test_of_eight_runs_that_claim_a_failed_key_at_once_exactly_one_wins(store, submission, key):
    store.evaluations.claim(submission, dag_run_id="yesterday")
    store.evaluations.update(key, state=S.FAILED)
    barrier = Barrier(8)

    def claim(number):
        barrier.wait(20)
        return store.evaluations.claim(submission, dag_run_id=f"run {number}")

    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(claim, range(8)))
    assert outcomes.count(ClaimOutcome.CLAIMED) == 1
    assert store.evaluations.get(key).dag_run_id == f"run {outcomes.index(ClaimOutcome.CLAIMED)}"


def test_a_claim_that_comes_between_anothers_look_and_its_write_loses(store, store_url, submission, key):
    store.evaluations.claim(submission, dag_run_id="yesterday")
    store.evaluations.update(key, state=S.FAILED)
    with Store.connect(store_url) as slow, ThreadPoolExecutor(1) as pool:
        others = []

        def let_another_try(connection, cursor, statement, *_rest):
            if statement.startswith("SELECT") and "FROM evaluations" in statement:
                others.append(pool.submit(store.evaluations.claim, submission, dag_run_id="other"))
                wait_until_blocked_or_done(store_url, others[0], by=cursor.connection.info.backend_pid)

        event.listen(slow.database._engine, "after_cursor_execute", let_another_try)
        outcomes = [slow.evaluations.claim(submission, dag_run_id="slow"), others[0].result(20)]
    assert outcomes == [ClaimOutcome.CLAIMED, ClaimOutcome.HELD]
    assert store.evaluations.get(key).dag_run_id == "slow"


def test_a_run_claims_twice_without_losing_its_place(store, submission, key):
    store.evaluations.claim(submission, dag_run_id="run")
    advance(store, key, S.PLANNED, S.ENQUEUED)
    assert store.evaluations.claim(submission, dag_run_id="run") is ClaimOutcome.CLAIMED
    assert store.evaluations.get(key).state is S.ENQUEUED


def test_two_requests_of_one_run_for_the_same_thing_get_one_group(store, submission):
    store.evaluations.claim(submission, dag_run_id="run")
    twin = submission | {"request_path": "org/twin.json"}
    assert store.evaluations.claim(twin, dag_run_id="run") is ClaimOutcome.HELD


@pytest.mark.parametrize(
    ("states", "outcome"),
    [
        ([S.PLANNED], ClaimOutcome.HELD),
        ([S.PLANNED, S.ENQUEUED, S.FETCHED, S.SCORED], ClaimOutcome.HELD),
        ([S.PLANNED, S.ENQUEUED, S.FETCHED, S.SCORED, S.PUBLISHED], ClaimOutcome.PUBLISHED),
        ([S.REFUSED], ClaimOutcome.REFUSED),
        ([S.QUARANTINED], ClaimOutcome.QUARANTINED),
        ([S.CANCELLED], ClaimOutcome.CANCELLED),
        ([S.FAILED], ClaimOutcome.CLAIMED),
    ],
)
def test_a_later_run_claims_only_what_failed(store, submission, key, states, outcome):
    store.evaluations.claim(submission, dag_run_id="yesterday")
    advance(store, key, *states, scores={"bac-fr": 0.5})
    assert store.evaluations.claim(submission, dag_run_id="today") is outcome
    assert store.evaluations.get(key).dag_run_id == (
        "today" if outcome is ClaimOutcome.CLAIMED else "yesterday"
    )


@pytest.mark.parametrize("cause", ["gated", "not_found"])
def test_what_its_sender_can_cure_is_looked_at_again(store, submission, key, cause):
    store.evaluations.claim(submission, dag_run_id="yesterday")
    store.evaluations.update(key, state=S.REFUSED, failure_class=cause, reason="Accept the conditions.")
    assert store.evaluations.claim(submission, dag_run_id="today") is ClaimOutcome.CLAIMED
    assert store.evaluations.get(key).reason is None


def test_a_new_claim_keeps_the_clearml_task_so_that_it_can_be_adopted(store, submission, key):
    store.evaluations.claim(submission, dag_run_id="yesterday")
    store.evaluations.record_attempt(key, attempt=2, clearml_task_id="t1", plan={"nodes": 1})
    store.evaluations.update(key, state=S.FAILED, failure_class="node_lost", reason="gone")
    store.evaluations.claim(submission | {"request_path": "org/new.json"}, dag_run_id="today")
    evaluation = store.evaluations.get(key)
    assert (evaluation.attempt, evaluation.clearml_task_id, evaluation.plan) == (2, "t1", {"nodes": 1})
    assert (evaluation.failure_class, evaluation.request_path) == (None, "org/new.json")


def test_fields_are_set_without_moving(store, submission, key):
    store.evaluations.claim(submission, dag_run_id="run")
    store.evaluations.update(key, plan={"nodes": 2}, clearml_task_id="t1", attempt=1)
    evaluation = store.evaluations.get(key)
    assert (evaluation.state, evaluation.plan, evaluation.clearml_task_id) == (S.CLAIMED, {"nodes": 2}, "t1")
    store.evaluations.update(key, plan=None)
    assert store.evaluations.get(key).plan is None


def test_a_field_that_identifies_the_evaluation_cannot_be_set(store, submission, key):
    store.evaluations.claim(submission, dag_run_id="run")
    with pytest.raises(TypeError, match="model_id"):
        store.evaluations.update(key, model_id="org/other")


def test_a_published_result_is_final(store, submission, key):
    store.evaluations.claim(submission, dag_run_id="run")
    advance(store, key, S.PLANNED, S.ENQUEUED, S.FETCHED, S.SCORED, S.PUBLISHED, scores={"bac-fr": 0.5})
    with pytest.raises(StoreError, match=r"is published .* cannot become failed.*RERUN"):
        store.evaluations.update(key, state=S.FAILED)
    store.evaluations.update(key, state=S.PUBLISHED)


def test_nothing_is_published_without_scores(store, submission, key):
    store.evaluations.claim(submission, dag_run_id="run")
    advance(store, key, S.PLANNED, S.ENQUEUED, S.FETCHED, S.SCORED)
    with pytest.raises(StoreError, match="no scores to publish"):
        store.evaluations.update(key, state=S.PUBLISHED)


def test_going_on_forgets_the_failure(store, submission, key):
    store.evaluations.claim(submission, dag_run_id="run")
    store.evaluations.update(
        key, state=S.FAILED, failure_class="node_lost", reason_code="node_lost", reason="gone"
    )
    store.evaluations.update(key, state=S.PLANNED)
    evaluation = store.evaluations.get(key)
    assert (evaluation.failure_class, evaluation.reason_code, evaluation.reason) == (None, None, None)


def test_the_place_where_it_stopped_is_known(store, submission, key):
    store.evaluations.claim(submission, dag_run_id="run")
    advance(store, key, S.PLANNED, S.ENQUEUED, S.FAILED)
    assert store.evaluations.get(key).reached is S.ENQUEUED


def test_a_task_of_an_older_run_is_fenced(store, submission, key):
    store.evaluations.claim(submission, dag_run_id="yesterday")
    store.evaluations.update(key, state=S.FAILED)
    store.evaluations.claim(submission, dag_run_id="today")
    for change in ({"state": S.PLANNED}, {}):
        with pytest.raises(ClaimLostError, match="held by run today, not yesterday"):
            store.evaluations.update(key, held_by="yesterday", **change)
    store.evaluations.update(key, state=S.PLANNED, held_by="today")


@pytest.mark.parametrize("code", [REPLACED, WITHDRAWN])
def test_an_evaluation_that_was_replaced_or_withdrawn_stays_closed(store, submission, key, code):
    store.evaluations.claim(submission, dag_run_id="run")
    store.evaluations.update(key, state=S.CANCELLED, reason_code=code, reason="Replaced by run forced.")
    with pytest.raises(ClaimLostError, match="closed: Replaced by run forced"):
        store.evaluations.update(key, state=S.FETCHED, held_by="run")
    store.evaluations.update(key, state=S.ENQUEUED, reason_code="cancelled")
    assert store.evaluations.get(key).is_closed
    assert store.evaluations.get(key).is_replaced == (code == REPLACED)
    assert store.evaluations.claim(submission, dag_run_id="later") is ClaimOutcome.CANCELLED


def test_what_moved_since_it_was_read_is_not_settled(store, submission, key):
    store.evaluations.claim(submission, dag_run_id="run")
    seen = store.evaluations.get(key)
    store.evaluations.update(key, reason="news")
    assert not store.evaluations.update_if_unchanged(seen, state=S.FAILED, reason="old news")
    assert (store.evaluations.get(key).state, store.evaluations.get(key).reason) == (S.CLAIMED, "news")
    assert store.evaluations.update_if_unchanged(
        store.evaluations.get(key), state=S.FAILED, reason="the run is over"
    )
    assert (store.evaluations.get(key).state, store.evaluations.get(key).reason) == (
        S.FAILED,
        "the run is over",
    )


def test_an_update_of_an_unclaimed_key_says_so(store):
    with pytest.raises(StoreError, match=r"No evaluation has the key 'nothing'.*Claim"):
        store.evaluations.update("nothing", state=S.PLANNED)


def test_a_state_and_its_outbox_entries_are_written_together_or_not_at_all(store, submission, key):
    store.evaluations.claim(submission, dag_run_id="run")
    entry = OutboxEntry(
        key="k", repo_id="org/requests", private=False, kind="edit_request", path="a.json",
        changes={"status": "RUNNING"}, message="Evaluate",
    )  # fmt: skip
    with pytest.raises(StoreError, match="cannot become scored"):
        store.evaluations.update(key, state=S.SCORED, entries=[entry])
    assert store.outbox.pending() == []
    store.evaluations.update(key, state=S.PLANNED, entries=[entry])
    assert [one.key for one in store.outbox.pending()] == ["k"]


def test_evaluations_are_found_by_run_and_state(store, submission):
    for number, run in enumerate(["a", "a", "b"]):
        store.evaluations.claim(submission | {"job_key": str(number)}, dag_run_id=run)
    store.evaluations.update("1", state=S.PLANNED)

    def keys(**wanted):
        return [evaluation.job_key for evaluation in store.evaluations.find(**wanted)]

    assert keys() == ["0", "1", "2"]
    assert keys(dag_run_id="a") == ["0", "1"]
    assert keys(state=S.CLAIMED) == ["0", "2"]
    assert keys(dag_run_id="a", state=[S.PLANNED, S.FAILED]) == ["1"]
    assert keys(dag_run_id="c") == []


def test_what_a_run_left_unfinished_is_released_and_the_rest_is_not(store, submission):
    for number in range(3):
        store.evaluations.claim(submission | {"job_key": str(number)}, dag_run_id="run")
    store.evaluations.claim(submission | {"job_key": "other"}, dag_run_id="other run")
    store.evaluations.update("1", state=S.CANCELLED)
    store.evaluations.update("2", state=S.PLANNED)
    assert store.evaluations.release("run", reason="the run was deleted") == ["0", "2"]
    assert store.evaluations.get("1").state is S.CANCELLED
    assert store.evaluations.get("other").state is S.CLAIMED
    assert (store.evaluations.get("2").state, store.evaluations.get("2").reached) == (S.FAILED, S.PLANNED)


def test_odd_characters_of_strangers_lose_nothing(store, submission, key):
    odd = json.loads('"a\\u0000b\\ud800c"')
    store.evaluations.claim(submission | {"model_id": odd, "extra": {odd: [odd]}}, dag_run_id="run")
    store.evaluations.update(key, state=S.FAILED, reason=odd)
    evaluation = store.evaluations.get(key)
    assert evaluation.model_id == evaluation.reason == "a\ufffdb\ufffdc"
    assert evaluation.submission["extra"] == {"a\ufffdb\ufffdc": ["a\ufffdb\ufffdc"]}


def test_a_score_that_is_no_number_is_refused(store, submission, key):
    store.evaluations.claim(submission, dag_run_id="run")
    with pytest.raises(StoreError, match=r"scores cannot be stored as JSON.*Pass None"):
        store.evaluations.update(key, scores={"bac-fr": float("nan")})


def test_a_claim_lifts_the_refusals_of_its_request(store, submission):
    path = submission["request_path"]
    refusal = Refusal(code="invalid_json", message_en="No JSON.", message_fr="Pas du JSON.")
    for request in (path, "other.json"):
        store.request_files.refuse(
            request_path=request, blob_oid="b1", model_id=None, refusal=refusal, dag_run_id="1"
        )
    store.evaluations.claim(submission, dag_run_id="2")
    assert [one.request_path for one in store.request_files.refusals()] == ["other.json"]
    assert len(store.request_files.refusals(include_lifted=True)) == 2
    assert (path, "b1") not in store.request_files.refused_blobs()
