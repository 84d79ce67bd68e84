"""Re-scorings in a real database: what is selected, adopted once, and kept."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from palmares.leaderboard.errors import StoreError
from palmares.store.store import EvaluationState, RescoringOutcome, Store

from tests.palmares.store.entries import put

OLD = {"bac-fr": {"value": 0.5, "scorer": "bac-fr", "scorer_version": "1", "scorer_hash": "a" * 64}}
NEW = {"bac-fr": {"value": 0.75, "scorer": "bac-fr", "scorer_version": "2", "scorer_hash": "b" * 64}}
SCORERS = {"bac-fr": {"scorer": "bac-fr", "scorer_version": "2", "scorer_hash": "b" * 64}}
RUN = "rescore-1"


def published(store: Store, submission: dict[str, Any], *, number: int = 1, **changed: Any) -> str:
    one = {**submission, "job_key": f"{number:032d}", "limit_samples": None, **changed}
    store.evaluations.claim(one, dag_run_id="night")
    for state in ("planned", "enqueued", "fetched"):
        store.evaluations.update(one["job_key"], state=EvaluationState(state))
    store.results.accept(one["job_key"], attempt=1, manifest={"n": number}, raw_url="file:///raw")
    store.evaluations.update(one["job_key"], state=EvaluationState.SCORED, scores=OLD)
    store.evaluations.update(one["job_key"], state=EvaluationState.PUBLISHED)
    return str(one["job_key"])


def graded(store: Store, key: str, *, run: str = RUN, **changed: Any):
    fields: dict[str, Any] = {
        "outcome": RescoringOutcome.GRADED,
        "scorers": SCORERS,
        "previous_scores": OLD,
        "scores": NEW,
    }
    return store.rescorings.record(key, dag_run_id=run, **{**fields, **changed})


def test_published_results_can_be_graded_again(store, submission):
    key = published(store, submission)

    (found,) = store.rescorings.rescorable()

    assert (found.evaluation.job_key, found.evaluation.scores, found.last) == (key, OLD, None)
    assert found.accepted_at.tzinfo is not None


def test_limited_runs_and_unfinished_ones_are_not_selected(store, submission):
    published(store, submission, limit_samples=5)
    store.evaluations.claim(
        {**submission, "job_key": "9" * 32, "request_path": "b/c.json"}, dag_run_id="night"
    )

    assert store.rescorings.rescorable() == []


@pytest.mark.parametrize("state", ["claimed", "published", "parked", "failed"])
def test_an_evaluation_with_a_newer_one_is_left_to_it(store, submission, state):
    published(store, submission)
    if state == "published":
        newer = published(store, submission, number=2)
    else:
        newer = "2" * 32
        store.evaluations.claim({**submission, "job_key": newer, "limit_samples": None}, dag_run_id="night-2")
        if state != "claimed":
            store.evaluations.update(newer, state=EvaluationState(state), reason="r")

    expected = [newer] if state == "published" else []
    assert [one.evaluation.job_key for one in store.rescorings.rescorable()] == expected


@pytest.mark.parametrize("state", ["refused", "cancelled"])
def test_a_newer_one_that_came_to_nothing_does_not_count(store, submission, state):
    key = published(store, submission)
    store.evaluations.claim({**submission, "job_key": "2" * 32}, dag_run_id="night-2")
    store.evaluations.update("2" * 32, state=EvaluationState(state), reason="r")

    assert [one.evaluation.job_key for one in store.rescorings.rescorable()] == [key]


def test_a_backfill_selects_by_the_time_of_the_accepted_results(store, submission):
    published(store, submission)
    now = datetime.now(UTC)
    hour = timedelta(hours=1)

    assert len(store.rescorings.rescorable(accepted_after=now - hour, accepted_before=now + hour)) == 1
    assert store.rescorings.rescorable(accepted_after=now + hour, accepted_before=now + 2 * hour) == []
    assert store.rescorings.rescorable(accepted_after=now - 2 * hour, accepted_before=now - hour) == []


def test_new_scores_and_what_tells_of_them_come_together_and_once(store, submission):
    key = published(store, submission)
    rescoring = graded(store, key)

    assert store.rescorings.adopt(rescoring, entries=[put("results.json")])
    assert store.rescorings.adopt(rescoring, entries=[put("results.json")])

    evaluation = store.evaluations.get(key)
    assert evaluation is not None
    assert (evaluation.scores, evaluation.state) == (NEW, EvaluationState.PUBLISHED)
    assert len(store.outbox.pending()) == 1
    assert store.rescorings.get(key, dag_run_id=RUN).previous_scores == OLD


def test_of_two_runs_the_second_adopts_nothing(store, submission):
    key = published(store, submission)
    first, second = graded(store, key), graded(store, key, run="rescore-2", scores={"bac-fr": {"value": 1}})

    assert store.rescorings.adopt(first)
    assert not store.rescorings.adopt(second, entries=[put("results.json")])

    evaluation = store.evaluations.get(key)
    assert evaluation is not None
    assert evaluation.scores == NEW
    assert store.outbox.pending() == []


def test_of_two_runs_with_the_same_scores_only_one_queues_what_tells_of_them(store, submission):
    key = published(store, submission)
    first, second = graded(store, key), graded(store, key, run="rescore-2")

    assert store.rescorings.adopt(first, entries=[put("first.json")])
    assert not store.rescorings.adopt(second, entries=[put("second.json")])

    assert [entry.path for entry in store.outbox.pending()] == ["first.json"]


def test_queued_scores_are_not_replaced_by_a_repetition(store, submission):
    key = published(store, submission)
    store.rescorings.adopt(graded(store, key))

    again = graded(store, key, scores={"other": 1})

    assert (again.outcome, again.scores) == (RescoringOutcome.QUEUED, NEW)


def test_a_model_that_is_claimed_anew_meanwhile_is_left_alone(store, submission):
    key = published(store, submission)
    rescoring = graded(store, key)
    store.evaluations.claim({**submission, "job_key": "2" * 32}, dag_run_id="night-2")

    assert not store.rescorings.adopt(rescoring, entries=[put("results.json")])
    assert store.outbox.pending() == []


def test_grading_again_in_the_same_run_replaces_until_it_is_settled(store, submission):
    key = published(store, submission)
    graded(store, key, outcome=RescoringOutcome.QUARANTINED, scores=None, reason="canary")
    again = graded(store, key)

    assert (again.outcome, again.reason, again.scores) == (RescoringOutcome.GRADED, None, NEW)
    store.rescorings.finalize(again, RescoringOutcome.PUBLISHED)
    assert graded(store, key, scores={"other": 1}).scores == NEW
    assert [one.outcome for one in store.rescorings.find(dag_run_id=RUN)] == [RescoringOutcome.PUBLISHED]


def test_what_was_left_alone_may_be_graded_again(store, submission):
    key = published(store, submission)
    store.rescorings.finalize(graded(store, key), RescoringOutcome.SKIPPED, reason="being evaluated")

    assert graded(store, key).outcome is RescoringOutcome.GRADED


def test_stopped_scores_are_never_adopted(store, submission):
    key = published(store, submission)
    stopped = graded(store, key, outcome=RescoringOutcome.QUARANTINED, scores=None, reason="canary")

    with pytest.raises(StoreError, match="no scores"):
        store.rescorings.adopt(stopped)
    assert store.rescorings.rescorable()[0].last == stopped


def test_a_run_that_graded_nothing_is_told_what_to_clear(store, submission):
    with pytest.raises(StoreError, match="Clear grade_again"):
        store.rescorings.get(published(store, submission), dag_run_id="other")


def test_a_scorer_is_news_once_and_again_for_the_run_that_saw_it(store):
    def note(code_hash, run, version="1"):
        return store.rescorings.note_scorer(
            "bac-fr", name="bac-fr", version=version, code_hash=code_hash, dag_run_id=run
        )

    assert note("a" * 64, "hour-1")
    assert note("a" * 64, "hour-1")
    assert not note("a" * 64, "hour-2")
    assert note("b" * 64, "hour-3")
    assert note("a" * 64, "hour-4")  # taken back: the stored scores are others again
    assert not note("a" * 64, "hour-5")
    assert note("a" * 64, "hour-6", version="2")
