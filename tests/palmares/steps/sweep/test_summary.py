from __future__ import annotations

from pathlib import Path

import pytest
from palmares.leaderboard.errors import ResultsIncompleteError, StoreError
from palmares.leaderboard.submissions.submission import Submission
from palmares.steps.leaderboard.standings import leaderboard_rows
from palmares.steps.services import Services
from palmares.steps.sweep.outcomes import classify_task, record_enqueued, record_outcome
from palmares.steps.sweep.planning import plan_resources
from palmares.steps.sweep.publishing import publish
from palmares.steps.sweep.results import fetch_results, post_process
from palmares.steps.sweep.summary import record_failure, summarize, without_a_told_end
from palmares.store.store import EvaluationState

from tests.palmares.leaderboard.results_folder import write_results
from tests.palmares.steps.sweeping import admit, claimed, request

RUN = "night-1"


def finish(services: Services, submission: Submission, folder: Path) -> None:
    write_results(folder, submission, services.settings.suite())
    plan_resources(services, submission.to_json(), dag_run_id=RUN, cluster=None)
    record_enqueued(services, submission.job_key, "c" * 32)
    fetch_results(services, submission.to_json(), folder, attempt=1)
    post_process(services, submission.to_json())
    publish(services, submission.to_json(), dag_run_id=RUN)


def test_a_night_without_submissions_has_a_summary(services: Services) -> None:
    summary = summarize(services, dag_run_id="nobody")

    assert summary["text"] == "0 published, 0 preliminary, 0 refused, 0 failed"


def test_a_failed_model_waits_again_uncharged_and_is_claimed_the_next_night(services: Services) -> None:
    petit = claimed(admit(services, run=RUN, models=["palmares-demo/petit"]))["petit"]
    record_failure(
        services, petit.job_key, dag_run_id=RUN, task_id="enqueue", error=StoreError("no route to ClearML")
    )

    summary = summarize(services, dag_run_id=RUN)

    reason = "enqueue: no route to ClearML"
    assert summary["failed"] == [
        {"model": "palmares-demo/petit", "class": "infrastructure", "reason": reason}
    ]
    assert summary["text"].endswith(f"1 failed; palmares-demo/petit: infrastructure: {reason}")
    written = request(services, petit.request_path)
    assert written["status"] == "PENDING"
    assert written["error_msg"] == "infrastructure: enqueue: no route to ClearML"
    assert set(claimed(admit(services, run="night-2", models=["palmares-demo/petit"]))) == {"petit"}


def test_a_strangers_exception_is_named_but_not_quoted_in_public(services: Services) -> None:
    petit = claimed(admit(services, run=RUN, models=["palmares-demo/petit"]))["petit"]
    record_failure(
        services, petit.job_key, dag_run_id=RUN, task_id="post_process", error=KeyError("enoncé caché")
    )

    summarize(services, dag_run_id=RUN)

    written = request(services, petit.request_path)
    assert written["error_msg"] == "infrastructure: post_process: KeyError, see the task's log"


def test_addresses_inside_the_house_stay_there(services: Services) -> None:
    petit = claimed(admit(services, run=RUN, models=["palmares-demo/petit"]))["petit"]
    error = StoreError("no answer from http://clearml.internal:8008/v2 today")
    record_failure(services, petit.job_key, dag_run_id=RUN, task_id="enqueue", error=error)

    summarize(services, dag_run_id=RUN)

    assert "clearml.internal" not in request(services, petit.request_path)["error_msg"]


def test_an_older_runs_failure_does_not_touch_the_run_that_holds_the_model(services: Services) -> None:
    petit = claimed(admit(services, run=RUN, models=["palmares-demo/petit"]))["petit"]

    record_failure(services, petit.job_key, dag_run_id="night-0", task_id="publish", error="late")

    evaluation = services.store.evaluations.get(petit.job_key)
    assert evaluation is not None
    assert evaluation.state is EvaluationState.CLAIMED


def test_unusable_results_are_run_anew_the_next_night(services: Services) -> None:
    petit = claimed(admit(services, run=RUN, models=["palmares-demo/petit"]))["petit"]
    error = ResultsIncompleteError("gpqa-fr has 40 rows of 48")
    record_failure(services, petit.job_key, dag_run_id=RUN, task_id="fetch_results", error=error)
    summarize(services, dag_run_id=RUN)

    again = claimed(admit(services, run="night-2", models=["palmares-demo/petit"]))["petit"]

    assert again.run_number == 2


def test_a_group_that_died_without_a_word_counts_as_failed(services: Services) -> None:
    petit = claimed(admit(services, run=RUN, models=["palmares-demo/petit"]))["petit"]

    summary = summarize(services, dag_run_id=RUN)

    assert [one["model"] for one in summary["failed"]] == ["palmares-demo/petit"]
    assert request(services, petit.request_path)["status"] == "PENDING"


