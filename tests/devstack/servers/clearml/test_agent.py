"""The real `clearml-agent` pulls, runs, fails and stops jobs of this server."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.devstack.servers.clearml.conftest import EVALUATOR_BIN, Api, Stack, wait_for

pytestmark = pytest.mark.stack

JOB = """
import os, pathlib, sys, time
from clearml import Task
task = Task.init(auto_connect_frameworks=False, auto_resource_monitoring=False)
parameters = task.connect({"lr": 0.0})
task.get_logger().report_scalar("loss", "train", float(parameters["lr"]), 1)
task.get_logger().report_single_value("acc", 0.5)
print("the job runs with", parameters["lr"], flush=True)
folder = pathlib.Path(os.environ["TMPDIR"], "left")
folder.mkdir(exist_ok=True)
(folder / "a.txt").write_text("A")
task.upload_artifact("results", folder, wait_on_upload=True)
"""
FAILING_JOB = "import sys\nprint('about to fail', flush=True)\nsys.exit(3)\n"
ENDLESS_JOB = "import time\nprint('waiting', flush=True)\ntime.sleep(600)\n"


@contextlib.contextmanager
def agent(
    stack: Stack, home: Path, name: str, *, queue: str | None = None
) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """An agent in the evaluator's environment on *queue*, or on its own; gives process and queue id."""
    program = EVALUATOR_BIN / "clearml-agent"
    if not program.exists():
        pytest.fail(f"{program} is missing: `make test` sets up the evaluator's environment.")
    environment = stack.environment(home) | {
        "PATH": f"{EVALUATOR_BIN}:/usr/bin:/bin",
        "CLEARML_WORKER_ID": name,
        "CLEARML_AGENT_SKIP_PYTHON_ENV_INSTALL": "1",
        "CLEARML_AGENT_QUEUE_POLL_FREQ_SEC": "0.5",
        "CLEARML_AGENT_STATUS_REPORT_FREQ_SEC": "5",
    }
    queue = queue or stack.api.new_queue(f"queue of {name}")
    command = [str(program), "daemon", "--foreground", "--queue", queue]
    log = home / "agent.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            cwd=home,
            start_new_session=True,
        )
        try:
            yield process, queue
        finally:
            process.terminate()
            try:
                process.wait(timeout=20)
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)


@pytest.fixture(scope="module")
def agent_queue(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A queue served by one agent for all tests; gives the queue's id."""
    with agent(stack, tmp_path_factory.mktemp("agent"), "test-agent") as (_, queue):
        yield queue


def run(api: Api, queue: str, script: str, **fields: object) -> str:
    """Put a job into the agent's queue, as an operator does."""
    task = api.new_task(
        name="agent job",
        script={"diff": script, "entry_point": "job.py", "working_dir": ".", "requirements": {"pip": ""}},
        **fields,
    )
    answer = api.call("tasks.enqueue", task=task, queue=queue, verify_watched_queue=True)
    assert answer["queued"] == 1
    return task


def console(api: Api, task: str) -> str:
    events = api.call("events.get_task_log", task=task, order="asc", batch_size=5000)["events"]
    return "".join(event["msg"] for event in events)


def document(api: Api, task: str) -> dict[str, Any]:
    return dict(api.call("tasks.get_by_id", task=task)["task"])


def test_a_job_runs_with_its_parameters_and_leaves_values_console_and_artifact(
    stack: Stack, agent_queue: str
) -> None:
    api = stack.api
    parameter = {"section": "General", "name": "lr", "value": "0.5", "type": "float"}
    task = run(api, agent_queue, JOB, hyperparams={"General": {"lr": parameter}})
    ended = ("completed", "failed", "stopped")
    wait_for(lambda: api.status(task) in ended, "the job ends", 60)
    left = document(api, task)
    assert left["status"] == "completed", console(api, task)
    assert left["status_reason"] == "worker execution done"
    assert left["last_worker"] == "test-agent"
    assert "the job runs with 0.5" in console(api, task)
    curves = api.call("events.scalar_metrics_iter_histogram", task=task)
    assert curves["loss"]["train"] == {"name": "train", "x": [1], "y": [0.5]}
    values = api.call("events.get_task_single_value_metrics", tasks=[task])["tasks"][0]["values"]
    assert [(each["variant"], each["value"]) for each in values] == [("acc", 0.5)]
    artifact = left["execution"]["artifacts"][0]
    content = api.http.get(artifact["uri"]).raise_for_status().content
    assert artifact["content_size"] == len(content)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.read("a.txt") == b"A"


def test_a_failing_job_ends_as_failed_with_its_exit_code(stack: Stack, agent_queue: str) -> None:
    task = run(stack.api, agent_queue, FAILING_JOB)
    wait_for(lambda: stack.api.status(task) in ("failed", "completed"), "the job ends", 60)
    left = document(stack.api, task)
    assert (left["status"], left["status_reason"]) == ("failed", "worker execution exit code 3")
    assert "about to fail" in console(stack.api, task)


def test_a_running_job_is_stopped_by_its_agent(stack: Stack, agent_queue: str) -> None:
    task = run(stack.api, agent_queue, ENDLESS_JOB)
    wait_for(lambda: "waiting" in console(stack.api, task), "the job prints", 60)
    answer = stack.api.call("tasks.stop", task=task, status_reason="no longer wanted")
    assert answer["fields"]["status_message"] == "stopping"
    wait_for(lambda: stack.api.status(task) == "stopped", "the agent stops the job")
    assert document(stack.api, task)["status_reason"] == "task was stopped by tasks.stop"


def test_the_agent_is_a_registered_worker_of_its_queue(stack: Stack, agent_queue: str) -> None:
    workers = wait_for(lambda: stack.api.call("workers.get_all")["workers"], "the agent registers")
    assert [(each["id"], each["queues"][0]["id"]) for each in workers] == [("test-agent", agent_queue)]


def test_a_drained_agent_stops_its_job_as_aborted_by_a_user(stack: Stack, tmp_path: Path) -> None:
    with agent(stack, tmp_path, "drained-agent") as (process, queue):
        task = run(stack.api, queue, ENDLESS_JOB)
        wait_for(lambda: "waiting" in console(stack.api, task), "the job prints", 60)
        process.terminate()
        wait_for(lambda: stack.api.status(task) == "stopped", "the agent reports")
        wait_for(lambda: process.poll() is not None, "the agent ends")
    assert document(stack.api, task)["status_reason"] == "user abort"


def test_the_real_clients_ask_for_nothing_that_is_missing(stack: Stack, agent_queue: str) -> None:
    """The one they ask for in vain is missing on the real server too."""
    wait_for(lambda: stack.api.call("workers.get_all")["workers"], "the agent registers")
    assert stack.api.unknown <= {"workers.get_runtime_properties"}
