"""What past jobs took, as calibration reads it."""

from __future__ import annotations

import pytest

PLAN = {"cluster": "musa", "family": "LlamaForCausalLM", "parameters": 8_030_261_248, "estimated_s": 563.5}


@pytest.fixture
def finish(store, submission):
    """Let a job with this key end and be accepted."""

    def finish(number, *, plan=PLAN, attempt=1, duration_s=900.25, limit_samples=None):
        key = f"{number:032d}"
        store.evaluations.claim(
            submission | {"job_key": key, "request_path": f"{number}.json", "limit_samples": limit_samples},
            dag_run_id="run",
        )
        store.evaluations.record_attempt(key, attempt=attempt, clearml_task_id="t" * 32, plan=plan)
        store.results.accept(key, attempt=attempt, manifest={"duration_s": duration_s}, raw_url="file:///r")
        return key

    return finish


def test_a_finished_job_is_told_with_its_forecast(store, finish):
    key = finish(1)

    (job,) = store.ledger.finished_jobs(cluster="musa")
    assert (job.job_key, job.family, job.parameters) == (key, "LlamaForCausalLM", 8_030_261_248)
    assert (job.estimated_s, job.duration_s) == (563.5, 900.25)


def test_another_cluster_s_jobs_are_not_told(store, finish):
    finish(1)
    assert store.ledger.finished_jobs(cluster="chuc") == []


def test_resumed_jobs_and_trials_say_nothing_about_duration(store, finish):
    finish(1, attempt=2)
    finish(2, limit_samples=8)

    assert store.ledger.finished_jobs(cluster="musa") == []


@pytest.mark.parametrize(
    "plan",
    [
        {"cluster": "musa"},
        PLAN | {"parameters": "many"},
        PLAN | {"estimated_s": None},
        PLAN | {"estimated_s": {"s": 1}},
    ],
)
def test_a_plan_without_a_forecast_is_passed_over(store, finish, plan):
    finish(1, plan=plan)
    finish(2)

    assert [job.job_key for job in store.ledger.finished_jobs(cluster="musa")] == [f"{2:032d}"]


def test_the_newest_come_first_and_no_more_than_asked_for(store, finish):
    keys = [finish(number) for number in range(1, 4)]

    assert [job.job_key for job in store.ledger.finished_jobs(cluster="musa", limit=2)] == [keys[2], keys[1]]


def test_an_accepted_attempt_lasted_as_long_as_its_manifest_says(store, finish):
    key = finish(1)
    store.evaluations.end_attempt(key, attempt=1, failure_class="succeeded", reason="Done.", ran_s=1.0)

    (one,) = store.ledger.attempts()
    assert (one.job_key, one.outcome, one.ran_s) == (key, "succeeded", 900.25)
    assert one.plan == PLAN
