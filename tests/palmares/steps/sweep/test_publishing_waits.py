"""A publication that has to wait for the Hub: told, kept, and ended by itself when the cause is gone."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import psycopg
import pytest
from palmares.hub import Hub
from palmares.leaderboard.errors import OutboxWaitError
from palmares.leaderboard.submissions.submission import Submission
from palmares.steps.outbox import write_everything
from palmares.steps.services import Services
from palmares.steps.sweep import publishing
from palmares.steps.sweep.outcomes import record_enqueued
from palmares.steps.sweep.planning import plan_resources
from palmares.steps.sweep.publishing import publish
from palmares.steps.sweep.results import fetch_results, post_process
from palmares.store.store import EvaluationState

from performance.publishing.models import FILES_A_MODEL
from tests.palmares.leaderboard.results_folder import write_results
from tests.palmares.steps.sweeping import admit, claimed, request

RUN = "night-1"


@pytest.fixture
def petit(services: Services) -> Submission:
    return claimed(admit(services, run=RUN))["petit"]


@pytest.fixture
def scored(services: Services, petit: Submission, tmp_path: Path) -> None:
    plan_resources(services, petit.to_json(), dag_run_id=RUN, cluster=None)
    record_enqueued(services, petit.job_key, "c" * 32)
    write_results(tmp_path / "job", petit, services.settings.suite())
    fetch_results(services, petit.to_json(), tmp_path / "job", attempt=1)
    post_process(services, petit.to_json())


@pytest.fixture
def without_token(services: Services) -> Services:
    return dataclasses.replace(services, hub=Hub(endpoint=services.hub.endpoint, token="hf_revoked"))


def later(store_url: str) -> None:
    with psycopg.connect(store_url, autocommit=True) as connection:
        connection.execute("UPDATE hub_repositories SET retry_at = now() WHERE obstacle IS NOT NULL")


@pytest.mark.usefixtures("scored")
def test_a_publication_without_a_valid_token_waits_and_ends_with_a_new_one(
    services: Services, without_token: Services, petit: Submission, store_url: str
) -> None:
    with pytest.raises(OutboxWaitError, match=r"\[token\] .*put a new one into the connection"):
        publish(without_token, petit.to_json(), dag_run_id=RUN)
    evaluation = services.store.evaluations.get(petit.job_key)
    assert evaluation is not None
    assert evaluation.state is EvaluationState.SCORED
    assert request(services, petit.request_path)["status"] == "RUNNING"

    later(store_url)
    publish(services, petit.to_json(), dag_run_id=RUN)

    assert len(services.store.outbox.files(petit.job_key)) == FILES_A_MODEL  # what the load test publishes
    assert request(services, petit.request_path)["status"] == "FINISHED"
    evaluation = services.store.evaluations.get(petit.job_key)
    assert evaluation is not None
    assert evaluation.state is EvaluationState.PUBLISHED


@pytest.mark.usefixtures("scored")
def test_what_waits_is_written_once_however_often_the_task_looks(
    services: Services,
    without_token: Services,
    petit: Submission,
    store_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(OutboxWaitError):
        publish(without_token, petit.to_json(), dag_run_id=RUN)
    monkeypatch.delattr(publishing, "model_files")

    with pytest.raises(OutboxWaitError, match="Nothing is lost"):
        publish(without_token, petit.to_json(), dag_run_id=RUN)
    later(store_url)
    write_everything(services)  # as the reconciliation does
    done = publish(services, petit.to_json(), dag_run_id=RUN)

    assert all(commits == [] for commits in done["commits"].values())
    assert request(services, petit.request_path)["status"] == "FINISHED"
