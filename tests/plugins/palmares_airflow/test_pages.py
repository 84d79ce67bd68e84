"""The operators' pages from what the store holds; Airflow's log-in is tested on the running stack."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from palmares.leaderboard.submissions.submission import Submission
from palmares.steps.services import Services
from palmares.store.store import EvaluationState
from palmares_airflow.pages.rows import plan_text, shown

from tests.fixtures.hub_server import HubServer
from tests.palmares.steps.sweeping import admit, claimed

PLAN = {
    "nodes": 1,
    "gpus_per_node": 2,
    "cluster": "musa",
    "queue": "musa-2",
    "walltime": "0:30:00",
    "gpu_hours": 1.5,
}
HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
def petit(services: Services) -> Submission:
    return claimed(admit(services))["petit"]


@pytest.fixture
def pages(
    services: Services, demo_hub: HubServer, store_url: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[TestClient]:
    """The pages for somebody whom Airflow let in."""
    from palmares_airflow.pages.app import may_read, web_application

    clearml = {"conn_type": "clearml", "host": "http://api.test", "login": "key", "password": "secret"}
    hub = {"conn_type": "generic", "host": demo_hub.endpoint, "password": demo_hub.token}
    monkeypatch.setenv("AIRFLOW_CONN_CLEARML_DEFAULT", json.dumps(clearml))
    monkeypatch.setenv("AIRFLOW_CONN_HUGGINGFACE_HUB", json.dumps(hub))
    monkeypatch.setenv("AIRFLOW_CONN_PALMARES_DB", store_url)
    app, root = web_application(), FastAPI()
    root.mount("/palmares", app)
    app.dependency_overrides[may_read] = lambda: None
    with TestClient(root) as client:
        yield client
    app.dependency_overrides.clear()


def fail(services: Services, petit: Submission, *, attempt: int, cause: str, reason: str) -> None:
    evaluations = services.store.evaluations
    evaluations.record_attempt(petit.job_key, attempt=attempt, clearml_task_id="c1ea4", plan=PLAN)
    evaluations.end_attempt(petit.job_key, attempt=attempt, failure_class=cause, reason=reason)


def test_a_model_has_its_attempts_plan_and_links(
    services: Services, petit: Submission, pages: TestClient
) -> None:
    fail(services, petit, attempt=1, cause="node_lost", reason="The node is gone.")
    fail(services, petit, attempt=2, cause="out_of_memory", reason=HOSTILE)

    (model,) = pages.get("/palmares/api/models", params={"q": "PETIT"}).json()["models"]
    assert (model["model"], model["state"], model["run_id"]) == (petit.model_id, "claimed", "night-1")
    assert model["request_url"].endswith(f"/palmares-demo/requests/blob/main/{petit.request_path}")
    assert [each["failure_class"] for each in model["attempts"]] == ["node_lost", "out_of_memory"]
    assert model["attempts"][0]["plan"] == "1 x 2 GPU on musa, queue musa-2, wall time 0:30:00"
    assert model["attempts"][0]["forecast_gpu_hours"] == 1.5
    assert model["attempts"][0]["clearml_url"] == "http://app.test/projects/*/experiments/c1ea4/output/log"
    page = pages.get("/palmares/models", params={"q": "petit"})
    assert "out_of_memory" in page.text
    assert HOSTILE not in page.text
    assert page.headers["content-security-policy"].startswith("default-src 'none'")


def test_the_models_of_one_run_are_those_that_it_holds(petit: Submission, pages: TestClient) -> None:
    everything = pages.get("/palmares/api/models", params={"run": "night-1"}).json()["models"]
    assert petit.model_id in [model["model"] for model in everything]
    nothing = pages.get("/palmares/api/models", params={"run": "night-2"}).json()
    assert nothing == {"models": [], "total": 0, "number": 1, "last": 1}
    assert "night-2" in pages.get("/palmares/models", params={"run": "night-2"}).text


def test_failures_are_grouped_by_cause_and_what_is_on_hold_says_what_to_do(
    services: Services, petit: Submission, pages: TestClient
) -> None:
    fail(services, petit, attempt=1, cause="node_lost", reason="First.")
    fail(services, petit, attempt=2, cause="node_lost", reason="Second.")
    services.store.evaluations.update(
        petit.job_key, state=EvaluationState.QUARANTINED, reason_code="gate", reason="Too good to be true."
    )

    answer = pages.get("/palmares/api/failures").json()
    rows = {row["cause"]: row for row in answer["failures"]}
    assert (rows["node_lost"]["count"], rows["node_lost"]["models"]) == (2, [petit.model_id])
    assert rows["node_lost"]["example"] == "Second."
    assert rows["gate"]["example"] == "Too good to be true."
    assert [one["model"] for one in answer["on_hold"]] == [petit.model_id]
    assert f"palmares requests unpark {petit.model_id}" in pages.get("/palmares/failures").text


def test_the_queue_says_who_comes_next_and_why_and_writes_nothing(
    services: Services, pages: TestClient
) -> None:
    answer = pages.get("/palmares/api/queue").json()
    assert [row["position"] for row in answer["waiting"]] == [1, 2, 3]
    assert all(row["why"] for row in answer["waiting"])
    assert {row["refusal"] for row in answer["refused"]} >= {"duplicate", "gated", "not_found"}
    assert services.store.evaluations.find() == []
    page = pages.get("/palmares/queue").text
    assert answer["waiting"][0]["model"] in page
    assert answer["next_sweep"] in page


def test_the_style_is_the_sites(pages: TestClient) -> None:
    style = pages.get("/palmares/site.css")
    assert style.headers["content-type"].startswith("text/css")
    assert "prefers-color-scheme: dark" in style.text


@pytest.mark.parametrize("plan", [None, {}, {"gpu_hours": 3}])
def test_without_a_plan_none_is_shown(plan: dict[str, object] | None) -> None:
    assert plan_text(plan) == ""


def test_times_are_shown_with_their_zone() -> None:
    assert shown(datetime(2026, 1, 5, 8, 0, tzinfo=UTC)) == "2026-01-05 09:00 CET"
    assert shown(None) == ""


def test_the_ledger_adds_up_failed_attempts_too(
    services: Services, petit: Submission, pages: TestClient
) -> None:
    fail(services, petit, attempt=1, cause="node_lost", reason="Gone.")
    services.store.evaluations.end_attempt(
        petit.job_key, attempt=1, failure_class="node_lost", reason="Gone.", ran_s=7200.0
    )

    answer = pages.get("/palmares/api/ledger").json()
    assert (answer["total"]["attempts"], answer["total"]["gpu_hours"]) == (1, 4.0)
    assert [row["organisation"] for row in answer["by_organisation"]] == ["palmares-demo"]
    assert "node_lost" in pages.get("/palmares/ledger").text
    assert pages.get("/palmares/api/ledger", params={"until": "2001-01"}).json()["total"]["attempts"] == 0
    assert pages.get("/palmares/ledger", params={"since": HOSTILE}).status_code == 422


def test_models_come_fifty_a_page(
    services: Services, petit: Submission, pages: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("palmares_airflow.pages.app.MODELS_A_PAGE", 2)
    fail(services, petit, attempt=1, cause="node_lost", reason="Gone.")

    first, second = (pages.get("/palmares/api/models", params={"page": page}).json() for page in (1, 2))

    assert (first["total"], first["last"], len(first["models"]), len(second["models"])) == (3, 2, 2, 1)
    names = [model["model"] for model in (*first["models"], *second["models"])]
    assert len(set(names)) == 3
    assert "page 1 of 2, 3 evaluations" in pages.get("/palmares/models").text
    assert "page=1" in pages.get("/palmares/models", params={"page": 2}).text
    assert pages.get("/palmares/models", params={"page": 0}).status_code == 422
