"""Decisions about models, carried out: requests, evaluations under way, and what a sweep does afterwards."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from palmares.leaderboard.errors import (
    ClaimLostError,
    HubNotFoundError,
    HubUnavailableError,
    ModerationError,
    StoreError,
)
from palmares.steps.requests.moderation import moderate
from palmares.steps.services import Services
from palmares.steps.sweep.examination import one_admission_at_a_time
from palmares.steps.sweep.outcomes import record_enqueued
from palmares.steps.sweep.planning import plan_resources
from palmares.steps.sweep.publishing import publish as publish_for_real
from palmares.steps.sweep.results import fetch_results, post_process
from palmares.store.store import EvaluationState

from tests.palmares.leaderboard.results_folder import write_results
from tests.palmares.steps.deciding import decision, edit, publish, write
from tests.palmares.steps.sweeping import admit, claimed, request, request_files

PETIT = "palmares-demo/petit_eval_request_False_False_False.json"
PETIT_2 = "palmares-demo/petit_eval_request_False_float16_Original.json"
PETITS: dict[str, Any] = {"models": ["palmares-demo/petit"]}


def test_a_withdrawn_model_is_cancelled_and_not_evaluated(services: Services) -> None:
    done = moderate(services, decision("withdrawn"))

    assert (done.is_new, done.requests, done.cancelled) == (True, (PETIT,), ())
    told = request(services, PETIT)
    assert told["status"] == "CANCELLED"
    assert told["error_msg"].startswith("withdrawn: The model palmares-demo/petit was withdrawn")
    assert "(Trained on the test set)" in told["error_msg"]
    assert "petit" not in claimed(admit(services))


def test_a_model_that_is_submitted_after_its_withdrawal_is_told_so(services: Services) -> None:
    moderate(services, decision("withdrawn"))
    edit(services, PETIT, status="PENDING")

    assert admit(services, **PETITS).claimed == []

    assert request(services, PETIT)["status"] == "CANCELLED"
    assert [one.refusal.code for one in services.store.request_files.refusals()] == ["withdrawn"]


def test_what_is_under_way_of_a_withdrawn_model_is_closed_for_its_run(services: Services) -> None:
    petit = claimed(admit(services, **PETITS))["petit"]

    done = moderate(services, decision("withdrawn"))

    assert done.cancelled == (f"palmares-demo/petit at {petit.revision}",)
    known = services.store.evaluations.get(petit.job_key)
    assert known is not None
    assert (known.state, known.reason_code, known.is_closed) == (EvaluationState.CANCELLED, "withdrawn", True)
    with pytest.raises(ClaimLostError, match="was withdrawn"):
        plan_resources(services, petit.to_json(), dag_run_id="night-1", cluster=None)
    assert request(services, PETIT)["status"] == "CANCELLED"


def test_a_withdrawal_waits_for_the_sweep_that_may_be_claiming_the_model(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("palmares.steps.sweep.examination.ADMISSION_PATIENCE_S", 0.2)
    with one_admission_at_a_time(services):
        with pytest.raises(StoreError, match="held the lock"):
            moderate(services, decision("withdrawn"))
        assert services.store.moderation.current() == {}

    assert moderate(services, decision("withdrawn")).is_new


def test_a_model_that_is_withdrawn_before_its_publication_is_not_published(
    services: Services, tmp_path: Path
) -> None:
    petit = claimed(admit(services, **PETITS))["petit"]
    write_results(tmp_path / "job", petit, services.settings.suite())
    plan_resources(services, petit.to_json(), dag_run_id="night-1", cluster=None)
    record_enqueued(services, petit.job_key, "c" * 32)
    fetch_results(services, petit.to_json(), tmp_path / "job", attempt=1, dag_run_id="night-1")
    post_process(services, petit.to_json(), dag_run_id="night-1")

    moderate(services, decision("withdrawn"))

    with pytest.raises(ClaimLostError, match="was withdrawn"):
        publish_for_real(services, petit.to_json(), dag_run_id="night-1")
    with pytest.raises(HubNotFoundError):  # nobody ever wrote there
        services.hub.head(services.settings.hub.results_repo)
    assert request(services, PETIT)["status"] == "CANCELLED"


def test_a_withdrawal_leaves_a_finished_request_as_it_is(services: Services) -> None:
    petit = claimed(admit(services, **PETITS))["petit"]
    publish(services, petit.job_key)
    edit(services, PETIT, status="FINISHED")
    before = request_files(services)[PETIT]

    done = moderate(services, decision("withdrawn"))

    assert (done.requests, done.cancelled) == ((), ())
    assert request_files(services)[PETIT] == before


def test_a_decision_that_died_before_the_hub_was_told_is_finished_by_saying_it_again(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    import palmares.steps.requests.moderation as steps

    def away(*_: object) -> list[str]:
        raise HubUnavailableError("503")

    with monkeypatch.context() as patch:
        patch.setattr(steps, "write_out", away)
        with pytest.raises(HubUnavailableError):
            moderate(services, decision("withdrawn"))
    assert request(services, PETIT)["status"] == "PENDING"

    assert not moderate(services, decision("withdrawn")).is_new
    assert request(services, PETIT)["status"] == "CANCELLED"


def test_a_reinstated_model_is_evaluated_once_it_is_submitted_again(services: Services) -> None:
    claimed(admit(services, **PETITS))
    moderate(services, decision("withdrawn"))
    moderate(services, decision("lifted", reason="It was another model."))
    edit(services, PETIT, status="PENDING", error_msg=None)

    again = claimed(admit(services, run="night-2", **PETITS))["petit"]

    assert again.run_number == 2


def test_a_flag_changes_no_request_and_stops_no_evaluation(services: Services) -> None:
    before = request_files(services)

    assert moderate(services, decision("flagged")).is_new

    assert request_files(services) == before
    assert set(claimed(admit(services, **PETITS))) == {"petit"}


def test_a_renamed_model_is_evaluated_under_its_new_name(services: Services) -> None:
    before = json.loads(request_files(services)[PETIT])
    done = moderate(services, decision("renamed", new_model_id="palmares-demo/grand"))

    assert done.requests == (PETIT,)
    after = request(services, PETIT)
    assert after == {**before, "model": "palmares-demo/grand"}
    admitted = admit(services, models=["palmares-demo/grand"])
    assert {one.model_id for one in admitted.claimed} == {"palmares-demo/grand"}


def test_a_renamed_model_keeps_its_result_and_is_not_evaluated_again(services: Services) -> None:
    """The very request is finished; another one of the same model is told which has the result."""
    services_hub_copy(services, "palmares-demo/petit", "palmares-demo/neuf")
    petit = claimed(admit(services, **PETITS))["petit"]
    publish(services, petit.job_key)
    edit(services, PETIT, status="FINISHED")
    moderate(services, decision("renamed", new_model_id="palmares-demo/neuf"))
    assert request(services, PETIT)["model"] == "palmares-demo/petit"
    other = request(services, PETIT) | {"model": "palmares-demo/neuf", "status": "PENDING"}
    write(services, PETIT_2, json.dumps(other).encode())
    edit(services, PETIT, status="PENDING", model="palmares-demo/neuf")

    first = admit(services, run="night-2", models=["palmares-demo/neuf"])
    assert first.claimed == []
    assert request(services, PETIT)["status"] == "FINISHED"
    edit(services, PETIT_2, status="PENDING", error_msg=None)
    assert admit(services, run="night-3", models=["palmares-demo/neuf"]).claimed == []

    told = request(services, PETIT_2)
    assert told["error_msg"].startswith("already_evaluated: ")
    assert PETIT in told["error_msg"]


def test_a_contradiction_is_told_and_writes_nothing(services: Services) -> None:
    moderate(services, decision("renamed", new_model_id="palmares-demo/neuf"))
    before = request_files(services)

    with pytest.raises(ModerationError, match="is called palmares-demo/neuf now"):
        moderate(services, decision("withdrawn"))
    assert request_files(services) == before


def services_hub_copy(services: Services, old: str, new: str) -> None:
    """The same commit under another name, as after a rename on the Hub."""
    facts = services.hub.model_facts

    def ask(model_id: str, revision: str):
        return facts(old if model_id == new else model_id, revision)

    services.hub.model_facts = ask  # type: ignore[method-assign]
