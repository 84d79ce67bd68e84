"""What the live display says of jobs, from ClearML's own state."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from devstack.demo.jobs import Job, clock, live_jobs
from devstack.servers.clearml.app import create_api_app
from tests.devstack.servers.clearml.conftest import ACCESS_KEY, JWT_SECRET, SECRET_KEY, log_in, serving

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def clearml(tmp_path: Path) -> Iterator[httpx.Client]:
    app = create_api_app(tmp_path, access_key=ACCESS_KEY, secret_key=SECRET_KEY, jwt_secret=JWT_SECRET)
    with serving(app) as address, log_in(address) as client:
        yield client


def _call(client: httpx.Client, endpoint: str, **body: object) -> dict[str, Any]:
    data: dict[str, Any] = client.post(f"/{endpoint}", json=body).raise_for_status().json()["data"]
    return data


def _job(client: httpx.Client, model: str) -> str:
    parameter = {"section": "General", "name": "model", "value": model}
    task = _call(
        client, "tasks.create", name=model, type="testing", hyperparams={"General": {"model": parameter}}
    )
    _call(client, "tasks.enqueue", task=task["id"])
    return str(task["id"])


def test_a_job_has_its_place_in_the_queue_or_its_worker_and_the_time_since_it_began(clearml):
    first = _job(clearml, "org/first")
    for model in ("org/second", "org/third"):
        _job(clearml, model)
    queue = _call(clearml, "queues.get_default")["id"]
    _call(clearml, "queues.get_next_task", queue=queue)
    _call(clearml, "tasks.started", task=first)
    _call(clearml, "workers.status_report", worker="palmares:cpu0", task=first, timestamp=0)
    _call(clearml, "tasks.edit", task=first, runtime={"progress": "40"}, force=True)
    jobs = live_jobs(clearml)
    assert jobs["org/second"] == Job(place=1, waiting=2)
    assert jobs["org/third"] == Job(place=2, waiting=2)
    running = jobs["org/first"]
    assert (running.worker, running.percent, running.place) == ("palmares:cpu0", 40, None)
    _call(clearml, "tasks.completed", task=first)
    assert live_jobs(clearml).keys() == {"org/second", "org/third"}


def test_a_server_that_refuses_tells_nothing(clearml):
    clearml.headers["Authorization"] = "Bearer x"
    assert live_jobs(clearml) == {}


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
