"""Queued jobs in real containers: run, killed, out of memory, taken twice, and what the host refuses."""

from __future__ import annotations

import asyncio
import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException, TaskDeferred
from clearml_provider.operators import ClearMLEnqueueOperator
from docker.api import APIClient
from palmares.leaderboard.settings import load_settings
from palmares_airflow.containers import (
    CLUSTER_LABEL,
    GPUS_LABEL,
    ContainerTrigger,
    RunJobOperator,
    container_name,
    find_waiting,
    waiting_jobs,
)

from tests.fixtures.config import CONFIG_DIR
from tests.fixtures.docker_engine import Engine, running_engine
from tests.palmares.store.conftest import postgres_url, store_url
from tests.plugins.clearml_provider.workplace import Workplace

__all__ = ["postgres_url", "store_url"]

HELLO = (
    "import os\nfrom clearml import Task\ntask = Task.init(auto_resource_monitoring=False)\n"
    "print('hello', 6 * 7, 'token', os.environ['HF_TOKEN'])\n"
)
_START = APIClient.start
SLEEP = HELLO + "import time\nwhile True: time.sleep(1)\n"


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    # A short path: a socket's address has 108 characters.
    with running_engine(tmp_path_factory.mktemp("d")) as engine:
        yield engine


class Host:
    """A cluster of the launcher ``docker`` and its queue."""

    def __init__(self, engine: Engine, clearml: Workplace, config: Path) -> None:
        self.engine, self.clearml, self.config = engine, clearml, config
        self.describe()

    def describe(self, **changes: Any) -> None:
        """Write the cluster into clusters.yaml, with changes of its block ``docker``."""
        path = self.config / "clusters.yaml"
        clusters = yaml.safe_load(path.read_text(encoding="utf-8"))
        block = {**clusters["clusters"]["local"], "launcher": "docker", "queues": {"*": self.clearml.queue}}
        block |= {"nodes": 1, "gpus_per_node": 2, "docker": self.engine.block | changes}
        clusters["clusters"]["host"] = block
        path.write_text(yaml.safe_dump(clusters), encoding="utf-8")

    def enqueue(self, script: str, *, gpus: int = 1) -> str:
        spec = self.clearml.spec | {"script": {"entry_point": "job.py", "binary": "python3", "diff": script}}
        spec |= {"hyperparams": {"General": {"nb_gpus_per_node": str(gpus)}}}
        enqueue: Any = ClearMLEnqueueOperator(
            task_id="enqueue",
            task_spec=spec,
            clearml_queue=self.clearml.queue,
            idempotency_key=f"{self.clearml.key}-{len(self.clearml.faults.seen)}",
        )
        return str(enqueue.execute({}))

    def waiting(self) -> list[dict[str, Any]]:
        return waiting_jobs(load_settings().cluster("host"), self.clearml.hook)

    def start(self, job: dict[str, Any]) -> TaskDeferred:
        with pytest.raises(TaskDeferred) as deferred:
            RunJobOperator(task_id="run_job", job=job, poll_interval=0.2).execute({})
        return deferred.value

    def settle(self, job: dict[str, Any], deferred: TaskDeferred) -> Any:
        return RunJobOperator(task_id="run_job", job=job).settle({}, event_of(deferred))

    def kill(self, job: dict[str, Any]) -> None:
        self.engine.client.kill(container_name(job["task_id"], job["attempt"]))


@pytest.fixture
def host(
    engine: Engine,
    clearml: Workplace,
    store_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Host]:
    config = tmp_path / "config"
    shutil.copytree(CONFIG_DIR, config)
    monkeypatch.setenv("PALMARES_CONFIG_DIR", str(config))
    monkeypatch.setenv("AIRFLOW_CONN_PALMARES_DB", store_url)
    monkeypatch.setenv(
        "AIRFLOW_CONN_HUGGINGFACE_HUB",
        json.dumps({"conn_type": "generic", "host": "http://127.0.0.1:9", "password": "hf-token"}),
    )
    yield Host(engine, clearml, config)
    for container in engine.client.containers(all=True):
        engine.client.remove_container(container["Id"], force=True)


def event_of(deferred: TaskDeferred) -> dict[str, Any]:
    """Run the trigger from its serialized form, as the triggerer does."""
    _, arguments = deferred.trigger.serialize()

    async def first() -> dict[str, Any]:
        async for event in ContainerTrigger(**arguments).run():
            payload: dict[str, Any] = event.payload
            return payload
        raise AssertionError("no event")

    return asyncio.run(asyncio.wait_for(first(), timeout=180))


