"""The leaderboard's policy as the provider calls it: what it reads of a task, what it tells Airflow."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from clearml_provider.models import TaskInfo
from clearml_provider.outcomes import AttemptOutcome, PastOutcome, Termination
from palmares.leaderboard.settings import DEFAULT_CONFIG_DIR, load_settings
from palmares.steps.services import Services
from palmares.store.store import EvaluationState
from palmares_airflow import policy

from tests.palmares.steps.sweep.test_outcomes import plan_of
from tests.palmares.steps.sweeping import admit, claimed

STARTED = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.fixture
def job_key(services: Services, monkeypatch: pytest.MonkeyPatch) -> str:
    """A claimed submission's, with the policy's services at hand."""

    @contextmanager
    def opened() -> Iterator[Services]:
        yield services

    monkeypatch.setattr(policy, "open_services", opened)
    key = claimed(admit(services, models=["palmares-demo/petit"]))["petit"].job_key
    services.store.evaluations.update(key, state=EvaluationState.PLANNED)
    services.store.evaluations.update(key, state=EvaluationState.ENQUEUED)
    return key


def ended(job_key: str, **facts: Any) -> Termination:
    properties = {
        "idempotency_key": job_key,
        "attempt": "1",
        "plan": json.dumps(plan_of()),
        "run_limit_s": "7200",
        **facts.pop("properties", {}),
    }
    row = {
        "id": "c" * 32,
        "status": "failed",
        "status_reason": "worker execution exit code 1",
        "started": STARTED.isoformat(),
        "completed": STARTED.replace(hour=13).isoformat(),
        "hyperparams": {
            "General": {
                name: {"name": name, "value": value}
                for name, value in {"model": "palmares-demo/petit", "revision": "main", "suite": "fr"}.items()
            },
            "properties": {name: {"name": name, "value": value} for name, value in properties.items()},
        },
        **facts.pop("row", {}),
    }
    return Termination(
        info=TaskInfo.from_api(row),
        stop_cause=facts.pop("stop_cause", None),
        past=tuple(
            PastOutcome(attempt=n, failure_class=c) for n, c in enumerate(facts.pop("past", ()), start=1)
        ),
        **facts,
    )


def test_airflow_retries_as_often_as_all_budgets_together():
    assert load_settings(DEFAULT_CONFIG_DIR).retries.at_most() == policy.RETRIES


def test_tries_that_die_before_they_begin_leave_the_job_all_its_attempts():
    """In one trial 13 of 21 tries died so."""
    died_before = policy.RETRIES * 13 / (21 - 13)
    assert died_before < policy.SPARE_TRIES


def test_the_console_tells_the_cause_and_the_next_attempt_is_smaller(job_key: str):
    task = ended(
        job_key, log_lines=("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB",)
    )

    outcome = policy.classify(task)
    edit = policy.next_attempt(task, outcome)

    assert (outcome.decision, outcome.failure_class) == ("retry", "out_of_memory")
    assert edit is not None
    assert edit.note == "after out_of_memory: 16 sequences at once instead of 64"
    assert edit.user_properties["run_limit_s"] == "7200"


def test_more_wall_time_reaches_the_hyperparameters_and_the_run_limit(job_key: str):
    task = ended(
        job_key,
        row={"status": "stopped", "status_reason": "task was stopped by tasks.stop"},
        stop_cause="overtime",
    )

    outcome = policy.classify(task)
    edit = policy.next_attempt(task, outcome)

    assert (outcome.decision, outcome.failure_class) == ("retry", "wall_time")
    assert edit is not None
    assert edit.hyperparams == {"General": {"walltime": "04:00"}}
    assert edit.user_properties["run_limit_s"] == "14400"


def test_a_fourth_lost_node_is_the_last_of_the_night(job_key: str):
    row = {"status_reason": "worker execution exit code -9"}

    third = policy.classify(ended(job_key, row=row, past=("node_lost", "out_of_memory", "node_lost")))
    fourth = policy.classify(ended(job_key, row=row, past=("node_lost",) * 3))

    assert (third.decision, fourth.decision) == ("retry", "fail")
    assert (third.failure_class, fourth.failure_class) == ("node_lost", "node_lost")


def test_results_of_a_job_whose_agent_is_dead_are_adopted(job_key: str):
    task = ended(
        job_key,
        row={
            "status": "stopped",
            "status_reason": "task was stopped by tasks.stop",
            "execution": {"artifacts": [{"key": "results", "uri": "http://files/results.zip"}]},
        },
        properties={"results_attempt": "1"},
        stop_cause="node_lost",
    )

    assert policy.classify(task).decision == "succeeded"


def test_a_job_that_never_began_is_not_given_more_time(job_key: str):
    row = {"status": "stopped", "status_reason": "task was stopped by tasks.stop", "started": None}

    outcome = policy.classify(ended(job_key, row=row, stop_cause="deadline"))

    assert (outcome.decision, outcome.failure_class) == ("fail", "node_lost")


@pytest.mark.parametrize(("minute", "failure_class"), [(58, "wall_time"), (20, "preempted")])
def test_an_agent_drained_at_the_end_of_the_wall_time_was_drained_by_it(job_key, minute, failure_class):
    row = {
        "status": "stopped",
        "status_reason": "user abort",
        "completed": STARTED.replace(minute=minute).isoformat(),
    }

    assert policy.classify(ended(job_key, row=row, properties={"run_limit_s": "3600"})).failure_class == (
        failure_class
    )


def test_the_node_that_fell_first_is_blamed_not_those_stopped_with_it(job_key: str):
    row = {"id": "d" * 32, "status": "stopped", "status_reason": "user abort"}
    stopped_with_it = {
        "id": "e" * 32,
        "status": "failed",
        "status_reason": "worker execution exit code -9",
        "hyperparams": {"properties": {"stop_cause": {"name": "stop_cause", "value": "1:child_ended"}}},
    }

    outcome = policy.classify(
        ended(
            job_key,
            stop_cause="child_ended",
            children=(TaskInfo.from_api(stopped_with_it), TaskInfo.from_api(row)),
        )
    )

    assert outcome.failure_class == "preempted"


@pytest.mark.parametrize(
    ("facts", "outcome"),
    [
        ({"properties": {"failure_class": "incompatible"}}, "skip"),
        ({"row": {"status": "stopped", "status_reason": "by anna"}}, "cancelled"),
    ],
)
def test_the_model_s_fault_and_a_cancellation_are_final(job_key: str, facts: dict[str, Any], outcome: str):
    assert policy.classify(ended(job_key, **facts)).decision == outcome


def test_an_unreadable_plan_leaves_no_next_attempt_after_missing_memory(job_key: str):
    task = ended(job_key, properties={"plan": "{}", "failure_class": "out_of_memory"})

    assert policy.classify(task).decision == "fail"
    nothing = AttemptOutcome(decision="retry", failure_class="out_of_memory", reason="")
    assert policy.next_attempt(task, nothing) is None


@pytest.mark.parametrize("status", ["failed", "stopped"])
def test_what_an_exception_quoted_is_in_no_outcome(job_key: str, status: str):
    row = {"status": status, "status_reason": "Exception row 17 says: a hidden answer"}
    outcome = policy.classify(ended(job_key, row=row))
    assert "Exception (message withheld)" in outcome.reason
    assert "hidden" not in outcome.reason


def test_only_safe_lines_reach_airflow_s_log():
    assert policy.show_line("palmares | bac-fr 1/3: 48 rows") == "palmares | bac-fr 1/3: 48 rows"
    assert policy.show_line("ValueError: la réponse cachée") is None
