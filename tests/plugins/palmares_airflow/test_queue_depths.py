"""How long queues are, as the planner is told; and nothing when ClearML is away."""

from __future__ import annotations

import pytest
from palmares.leaderboard.clusters import DockerHost
from palmares.leaderboard.settings import load_settings
from palmares_airflow.jobs import queue_depths

from tests.fixtures.config import CONFIG_DIR
from tests.plugins.clearml_provider.workplace import Workplace


def test_a_queue_without_an_agent_is_not_told(clearml: Workplace) -> None:
    clearml.enqueue()

    assert clearml.queue not in queue_depths([])


def test_a_queue_of_a_docker_host_needs_no_agent(clearml: Workplace) -> None:
    local = load_settings(CONFIG_DIR).cluster("local")
    host = DockerHost(url="unix:///x", image="x")
    changed = local.model_copy(update={"launcher": "docker", "docker": host, "queues": {"*": clearml.queue}})
    clearml.enqueue()

    assert queue_depths([local, changed])[clearml.queue] == 1


def test_jobs_that_wait_or_run_count(clearml: Workplace) -> None:
    clearml.call("workers.register", worker=clearml.worker, queues=[clearml.queue_id])
    assert queue_depths([])[clearml.queue] == 0

    clearml.enqueue()
    assert queue_depths([])[clearml.queue] == 1
    clearml.start()
    assert queue_depths([])[clearml.queue] == 1


def test_planning_goes_on_when_clearml_is_away(clearml: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("palmares_airflow.jobs.QUEUES_BUDGET_S", 0.2)
    clearml.faults.away()
    try:
        assert queue_depths([]) == {}
    finally:
        clearml.faults.clear()
