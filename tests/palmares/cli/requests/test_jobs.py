"""What the live display says of jobs, from ClearML's own state."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import httpx
import pytest
from palmares.cli.requests.jobs import Job, clock, jobs_at, live_jobs

from tests.devstack.servers.clearml.conftest import ACCESS_KEY, SECRET_KEY
from tests.palmares.cli.requests.calling import call_clearml

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def client(clearml: tuple[httpx.Client, dict[str, str]]) -> httpx.Client:
    return clearml[0]


def _job(client: httpx.Client, model: str) -> str:
    parameter = {"section": "General", "name": "model", "value": model}
    task = call_clearml(
        client, "tasks.create", name=model, type="testing", hyperparams={"General": {"model": parameter}}
    )
    call_clearml(client, "tasks.enqueue", task=task["id"])
    return str(task["id"])


def test_a_job_has_its_place_in_the_queue_or_its_worker_and_the_time_since_it_began(client):
    first = _job(client, "org/first")
    for model in ("org/second", "org/third"):
        _job(client, model)
    queue = call_clearml(client, "queues.get_default")["id"]
    call_clearml(client, "queues.get_next_task", queue=queue)
    call_clearml(client, "tasks.started", task=first)
    call_clearml(client, "workers.status_report", worker="palmares:cpu0", task=first, timestamp=0)
    call_clearml(client, "tasks.edit", task=first, runtime={"progress": "40"}, force=True)
    jobs = {job.model: job for job in live_jobs(client).values()}
    assert jobs["org/second"] == Job(model="org/second", place=1, waiting=2)
    assert jobs["org/third"] == Job(model="org/third", place=2, waiting=2)
    running = live_jobs(client)[first]
    assert (running.worker, running.percent, running.place) == ("palmares:cpu0", 40, None)
    call_clearml(client, "tasks.completed", task=first)
    assert {job.model for job in live_jobs(client).values()} == {"org/second", "org/third"}


def test_a_server_that_refuses_tells_nothing(client):
    client.headers["Authorization"] = "Bearer x"
    assert live_jobs(client) == {}


def test_a_server_that_is_away_or_refuses_the_keys_is_not_one_without_jobs(client):
    address = str(client.base_url)
    _job(client, "org/first")

    found = jobs_at(address, (ACCESS_KEY, SECRET_KEY))
    assert found is not None
    assert [job.model for job in found.values()] == ["org/first"]
    assert jobs_at(address, (ACCESS_KEY, "wrong")) is None
    assert jobs_at("http://127.0.0.1:9", (ACCESS_KEY, SECRET_KEY)) is None


@pytest.mark.parametrize(
    ("job", "text"),
    [
        (Job(place=2, waiting=3), "queued, place 2 of 3"),
        (Job(), "taken by an agent"),
        (Job(worker="w", since=NOW - timedelta(seconds=65)), "running on w for 1:05"),
        (Job(worker="w", since=NOW - timedelta(hours=2), percent=7), "running on w for 2:00:00, 7 % done"),
    ],
)
def test_a_job_is_reported_as_text(job, text):
    assert job.text(NOW) == text


def test_a_clock_that_runs_behind_shows_no_negative_time():
    assert clock(-3) == "0:00"