def until_running(host: Host, task_id: str) -> None:
    """Wait until the job's own console is there."""

    deadline = time.monotonic() + 180
    while not any("hello 42" in line for line in host.clearml.hook.log_tail(task_id, lines=300)):
        assert time.monotonic() < deadline, "the job did not begin"
        time.sleep(0.2)


def test_a_queued_job_runs_once_in_a_container_and_leaves_none(
    host: Host, capsys: pytest.CaptureFixture[str]
) -> None:
    task_id = host.enqueue(HELLO)
    (job,) = host.waiting()
    assert (job["task_id"], job["gpus"], job["cluster"]) == (task_id, 1, "host")

    deferred = host.start(job)
    again = host.start(job)  # a second try finds the container that is there
    assert again.trigger.serialize() == deferred.trigger.serialize()
    result = host.settle(job, deferred)

    assert result == {"task_id": task_id, "attempt": 1}
    assert host.clearml.hook.task(task_id).status.value == "completed"
    assert any("hello 42" in line for line in host.clearml.hook.log_tail(task_id, lines=300))
    assert host.engine.client.containers(all=True) == []
    shown = capsys.readouterr().out
    assert "hello 42 token ***" in shown
    assert "hf-token" not in shown
    assert host.clearml.hook.settings.secret_key not in shown
    with pytest.raises(AirflowSkipException, match="another run has it"):
        RunJobOperator(task_id="run_job", job=job).execute({})


def test_a_container_that_a_dead_worker_left_unstarted_is_started(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    host.enqueue(SLEEP)
    (job,) = host.waiting()
    name = container_name(job["task_id"], job["attempt"])

    def dies(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(APIClient, "start", dies)
    with pytest.raises(KeyboardInterrupt):
        RunJobOperator(task_id="run_job", job=job).execute({})
    monkeypatch.setattr(APIClient, "start", _START)
    assert host.engine.client.inspect_container(name)["State"]["Status"] == "created"

    host.start(job)

    assert host.engine.client.inspect_container(name)["State"]["Running"]


def test_a_container_has_its_cluster_its_limits_and_no_rights(host: Host) -> None:
    host.enqueue(HELLO)
    (job,) = host.waiting()
    host.start(job)

    found = host.engine.client.inspect_container(container_name(job["task_id"], 1))
    assert found["Config"]["Labels"][CLUSTER_LABEL] == "host"
    assert found["Config"]["Labels"][GPUS_LABEL] == "0"
    limits = found["HostConfig"]
    assert limits["CapDrop"] == ["ALL"]
    assert "no-new-privileges:true" in limits["SecurityOpt"]
    assert (limits["Memory"], limits["MemorySwap"], limits["PidsLimit"]) == (
        1_500_000_000,
        1_500_000_000,
        4096,
    )
    environment = dict(line.split("=", 1) for line in found["Config"]["Env"])
    assert environment["PALMARES_IMAGE"].startswith("palmares-test:1@sha256:")
    assert environment["HF_TOKEN"] == "hf-token"
    assert environment["CLEARML_API_HOST"] == host.clearml.hook.settings.api_host


def test_a_killed_container_is_a_lost_node_to_whoever_waits_for_the_job(host: Host) -> None:
    task_id = host.enqueue(SLEEP)
    (job,) = host.waiting()
    deferred = host.start(job)
    until_running(host, task_id)

    host.kill(job)

    with pytest.raises(AirflowFailException, match="exit status 137"):
        host.settle(job, deferred)
    task = host.clearml.hook.task(task_id)
    assert task.status.value == "stopped"
    assert task.user_properties["stop_cause"] == "1:node_lost"


def test_a_container_beyond_its_memory_fails_its_job_with_that_reason(host: Host) -> None:
    task_id = host.enqueue(HELLO + "held = bytearray(2_000_000_000)\n" + "import time; time.sleep(600)\n")
    (job,) = host.waiting()
    deferred = host.start(job)

    with pytest.raises(AirflowFailException, match="OOMKilled"):
        host.settle(job, deferred)
    task = host.clearml.hook.task(task_id)
    assert task.status.value == "failed"


def test_a_person_who_marks_the_task_stops_the_job(host: Host) -> None:
    task_id = host.enqueue(SLEEP)
    (job,) = host.waiting()
    deferred = host.start(job)
    until_running(host, task_id)

    _, arguments = deferred.trigger.serialize()
    asyncio.run(ContainerTrigger(**arguments).on_kill())

    assert event_of(deferred)["exit_code"] is not None


def test_jobs_are_taken_in_the_queues_order_while_gpus_are_free(host: Host) -> None:
    first, large, small = (host.enqueue(HELLO, gpus=gpus) for gpus in (1, 2, 1))

    assert [job["task_id"] for job in host.waiting()] == [first]
    assert large != small
    (job,) = host.waiting()
    host.start(job)
    waiting = {"cluster": "host", "task_id": large, "attempt": 1, "name": "a job", "gpus": 2}
    with pytest.raises(AirflowSkipException, match="stays queued: 2 GPUs of host are wanted, 1 are free"):
        RunJobOperator(task_id="run_job", job=waiting).execute({})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"image": "127.0.0.1:9/nowhere:1"}, r"has no image 127\.0\.0\.1:9/nowhere:1 and cannot pull it"),
        ({"network": "no-such-network"}, "refused the container: .*no-such-network"),
        (
            {"mounts": [{"source": "/no/such/folder", "target": "/datasets"}]},
            "refused the container: .*/no/such/folder",
        ),
    ],
)
def test_what_the_host_refuses_is_named_and_the_job_stays_queued(
    host: Host, changes: dict[str, Any], message: str
) -> None:
    task_id = host.enqueue(HELLO)
    (job,) = host.waiting()
    host.describe(**changes)

    with pytest.raises(AirflowFailException, match=message):
        RunJobOperator(task_id="run_job", job=job).execute({})

    assert [one["task_id"] for one in host.waiting()] == [task_id]
    assert host.engine.client.containers(all=True) == []


