"""Budgets, the next plan, and what a next attempt writes to the ClearML task."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from palmares.leaderboard.outcomes import Decision
from palmares.leaderboard.planning import JobPlan
from palmares.steps.costs import ledger_report, read_ledger
from palmares.steps.services import Services
from palmares.steps.sweep.outcomes import NextStep, bounded, classify_task, next_step, record_outcome
from palmares.store.store import EvaluationState

from tests.palmares.steps.sweeping import admit, claimed

GENERAL = {"model": "palmares-demo/petit", "revision": "main", "suite": "fr"}


def plan_of(**changes: Any) -> dict[str, Any]:
    values = {
        "cluster": "musa",
        "queue": "musa-1-node",
        "nodes": 1,
        "gpus_per_node": 2,
        "tensor_parallel_size": 2,
        "pipeline_parallel_size": 1,
        "gpu_memory_utilization": 0.9,
        "max_model_len": 3072,
        "max_num_seqs": 64,
        "dtype": "bfloat16",
        "enforce_eager": False,
        "backend": "vllm",
        "walltime": "02:00",
        "gpu_hours": 1.5,
        "reasons": ["It fits."],
    }
    return {**values, **changes}


def step_after(services: Services, failure_class: str, **changes: Any) -> NextStep | None:
    return next_step(
        services,
        failure_class,
        user_properties={"plan": json.dumps(plan_of(**changes))},
        general=GENERAL,
    )


def test_a_lost_node_is_followed_by_the_same_plan(services: Services) -> None:
    step = step_after(services, "node_lost")

    assert step == NextStep(user_properties={"failure_class": ""}, note="the same plan again after node_lost")


def test_missing_memory_is_followed_by_the_fallback_policy_s_next_plan(services: Services) -> None:
    step = step_after(services, "out_of_memory")

    assert step is not None
    assert step.note == "after out_of_memory: 16 sequences at once instead of 64"
    assert (step.hyperparameters, step.queue) == ({}, None)
    plan = JobPlan.from_json(json.loads(step.user_properties["plan"]))
    assert (plan.max_num_seqs, plan.nodes) == (16, 1)
    assert any("La mémoire a manqué" in reason for reason in plan.reasons_fr)


def test_more_gpus_change_the_queue_and_the_hyperparameters(services: Services) -> None:
    step = step_after(services, "out_of_memory", max_num_seqs=4, enforce_eager=True)

    assert step is not None
    assert step.note == "after out_of_memory: 2 x 2 GPU instead of 1 x 2 GPU"
    assert (step.hyperparameters, step.queue) == ({"nb_nodes": "2"}, "musa-2-nodes")


def test_the_shape_of_a_model_that_the_hub_knows_decides_how_it_is_cut(services: Services) -> None:
    chuc = {"cluster": "chuc", "queue": "chuc-1-node", "max_num_seqs": 4, "enforce_eager": True}

    known = next_step(
        services,
        "out_of_memory",
        user_properties={"plan": json.dumps(plan_of(**chuc))},
        general={**GENERAL, "model": "palmares-demo/grand"},  # 4 heads: they can be shared out among 4 GPUs
    )
    unknown = next_step(
        services,
        "out_of_memory",
        user_properties={"plan": json.dumps(plan_of(**chuc))},
        general={**GENERAL, "model": "palmares-demo/nowhere"},
    )

    assert known is not None
    assert unknown is not None
    assert json.loads(known.user_properties["plan"])["tensor_parallel_size"] == 4
    assert json.loads(unknown.user_properties["plan"])["tensor_parallel_size"] == 2


def test_a_job_that_outlived_its_wall_time_gets_twice_as_much(services: Services) -> None:
    step = step_after(services, "wall_time")

    assert step is not None
    assert step.hyperparameters == {"walltime": "04:00"}
    assert step.user_properties["run_limit_s"] == "14400"
    assert step.note == "after wall_time: wall time 04:00 instead of 02:00"


def test_one_process_is_given_a_smaller_batch(services: Services) -> None:
    local = {"cluster": "local", "queue": "local-cpu", "backend": "hf", "gpus_per_node": 1, "max_num_seqs": 8}

    step = step_after(services, "out_of_memory", **local)

    assert step is not None
    assert step.hyperparameters == {"batch_size": "4"}
    assert step_after(services, "out_of_memory", **{**local, "max_num_seqs": 4}) is None


@pytest.mark.parametrize("plan", ["", "{", "[]", '{"cluster": "nowhere"}'])
def test_a_plan_that_cannot_be_read_ends_the_fallback_policy_but_no_plain_retry(
    services: Services, plan: str
) -> None:
    properties = {"plan": plan}

    assert next_step(services, "out_of_memory", user_properties=properties, general=GENERAL) is None
    assert next_step(services, "node_lost", user_properties=properties, general=GENERAL) is not None


@pytest.mark.parametrize(
    ("failure_class", "earlier", "decision"),
    [
        ("node_lost", 2, "retry"),
        ("node_lost", 3, "fail"),
        ("out_of_memory", 5, "retry"),
        ("out_of_memory", 6, "fail"),
        ("results_incomplete", 0, "retry"),
        ("results_incomplete", 1, "fail"),
        ("evaluator_error", 1, "fail"),
        ("gated", 0, "skip"),
    ],
)
def test_a_night_s_budget_is_counted_by_class(
    services: Services, failure_class: str, earlier: int, decision: str
) -> None:
    properties = {"failure_class": failure_class, "plan": json.dumps(plan_of())}
    outcome = classify_task(
        succeeded=False,
        status="failed",
        status_reason="worker execution exit code 1",
        stop_cause=None,
        user_properties=properties,
    )

    found = bounded(
        services,
        outcome,
        count=lambda counted: earlier if counted == failure_class else 99,
        user_properties=properties,
        general=GENERAL,
    )

    assert (found.decision, found.failure_class) == (decision, failure_class)


def test_an_exhausted_fallback_policy_gives_up_before_its_budget(services: Services) -> None:
    longest = {"run_limit_s": "86400", "plan": json.dumps(plan_of(walltime="24:00"))}
    outcome = classify_task(
        succeeded=False,
        status="stopped",
        status_reason="task was stopped by tasks.stop",
        stop_cause="overtime",
        user_properties=longest,
    )

    found = bounded(services, outcome, count=lambda _: 0, user_properties=longest, general=GENERAL)

    assert (found.decision, found.failure_class) == ("fail", "wall_time")


def test_each_attempt_is_kept_with_the_plan_it_ran_by(services: Services, tmp_path: Path) -> None:
    petit = claimed(admit(services, run="night-1", models=["palmares-demo/petit"]))["petit"]
    first = {"idempotency_key": petit.job_key, "failure_class": "out_of_memory"}
    outcome = classify_task(
        succeeded=False, status="failed", status_reason="exit code 1", stop_cause=None, user_properties=first
    )
    for attempt, sequences in ((1, 64), (2, 16)):
        record_outcome(
            services,
            decision=outcome.decision,
            failure_class=outcome.failure_class,
            reason=outcome.reason,
            clearml_task_id="c" * 32,
            attempt=attempt,
            user_properties={**first, "plan": json.dumps(plan_of(max_num_seqs=sequences))},
        )

    kept = services.store.evaluations.attempts(petit.job_key)

    assert [(one.attempt, one.plan["max_num_seqs"]) for one in kept] == [(1, 64), (2, 16)]
    assert {one.failure_class for one in kept} == {"out_of_memory"}


def test_an_attempt_of_unknown_duration_costs_from_its_queueing_to_its_end(
    services: Services,
) -> None:
    petit = claimed(admit(services, run="night-1", models=["palmares-demo/petit"]))["petit"]
    enqueued_at = datetime.now(UTC) - timedelta(hours=2)
    record_outcome(
        services,
        decision="retry",
        failure_class="node_lost",
        reason="The node is gone.",
        clearml_task_id="c" * 32,
        attempt=2,
        user_properties={
            "idempotency_key": petit.job_key,
            "enqueued_at": str(int(enqueued_at.timestamp())),
            "plan": json.dumps({"cluster": "local", "nodes": 1, "gpus_per_node": 1}),
        },
        ran_s=None,
    )

    report = ledger_report(read_ledger(services), by=("outcome",))

    assert report["total"]["gpu_hours"] == pytest.approx(2.0, abs=0.05)
    assert (report["total"]["at_most"], report["by_outcome"][0]["outcome"]) == (1, "node_lost")


def test_a_retry_settles_nothing_in_the_store(services: Services) -> None:
    petit = claimed(admit(services, run="night-1", models=["palmares-demo/petit"]))["petit"]
    outcome = classify_task(
        succeeded=False, status="failed", status_reason="exit code -9", stop_cause=None, user_properties={}
    )

    record_outcome(
        services,
        decision=outcome.decision,
        failure_class=outcome.failure_class,
        reason=outcome.reason,
        clearml_task_id="c" * 32,
        attempt=1,
        user_properties={"idempotency_key": petit.job_key},
    )

    evaluation = services.store.evaluations.get(petit.job_key)
    assert evaluation is not None
    assert (evaluation.state, evaluation.failure_class) == (EvaluationState.CLAIMED, "node_lost")


def test_an_evaluator_that_fails_night_after_night_waits_for_a_person(services: Services) -> None:
    petit = claimed(admit(services, run="night-1", models=["palmares-demo/petit"]))["petit"]

    def ends(attempt: int, failure_class: str, decision: Decision) -> EvaluationState:
        record_outcome(
            services,
            decision=decision,
            failure_class=failure_class,
            reason="It failed.",
            clearml_task_id="c" * 32,
            attempt=attempt,
            user_properties={"idempotency_key": petit.job_key},
        )
        evaluation = services.store.evaluations.get(petit.job_key)
        assert evaluation is not None
        return evaluation.state

    most = services.settings.limits.evaluator_errors_in_a_row
    assert ends(1, "node_lost", "retry") is EvaluationState.CLAIMED
    for attempt in range(2, most + 1):
        assert ends(attempt, "evaluator_error", "fail") is EvaluationState.CLAIMED
    assert ends(most + 1, "evaluator_error", "fail") is EvaluationState.QUARANTINED
    evaluation = services.store.evaluations.get(petit.job_key)
    assert evaluation is not None
    assert evaluation.reason == (
        f"{most} attempts in a row ended as evaluator_error. The last: It failed. A person decides."
    )
    assert admit(services, run="night-2", models=["palmares-demo/petit"]).claimed == []
