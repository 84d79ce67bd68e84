"""The real SDK's ``launch_multi_node`` under real agents: who runs, and who is whose child."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.devstack.servers.clearml.conftest import Stack, wait_for
from tests.devstack.servers.clearml.test_agent import agent, console, document, run

pytestmark = pytest.mark.stack

NODE = """
import os, time
from clearml import Task
task = Task.init(auto_connect_frameworks=False, auto_resource_monitoring=False)
config = task.launch_multi_node(2, wait=False, addr="127.0.0.1", port=29500)
names = ("RANK", "NODE_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
print("this node has", *(f"{name}={os.environ[name]}" for name in names), flush=True)
nodes = {"parent": task.id, "search_hidden": True, "status": ["in_progress", "completed"]}
while config["node_rank"] == 0 and not Task.query_tasks(task_filter=nodes):
    time.sleep(0.2)  # until the other agent has the other node: this one would take it when it is done
"""


def test_two_agents_run_the_two_nodes_of_one_job(stack: Stack, tmp_path: Path) -> None:
    api = stack.api
    unknown_before = set(api.unknown)
    with (
        agent(stack, tmp_path / "first", "node-agent-1") as (_, queue),
        agent(stack, tmp_path / "second", "node-agent-2", queue=queue),
    ):
        master = run(api, queue, NODE, tags=["key:nodes"])
        nodes = wait_for(
            lambda: api.call(
                "tasks.get_all",
                parent=master,
                system_tags=["__$all", "multi_node_instance"],
                search_hidden=True,
                only_fields=["id", "tags", "system_tags", "parent"],
            )["tasks"],
            "the master clones itself",
            120,
        )
        child = nodes[0]["id"]
        tasks = [master, child]
        ended = ("completed", "failed", "stopped")
        wait_for(lambda: {api.status(task) for task in tasks} <= set(ended), "both nodes end", 120)
    told = [console(api, task) for task in tasks]
    assert [api.status(task) for task in tasks] == ["completed"] * 2, told
    for rank, text in enumerate(told):
        place = f"RANK={rank} NODE_RANK={rank} WORLD_SIZE=2 MASTER_ADDR=127.0.0.1 MASTER_PORT=29500"
        assert f"this node has {place}" in text, text
    assert len(nodes) == 1
    assert nodes[0]["parent"] == master
    assert nodes[0]["tags"] == ["key:nodes"]  # a clone takes the tags along: a key finds all nodes
    left = [document(api, task) for task in tasks]
    assert {each["last_worker"] for each in left} == {"node-agent-1", "node-agent-2"}
    assert [each["runtime"]["launch_multi_node/node_rank"] for each in left] == [0, 1]
    assert "multi_node_instance" not in left[0]["system_tags"]
    assert api.unknown - unknown_before <= {"workers.get_runtime_properties"}
