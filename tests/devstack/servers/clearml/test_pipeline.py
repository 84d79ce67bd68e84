"""The real SDK's ``PipelineController``, started locally, with its steps under a real agent."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.devstack.servers.clearml.conftest import PYTHON, Stack
from tests.devstack.servers.clearml.test_agent import agent, console

pytestmark = pytest.mark.stack

PIPELINE = """
import json, sys
from pathlib import Path
from clearml import PipelineController

def add_one(n):
    print("adding one to", n)
    return int(n) + 1

if __name__ == "__main__":
    base, queue, told = sys.argv[1:]
    pipe = PipelineController(name="a pipeline", project="pipelines of tests", version="1.0.0",
                              pool_frequency=0.5 / 60)
    pipe.set_default_execution_queue(queue)
    pipe.add_step(name="copied", base_task_id=base, parameter_override={"General/word": "overridden"})
    pipe.add_function_step(name="first", function=add_one, function_kwargs={"n": 1},
                           function_return=["sum"], packages=[], parents=["copied"])
    pipe.add_function_step(name="second", function=add_one, function_kwargs={"n": "${first.sum}"},
                           function_return=["sum"], packages=[])
    pipe.start_locally(run_pipeline_steps_locally=False)
    nodes = {name: node.executed for name, node in pipe.get_processed_nodes().items()}
    Path(told).write_text(json.dumps({"id": pipe.id, "nodes": nodes}))
"""
STEP = (
    "from clearml import Task\nprint('the word is', Task.init().get_parameter('General/word'), flush=True)\n"
)


def test_a_pipelines_steps_run_under_an_agent_and_pass_on_what_they_return(
    stack: Stack, tmp_path: Path
) -> None:
    api = stack.api
    unknown_before = set(api.unknown)
    base = api.new_task(
        name="a base task",
        script={"diff": STEP, "entry_point": "job.py", "working_dir": ".", "requirements": {"pip": ""}},
        hyperparams={"General": {"word": {"section": "General", "name": "word", "value": "as it was"}}},
    )
    script, told_file = tmp_path / "pipeline.py", tmp_path / "told.json"
    script.write_text(PIPELINE)
    with agent(stack, tmp_path / "agent", "pipeline-agent") as (_, queue):
        done = subprocess.run(
            [PYTHON, script, base, "queue of pipeline-agent", told_file],
            env=stack.environment(tmp_path / "home"),
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=240,
        )
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(told_file.read_text())
    steps = {name: api.call("tasks.get_by_id", task=task)["task"] for name, task in told["nodes"].items()}
    assert steps.keys() == {"copied", "first", "second"}
    assert {step["status"] for step in steps.values()} == {"completed"}
    assert {step["parent"] for step in steps.values()} == {told["id"]}
    assert {step["execution"]["queue"] for step in steps.values()} == {queue}
    assert api.status(told["id"]) == "completed"
    assert "the word is overridden" in console(api, told["nodes"]["copied"])
    assert "adding one to 2" in console(api, told["nodes"]["second"])
    page = api.http.get(f"{stack.web_host}/pipelines/x/experiments/{told['id']}")
    assert (page.status_code, "a pipeline" in page.text) == (200, True)
    assert api.unknown - unknown_before <= {"workers.get_runtime_properties"}
