"""A multi-node job of the real SDK under real agents: one node is killed, the next attempt succeeds."""

from __future__ import annotations

import json
import os
import re
import signal
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest
from clearml_provider import api
from clearml_provider.exceptions import ClearMLTaskFailedError
from clearml_provider.operators import ClearMLEnqueueOperator, ClearMLWaitOperator

from tests.devstack.servers.clearml.conftest import ACCESS_KEY, SECRET_KEY, Stack, wait_for
from tests.devstack.servers.clearml.conftest import stack as stack
from tests.devstack.servers.clearml.test_agent import agent, console
from tests.plugins.clearml_provider.workplace import defer, fire

pytestmark = pytest.mark.stack

NODE = """
import os, time
from clearml import Task
task = Task.init(auto_connect_frameworks=False, auto_resource_monitoring=False)
config = task.launch_multi_node(2, wait=False, addr="127.0.0.1", port=29500)
print(f"rank {config['node_rank']} is process {os.getpid()}.", flush=True)
if task.get_user_properties()["attempt"]["value"] == "1":
    time.sleep(300)
nodes = {"parent": task.id, "search_hidden": True, "status": ["in_progress", "completed"]}
while config["node_rank"] == 0 and not Task.query_tasks(task_filter=nodes):
    time.sleep(0.2)  # until the other agent has the other node: this one would take it when it is done
"""


def process_of(stack: Stack, task_id: str) -> int | None:
    """Which process runs a node, by its own word."""
    said = re.search(r"rank \d is process (\d+)\.", console(stack.api, task_id))
    return int(said[1]) if said else None


def is_gone(pid: int) -> bool:
    """Whether a process has ended; nobody may have asked for its exit code yet."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_a_killed_node_ends_its_job_and_the_next_attempt_has_nodes_of_its_own(
    stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = {"conn_type": "clearml", "host": stack.api_host, "login": ACCESS_KEY, "password": SECRET_KEY}
    monkeypatch.setenv("AIRFLOW_CONN_CLEARML_DEFAULT", json.dumps(connection))

    def wait() -> ClearMLWaitOperator:
        return ClearMLWaitOperator(
            task_id="wait", clearml_task_id=master, poll_interval=0.5, multi_node=True, stop_grace_s=60
        )

    def children() -> list[str]:
        query: dict[str, Any] = {"parent": [master], "system_tags": ["multi_node_instance"]}
        found = stack.api.call("tasks.get_all", only_fields=["id"], search_hidden=True, **query)
        return [task["id"] for task in found["tasks"]]

    with (
        agent(stack, tmp_path / "first", "pair-agent-1") as (_, queue),
        agent(stack, tmp_path / "second", "pair-agent-2", queue=queue),
    ):
        enqueue = ClearMLEnqueueOperator(
            task_id="enqueue",
            task_spec={"name": "two nodes", "script": {"entry_point": "job.py", "diff": NODE}},
            clearml_queue="queue of pair-agent-1",
            idempotency_key="two nodes for real",
        )
        master = enqueue.execute({})
        deferred = defer(wait())
        (node,) = wait_for(children, "the master clones itself", 60)
        victim, other = (
            wait_for(partial(process_of, stack, task), f"{task} says which process it is", 60)
            for task in (node, master)
        )
        os.kill(victim, signal.SIGKILL)
        wait_for(lambda: stack.api.status(node) == "failed", "the agent tells that its job was killed", 30)
        event = fire(deferred)
        assert (event["status"], event["child_id"], event["child_status"]) == ("child_ended", node, "failed")
        with pytest.raises(ClearMLTaskFailedError, match=rf"node 1 \({node}\) failed: .*exit code -9"):
            wait().execute_complete({}, event)
        wait_for(lambda: is_gone(other), "the master's process is gone too", 30)
        assert stack.api.status(master) == "stopped"

        deferred = defer(wait())
        assert node not in children()
        wait_for(lambda: stack.api.status(master) == "completed", "the second attempt is done", 90)
        result = wait().execute_complete({}, fire(deferred))
        assert (result["attempt"], result["failure_class"]) == (2, "succeeded")
        (second,) = children()
        assert stack.api.status(second) in {"completed", "stopped"}
        task = wait().hook.task(master)
        ((attempt, rank, old, status, _),) = json.loads(task.user_properties["past_children"])
        assert (attempt, rank, old, status) == (1, 1, node, "failed")
        assert master not in wait().hook.run(api.queued_task_ids())
