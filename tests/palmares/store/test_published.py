from __future__ import annotations

from typing import Any

import pytest
from palmares.store.store import EvaluationState, Store

PLAN = {"cluster": "local"}
MANIFEST = {"attempt": 1}


def publish(store: Store, submission: dict[str, Any], *, attempt_plan: dict[str, Any] | None = None) -> str:
    key = submission["job_key"]
    store.evaluations.claim(submission, dag_run_id="run")
    store.evaluations.update(key, state=EvaluationState.PLANNED, plan=PLAN)
    store.evaluations.update(key, state=EvaluationState.ENQUEUED)
    if attempt_plan is not None:
        store.evaluations.record_attempt(key, attempt=1, clearml_task_id="c", plan=attempt_plan)
        store.evaluations.record_attempt(key, attempt=2, clearml_task_id="c", plan={"cluster": "a later one"})
    store.results.accept(key, attempt=1, manifest=MANIFEST, raw_url="/raw")
    store.evaluations.update(key, state=EvaluationState.FETCHED)
    store.evaluations.update(key, state=EvaluationState.SCORED, scores={"bac-fr": {"value": 0.5}})
    store.evaluations.update(key, state=EvaluationState.PUBLISHED)
    return str(key)


def test_a_published_result_comes_with_what_was_accepted_and_its_attempts_plan(store, submission):
    key = publish(store, submission, attempt_plan={"cluster": "musa"})

    (record,) = store.results.published()
    assert (record.job_key, record.manifest, record.scores) == (key, MANIFEST, {"bac-fr": {"value": 0.5}})
    assert record.plan == {"cluster": "musa"}
    assert record.submission["model_id"] == submission["model_id"]


def test_without_a_noted_attempt_the_evaluations_plan_counts(store, submission):
    publish(store, submission)

    (record,) = store.results.published()
    assert record.plan == PLAN


@pytest.mark.parametrize("state", [EvaluationState.SCORED, EvaluationState.QUARANTINED])
def test_what_is_not_published_is_not_among_them(store, submission, state):
    key = submission["job_key"]
    store.evaluations.claim(submission, dag_run_id="run")
    for step in (EvaluationState.PLANNED, EvaluationState.ENQUEUED, EvaluationState.FETCHED):
        store.evaluations.update(key, state=step, plan=PLAN)
    store.results.accept(key, attempt=1, manifest=MANIFEST, raw_url="/raw")
    store.evaluations.update(key, state=EvaluationState.SCORED, scores={"bac-fr": {"value": 0.5}})
    store.evaluations.update(key, state=state)

    assert store.results.published() == []
    assert store.results.last_published_s() is None


def test_the_time_since_the_last_publication_is_the_databases(store, submission):
    publish(store, submission)

    assert 0 <= (store.results.last_published_s() or 0) < 60
