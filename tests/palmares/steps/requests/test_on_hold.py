"""A parked evaluation goes on when a person says so: looked at again, and not computed anew."""

from __future__ import annotations

from pathlib import Path

import pytest
from palmares.leaderboard.errors import GateError
from palmares.leaderboard.submissions.submission import Submission
from palmares.steps.requests.on_hold import find_on_hold, unpark
from palmares.steps.services import Services
from palmares.steps.sweep.outcomes import record_enqueued
from palmares.steps.sweep.planning import plan_resources
from palmares.steps.sweep.publishing import publish
from palmares.steps.sweep.results import fetch_results, post_process
from palmares.steps.sweep.summary import summarize
from palmares.store.store import EvaluationState

from tests.palmares.leaderboard.results_folder import write_results
from tests.palmares.steps.sweeping import admit, claimed, request

PETIT = "palmares-demo/petit_eval_request_False_False_False.json"


def parked(services: Services) -> Submission:
    petit = claimed(admit(services, models=["palmares-demo/petit"]))["petit"]
    for state in ("planned", "enqueued", "fetched"):
        services.store.evaluations.update(petit.job_key, state=EvaluationState(state))
    services.store.evaluations.update(
        petit.job_key, state=EvaluationState.QUARANTINED, reason_code="parked", reason="The canary failed."
    )
    summarize(services, dag_run_id="night-1")
    assert request(services, PETIT)["error_msg"].startswith("parked: ")
    return petit


def test_a_sweep_leaves_a_parked_evaluation_alone(services: Services) -> None:
    parked(services)

    assert admit(services, run="night-2", models=["palmares-demo/petit"]).claimed == []


def test_an_unparked_evaluation_is_the_first_of_the_next_run_under_the_same_key(services: Services) -> None:
    petit = parked(services)

    assert [one.job_key for one in unpark(services, "palmares-demo/petit", by="amelie")] == [petit.job_key]

    waits = request(services, PETIT)
    assert (waits["status"], waits["error_msg"].split(":")[0]) == ("PENDING", "unparked")
    known = services.store.evaluations.get(petit.job_key)
    assert known is not None
    assert known.reason is not None
    assert "as amelie decided" in known.reason
    assert "The canary failed." in known.reason
    admitted = admit(services, run="night-2")
    assert admitted.claimed[0].job_key == petit.job_key
    assert request(services, PETIT)["status"] == "RUNNING"


def test_it_may_be_parked_and_unparked_again(services: Services) -> None:
    petit = parked(services)
    unpark(services, PETIT, by="amelie")
    claimed(admit(services, run="night-2", models=["palmares-demo/petit"]))
    services.store.evaluations.update(
        petit.job_key, state=EvaluationState.QUARANTINED, reason_code="parked", reason="Still."
    )
    summarize(services, dag_run_id="night-2")

    assert [one.job_key for one in find_on_hold(services, PETIT)] == [petit.job_key]
    assert len(unpark(services, PETIT, by="amelie")) == 1
    assert request(services, PETIT)["status"] == "PENDING"


def test_unparking_what_is_not_parked_does_nothing(services: Services) -> None:
    parked(services)
    unpark(services, PETIT, by="amelie")

    assert unpark(services, PETIT, by="amelie") == []
    assert unpark(services, "palmares-demo/grand", by="amelie") == []


def test_once_the_gate_is_content_the_next_run_publishes_what_was_computed_before(
    services: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The job ran once: the second run adopts it, and finds the same outputs."""
    petit = claimed(admit(services, models=["palmares-demo/petit"]))["petit"]
    write_results(tmp_path / "job", petit, services.settings.suite())

    def evaluate(run: str) -> None:
        plan_resources(services, petit.to_json(), dag_run_id=run, cluster=None)
        record_enqueued(services, petit.job_key, "c" * 32)
        fetch_results(services, petit.to_json(), tmp_path / "job", attempt=1, dag_run_id=run)
        post_process(services, petit.to_json(), dag_run_id=run)
        publish(services, petit.to_json(), dag_run_id=run)

    def objects(*_: object, **__: object) -> None:
        raise GateError("gpqa-fr: the rows say 0.5, the manifest says 0.9")

    with monkeypatch.context() as patch:
        patch.setattr("palmares.steps.sweep.results.score_results", objects)
        with pytest.raises(GateError):
            evaluate("night-1")
    summarize(services, dag_run_id="night-1")
    before = services.store.results.accepted(petit.job_key)
    unpark(services, "palmares-demo/petit", by="amelie")
    again = claimed(admit(services, run="night-2", models=["palmares-demo/petit"]))["petit"]
    assert again.job_key == petit.job_key

    evaluate("night-2")

    known = services.store.evaluations.get(petit.job_key)
    assert known is not None
    assert known.state is EvaluationState.PUBLISHED
    assert services.store.results.accepted(petit.job_key) == before
    assert request(services, PETIT)["status"] == "FINISHED"