def test_an_engine_that_is_away_is_named_and_the_job_stays_queued(host: Host, tmp_path: Path) -> None:
    host.enqueue(HELLO)
    host.describe(url=f"unix://{tmp_path}/nobody.sock")

    with pytest.raises(AirflowFailException, match=r"nobody.sock does not answer.*jobs stay queued"):
        host.waiting()


def test_a_host_whose_engine_is_away_does_not_hold_up_the_others(host: Host, tmp_path: Path) -> None:
    task_id = host.enqueue(HELLO)
    near = load_settings().cluster("host")
    assert near.docker is not None
    gone = near.docker.model_copy(update={"url": f"unix://{tmp_path}/nobody.sock"})
    away = near.model_copy(update={"name": "away", "docker": gone})

    found = find_waiting([away, near, load_settings().cluster("musa")], host.clearml.hook)

    assert [(job["cluster"], job["task_id"]) for job in found] == [("host", task_id)]
    with pytest.raises(AirflowFailException, match=r"nobody\.sock does not answer"):
        find_waiting([away], host.clearml.hook)


def test_a_job_whose_container_runs_is_not_listed_again_while_it_is_still_queued(host: Host) -> None:
    task_id = host.enqueue(HELLO)
    (job,) = host.waiting()
    deferred = host.start(job)

    assert host.clearml.hook.task(task_id).status.value == "queued"
    assert host.waiting() == []

    host.settle(job, deferred)


def test_a_queue_that_nobody_made_is_made(host: Host) -> None:
    name = f"{host.clearml.queue}-new"
    cluster = load_settings().cluster("host")

    assert waiting_jobs(cluster.model_copy(update={"queues": {"*": name}}), host.clearml.hook) == []
    assert name in {queue.name for queue in host.clearml.hook.queues()}


def _is_gone(host: Host, name: str) -> bool:
    return not host.engine.client.containers(all=True, filters={"name": name})


def test_a_container_that_somebody_removed_is_a_lost_node(host: Host) -> None:
    task_id = host.enqueue(SLEEP)
    (job,) = host.waiting()
    deferred = host.start(job)
    until_running(host, task_id)

    name = container_name(task_id, 1)
    host.engine.client.remove_container(name, force=True)

    assert _is_gone(host, name)
    with pytest.raises(AirflowFailException, match="The container is gone"):
        host.settle(job, deferred)
    assert host.clearml.hook.task(task_id).user_properties["stop_cause"] == "1:node_lost"
