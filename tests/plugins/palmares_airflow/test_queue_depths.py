"""How long queues are, as the planner is told; and nothing when ClearML is away."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from palmares_airflow.jobs import queue_depths

from tests.fixtures.config import CONFIG_DIR
from tests.plugins.clearml_provider.workplace import Workplace


def test_a_queue_without_an_agent_is_not_told(clearml: Workplace) -> None:
    clearml.enqueue()

    assert clearml.queue not in queue_depths()


def test_a_queue_of_a_docker_host_needs_no_agent(
    clearml: Workplace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for path in CONFIG_DIR.glob("*.yaml"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    clusters = yaml.safe_load((tmp_path / "clusters.yaml").read_text(encoding="utf-8"))
    docker = {
        "launcher": "docker",
        "docker": {"url": "unix:///x", "image": "x"},
        "queues": {"*": clearml.queue},
    }
    clusters["clusters"]["local"] |= docker
    (tmp_path / "clusters.yaml").write_text(yaml.safe_dump(clusters), encoding="utf-8")
    monkeypatch.setenv("PALMARES_CONFIG_DIR", str(tmp_path))
    clearml.enqueue()

    assert queue_depths()[clearml.queue] == 1


def test_jobs_that_wait_or_run_count(clearml: Workplace) -> None:
    clearml.call("workers.register", worker=clearml.worker, queues=[clearml.queue_id])
    assert queue_depths()[clearml.queue] == 0

    clearml.enqueue()
    assert queue_depths()[clearml.queue] == 1
    clearml.start()
    assert queue_depths()[clearml.queue] == 1


def test_planning_goes_on_when_clearml_is_away(clearml: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("palmares_airflow.jobs.QUEUES_BUDGET_S", 0.2)
    clearml.faults.away()
    try:
        assert queue_depths() == {}
    finally:
        clearml.faults.clear()
