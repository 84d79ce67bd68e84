"""The real `clearml` SDK, in a process of its own, against this server."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.devstack.servers.clearml.conftest import PYTHON, Api, Stack

pytestmark = pytest.mark.stack

INIT = """
import json, sys
from pathlib import Path
from clearml import Task

def init(**more):
    return Task.init(project_name="sdk/tests", task_name="sdk task", auto_connect_frameworks=False,
                     auto_resource_monitoring=False, reuse_last_task_id=False, output_uri=True, **more)

def tell(**result):
    Path(sys.argv[1]).write_text(json.dumps(result))
"""


def run_sdk(stack: Stack, home: Path, script: str, **environment: str) -> dict[str, Any]:
    """Run *script* after `INIT` with only our servers in its environment; give what it told."""
    told = home / "told.json"
    done = subprocess.run(
        [PYTHON, "-c", INIT + script, told],
        env=stack.environment(home / "home") | environment,
        cwd=home,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr + done.stdout
    return dict(json.loads(told.read_text()))


def test_a_task_reports_uploads_and_reads_back(stack: Stack, tmp_path: Path) -> None:
    script = """
task = init(task_type="testing")
task.connect({"lr": 0.1, "n": 4, "nested": {"a": [1, 2]}}, name="General")
task.set_user_properties(idempotency_key="abc", attempt=1)
task.add_tags(["x", "key:abc"])
for i in range(5):
    task.get_logger().report_scalar("loss", "train", i * 0.5, i)
task.get_logger().report_single_value("community:gpqa-fr:0 | acc", 0.25)
print("hello from the console: é ü")
folder = Path("folder"); folder.mkdir(); (folder / "a.txt").write_text("A")
Path("f.bin").write_bytes(bytes(range(256)) * 4000)
task.upload_artifact("a dict", {"a": 1}, wait_on_upload=True)
task.upload_artifact('odd "näme" %22 x', Path("f.bin"), wait_on_upload=True)
task.upload_artifact("results", folder, wait_on_upload=True)
task.close()

got = Task.get_task(task_id=task.id)
copies = {name: artifact.get_local_copy(extract_archive=True) for name, artifact in got.artifacts.items()}
tell(id=task.id, status=got.get_status(), values=got.get_reported_single_values(),
     scalars=got.get_reported_scalars(), parameters=got.get_parameters(), tags=got.get_tags(),
     properties=got.get_user_properties(value_only=True), page=got.get_output_log_web_page(),
     console="".join(got.get_reported_console_output(9)), a=Path(copies["results"], "a.txt").read_text(),
     same=Path(copies['odd "näme" %22 x']).read_bytes() == Path("f.bin").read_bytes(),
     loaded=got.artifacts["a dict"].get())
"""
    told = run_sdk(stack, tmp_path, script)
    assert told["status"] == "completed"
    assert told["values"] == {"community:gpqa-fr:0 | acc": 0.25}
    assert told["scalars"]["loss"]["train"]["y"] == [0.0, 0.5, 1.0, 1.5, 2.0]
    assert told["parameters"]["General/nested/a"] == "[1, 2]"
    assert told["properties"] == {"idempotency_key": "abc", "attempt": "1"}
    assert set(told["tags"]) == {"x", "key:abc"}
    assert "hello from the console: é ü" in told["console"]
    assert (told["a"], told["same"], told["loaded"]) == ("A", True, {"a": 1})
    page = stack.api.http.get(told["page"])
    assert page.status_code == 200
    assert "hello from the console" in page.text


def test_a_clone_is_found_edited_enqueued_and_aborted(stack: Stack, tmp_path: Path) -> None:
    queue = stack.api.new_queue("sdk queue")
    template = stack.api.new_task(
        name="sdk template",
        script={"diff": "print()", "entry_point": "job.py"},
        project=stack.api.call("projects.create", name="sdk templates")["id"],
    )
    script = f"""
clone = Task.clone(source_task={template!r}, name="sdk clone")
clone.set_parameters({{"General/lr": "0.5"}})
clone.add_tags(["key:sdk"])
clone.set_user_properties(attempt=2)
Task.enqueue(clone, queue_name="sdk queue")
found = Task.query_tasks(project_name="sdk templates", tags=["key:sdk"])
statuses = [Task.get_task(task_id=clone.id).get_status()]
Task.dequeue(clone)
statuses.append(Task.get_task(task_id=clone.id).get_status())
clone.mark_started(force=True)
clone.mark_stopped(force=True, status_message="enough")
statuses.append(Task.get_task(task_id=clone.id).get_status())
clone.reset(set_started_on_success=False, force=True)
statuses.append(Task.get_task(task_id=clone.id).get_status())
deleted = bool(clone.delete())
tell(id=clone.id, found=found, statuses=statuses, deleted=deleted)
"""
    told = run_sdk(stack, tmp_path, script)
    assert told["found"] == [told["id"]]
    assert told["statuses"] == ["queued", "created", "stopped", "created"]
    assert told["deleted"] is True
    assert stack.api.call("tasks.get_all", id=[told["id"]])["tasks"] == []
    assert stack.api.call("queues.get_all", id=[queue])["queues"][0]["entries"] == []


def test_a_task_marks_itself_failed(stack: Stack, tmp_path: Path) -> None:
    script = """
task = init()
tell(id=task.id)
task.mark_failed(status_reason="broken", status_message="on purpose")
"""
    told = run_sdk(stack, tmp_path, script)
    assert stack.api.status(told["id"]) == "failed"


def test_the_api_client_lists_what_operators_list(stack: Stack, api: Api, tmp_path: Path) -> None:
    task = api.new_task(name="listed by the client")
    script = f"""
from clearml.backend_api.session.client import APIClient
client = APIClient()
tasks = client.tasks.get_all(id=[{task!r}], only_fields=["id", "name", "status"])
tell(names=[each.name for each in tasks], statuses=[str(each.status) for each in tasks],
     queues=[each.name for each in client.queues.get_all()], workers=len(client.workers.get_all()),
     stopped=client.tasks.enqueue(task={task!r}, queue=client.queues.get_default().id).queued)
"""
    told = run_sdk(stack, tmp_path, script)
    assert told["names"] == ["listed by the client"]
    assert "default" in told["queues"]
    assert told["stopped"] == 1


def test_one_job_launches_its_other_nodes(stack: Stack, api: Api, tmp_path: Path) -> None:
    """``launch_multi_node``, as far as the master goes: children with their rank in the queue."""
    queue = api.new_queue("nodes")
    task = api.new_task(
        name="multi node", script={"diff": "print()", "entry_point": "job.py"}, type="training"
    )
    api.call("tasks.enqueue", task=task, queue=queue)
    api.call("queues.get_next_task", queue=queue)
    api.call("tasks.started", task=task)
    script = f"""
task = Task.init(auto_connect_frameworks=False, auto_resource_monitoring=False)
config = task.launch_multi_node(3, wait=False, queue={queue!r})
tell(id=task.id, config={{key: str(value) for key, value in config.items()}})
"""
    told = run_sdk(stack, tmp_path, script, CLEARML_TASK_ID=task, CLEARML_LOG_TASK_TO_BACKEND="0")
    assert told["id"] == task
    children = api.call("tasks.get_all", parent=task, search_hidden=True)["tasks"]
    assert len(children) == 2
    assert all("multi_node_instance" in child["system_tags"] for child in children)
    assert {child["runtime"]["launch_multi_node/node_rank"] for child in children} == {1, 2}
    assert len(api.call("queues.get_all", id=[queue])["queues"][0]["entries"]) == 2