def test_a_models_own_fault_fails_its_request_and_no_task(services: Services) -> None:
    petit = claimed(admit(services, run=RUN, models=["palmares-demo/petit"]))["petit"]
    outcome = classify_task(
        succeeded=False,
        status="failed",
        status_reason="worker execution exit code 1",
        stop_cause=None,
        user_properties={"failure_class": "bad_model"},
    )
    record_outcome(
        services,
        decision=outcome.decision,
        failure_class=outcome.failure_class,
        reason=outcome.reason,
        clearml_task_id="c" * 32,
        attempt=1,
        user_properties={"idempotency_key": petit.job_key, "plan": "{}"},
    )

    summary = summarize(services, dag_run_id=RUN)

    assert (outcome.decision, summary["failed"]) == ("skip", [])
    written = request(services, petit.request_path)
    assert (written["status"], written["error_msg"].split(":")[0]) == ("FAILED", "bad_model")


def test_what_a_person_cancelled_stays_cancelled(services: Services) -> None:
    petit = claimed(admit(services, run=RUN, models=["palmares-demo/petit"]))["petit"]
    outcome = classify_task(
        succeeded=False, status="stopped", status_reason="by anna", stop_cause=None, user_properties={}
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
    record_failure(services, petit.job_key, dag_run_id=RUN, task_id="poll_status", error="cancelled")

    summarize(services, dag_run_id=RUN)

    assert request(services, petit.request_path)["status"] == "CANCELLED"
    assert admit(services, run="night-2", models=["palmares-demo/petit"]).claimed == []


def test_a_job_that_was_cancelled_from_airflow_is_cancelled_not_tried_again(services: Services) -> None:
    petit = claimed(admit(services, run=RUN, models=["palmares-demo/petit"]))["petit"]
    plan_resources(services, petit.to_json(), dag_run_id=RUN, cluster=None)
    record_enqueued(services, petit.job_key, "c" * 32)
    assert [one.job_key for one in without_a_told_end(services, dag_run_id=RUN)] == [petit.job_key]

    summary = summarize(services, dag_run_id=RUN, killed={petit.job_key: "Marked failed in Airflow"})

    assert summary["failed"] == [
        {"model": "palmares-demo/petit", "class": "cancelled", "reason": "Marked failed in Airflow"}
    ]
    written = request(services, petit.request_path)
    assert (written["status"], written["error_msg"]) == ("CANCELLED", "cancelled: Marked failed in Airflow")
    assert admit(services, run="night-2", models=["palmares-demo/petit"]).claimed == []


def test_a_parked_model_stays_running_with_the_evidence(services: Services) -> None:
    petit = claimed(admit(services, run=RUN, models=["palmares-demo/petit"]))["petit"]
    services.store.evaluations.update(
        petit.job_key, state=EvaluationState.QUARANTINED, reason_code="parked", reason="0.5 is not 0.9"
    )

    summary = summarize(services, dag_run_id=RUN)

    assert summary["failed"]
    written = request(services, petit.request_path)
    assert (written["status"], written["error_msg"]) == ("RUNNING", "parked: 0.5 is not 0.9")


@pytest.mark.parametrize(
    ("status", "reason", "cause", "reported", "expected"),
    [
        ("completed", "worker execution done", None, "", ("succeeded", "succeeded")),
        ("failed", "worker execution exit code 1", None, "", ("retry", "evaluator_error")),
        ("failed", "worker execution exit code -9", None, "", ("retry", "node_lost")),
        ("failed", "worker execution exit code 1", None, "gated", ("skip", "gated")),
        ("stopped", "user abort", None, "gated", ("retry", "preempted")),
        ("stopped", "task was stopped by tasks.stop", "node_lost", "bad_model", ("retry", "node_lost")),
        ("failed", "worker execution exit code 1", None, "out_of_memory", ("retry", "out_of_memory")),
        ("stopped", "Forced stop (non-responsive)", None, "", ("retry", "node_lost")),
        ("stopped", "user abort", None, "", ("retry", "preempted")),
        ("stopped", "task was stopped by tasks.stop", "node_lost", "", ("retry", "node_lost")),
        ("stopped", "task was stopped by tasks.stop", "deadline", "", ("retry", "wall_time")),
        ("stopped", "task was stopped by tasks.stop", None, "", ("cancelled", "cancelled")),
    ],
)
def test_a_termination_has_a_class_that_decides(
    status: str, reason: str, cause: str | None, reported: str, expected: tuple[str, str]
) -> None:
    outcome = classify_task(
        succeeded=status == "completed",
        status=status,
        status_reason=reason,
        stop_cause=cause,
        user_properties={"failure_class": reported},
    )

    assert (outcome.decision, outcome.failure_class) == expected


def test_the_leaderboard_has_a_row_for_each_request_scored_ones_first(
    services: Services, tmp_path: Path
) -> None:
    submissions = claimed(admit(services, run=RUN))
    finish(services, submissions["petit"], tmp_path / "petit")

    rows = leaderboard_rows(services)

    assert len(rows) == 12
    assert (rows[0]["model"], rows[0]["status"]) == ("palmares-demo/petit", "FINISHED")
    assert rows[0]["scores"]["bac-fr"]["value"] == pytest.approx(0.75)
    assert rows[0]["revision"] == submissions["petit"].revision
    assert all(not row["scores"] for row in rows[1:])
    reasons = {row["reason"].split(":")[0] for row in rows if row["status"] == "FAILED"}
    assert {"invalid_json", "invalid_name", "duplicate", "gated", "not_found"} <= reasons
