"""Every recorded exchange of the real server, replayed: same status, envelope, text, keys and values."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from devstack.servers.clearml.app import create_api_app
from tests.devstack.servers.clearml.conftest import ACCESS_KEY, JWT_SECRET, SECRET_KEY
from tests.devstack.servers.clearml.recorded import HEX, assert_alike, first_items, whole_request

_OTHER_ROLE = "auth.validate_token"
"""Asked by the real server's own parts with a key of theirs; ours ask nobody."""
_OTHER_ANSWER = "'NoneType' object is not callable"
"""A later recording of the same version answers such a filter (test_real_server.py, "t param")."""
LINES = [
    line
    for line in map(
        json.loads, (Path(__file__).parents[3] / "data/clearml_exchanges.jsonl").read_text().splitlines()
    )
    if line["endpoint"] != _OTHER_ROLE and line["error"] != _OTHER_ANSWER
]


class World:
    """A fresh server with what one recorded request needs, and our ids for the recorded ones."""

    def __init__(self, state: Path, line: dict[str, Any]) -> None:
        app = create_api_app(
            state, access_key=ACCESS_KEY, secret_key=SECRET_KEY, jwt_secret=JWT_SECRET, default_queue=None
        )
        self.http = TestClient(app, client=("127.0.0.1", 50000))
        self.line = line
        self.ids: dict[str, str] = {}
        basic = base64.b64encode(f"{ACCESS_KEY}:{SECRET_KEY}".encode()).decode()
        self.basic = {"Authorization": f"Basic {basic}"}
        self.token = self.http.post("/auth.login", headers=self.basic).json()["data"]["token"]
        self.bearer = {"Authorization": f"Bearer {self.token}"}
        self.response = line["response_data"]

    def call(self, endpoint: str, /, **body: Any) -> Any:
        answer = self.http.post(f"/{endpoint}", json=body, headers=self.bearer)
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]

    def queue(self, recorded: str = "q", name: str = "a queue") -> str:
        if recorded not in self.ids:
            self.ids[recorded] = self.call("queues.create", name=name)["id"]
        return self.ids[recorded]

    def project(self, recorded: str, name: str = "proj") -> str:
        if recorded not in self.ids:
            self.ids[recorded] = self.call("projects.create", name=name)["id"]
        return self.ids[recorded]

    def task(self, recorded: str, **fields: Any) -> str:
        if recorded not in self.ids:
            self.ids[recorded] = self.call(
                "tasks.create", **({"name": "a task", "type": "training"} | fields)
            )["id"]
        return self.ids[recorded]

    def running(self, recorded: str, **fields: Any) -> str:
        task = self.task(recorded, **fields)
        self.call("tasks.started", task=task)
        return task

    def like(self, document: dict[str, Any]) -> str:
        """A task with the history that the recorded *document* tells of."""
        kept = ("name", "comment", "tags", "script", "hyperparams", "container")
        fields = {key: document[key] for key in kept if key in document}
        if fields.get("tags"):
            fields["tags"] = first_items(fields["tags"])
        if "{..}" in str(fields.get("hyperparams")):
            parameter = {"section": "launch_multi_node", "name": "queue", "value": "gpu"}
            sections = fields["hyperparams"].items()
            fields["hyperparams"] = {key: dict.fromkeys(names, parameter) for key, names in sections}
        if "project" in document:
            fields["project"] = self.project(document["project"])
        if "parent" in document:
            fields["parent"] = self.task(document["parent"])
        task = self.task(document.get("id", "t"), **fields)
        queue = document.get("execution", {}).get("queue")
        if queue or document["status"] == "queued":
            queue = queue or "q"
            self.call("tasks.enqueue", task=task, queue=self.queue(queue))
        texts = {key: document.get(key, "") for key in ("status_reason", "status_message")}
        if document["status"] != "queued":
            self.call("queues.get_next_task", queue=self.queue(queue or "q"))
            self.call("tasks.started", task=task, **texts)
        if "last_worker" in document:
            self.call("workers.status_report", worker=document["last_worker"], task=task, timestamp=0)
        if "active_duration" in document:
            self.call("tasks.ping", task=task)
        if document.get("metric_stats"):
            self.call("events.add", type="log", task=task, msg="a line")
        if document.get("runtime"):
            self.call("tasks.edit", task=task, force=True, runtime=document["runtime"])
        if document["status"] == "completed":
            self.call("tasks.completed", task=task, **texts)
        return task


def prepare_tasks(world: World, request: dict[str, Any]) -> None:
    """For listings: the recorded rows, as far as they tell."""
    for row in first_items(world.response.get("tasks", [])):
        if "status" in row:
            world.like(row | {"id": row.get("id") or first_items(request["id"])[0]})
        else:
            wanted = {"tags": request.get("tags")} if "tags" in request else {}
            wanted |= {"project": world.project(request["project"][0])} if "project" in request else {}
            recorded = row.get("id") or first_items(request["id"])[0]
            world.task(recorded, **({"name": row["name"]} if "name" in row else {}), **wanted)


def prepare_queues(world: World, request: dict[str, Any]) -> None:
    row = first_items(world.response["queues"])[0]
    recorded = row.get("id") or "q"
    if world.line["endpoint"] == "queues.get_all_ex" or row.get("name") == "default":
        made = {"name": "default", "system_tags": ["default"] if "system_tags" in row else []}
        world.ids[recorded] = world.call("queues.create", **made)["id"]
    else:
        world.queue(recorded, row.get("name") or request.get("name", "a queue").strip("^$"))
    if row.get("entries"):
        entry = first_items(row["entries"])[0]
        world.call("tasks.enqueue", task=world.task(entry["task"]), queue=world.queue(recorded))


def prepare_enqueue(world: World, request: dict[str, Any]) -> None:
    queue, task = world.queue(request["queue"]), world.task(request["task"])
    if world.line["error"]:
        world.call("tasks.enqueue", task=task, queue=queue)
    elif not set(request) & {"verify_watched_queue"}:
        # Recorded after an agent died between get_next_task and tasks.started.
        world.call("tasks.enqueue", task=task, queue=queue)
        world.call("queues.get_next_task", queue=queue)


def prepare_next_task(world: World, request: dict[str, Any]) -> None:
    task = world.task(world.response["entry"]["task"])
    world.call("tasks.enqueue", task=task, queue=world.queue(request["queue"]))


def prepare_report(world: World, request: dict[str, Any]) -> None:
    for queue in request["queues"]:
        world.queue(queue, f"queue {queue}")
    if "task" in request:
        world.running(request["task"])


def prepare_worker(world: World, _: dict[str, Any]) -> None:
    for worker in first_items(world.response["workers"]):
        queues = [world.queue(each["id"], each["name"]) for each in first_items(worker["queues"])]
        world.call("workers.register", worker=worker["id"], queues=queues)


def prepare_started(world: World, request: dict[str, Any]) -> None:
    """``started`` is in the answer of the first start only."""
    (world.task if "started" in world.response["fields"] else world.running)(request["task"])


def prepare_log(world: World, request: dict[str, Any]) -> None:
    task, event = world.running(request["task"]), world.response["events"][0]
    for second in range(world.response["total"]):
        world.call("events.add", **{**event, "task": task, "timestamp": event["timestamp"] + second})


def prepare_by_id(world: World, _: dict[str, Any]) -> None:
    if not world.line["error"]:
        world.like(world.response["task"])


PREPARE: dict[str, Callable[[World, dict[str, Any]], Any]] = {
    "events.add_batch": lambda world, request: world.running(
        (request if isinstance(request, dict) else request[0])["task"]
    ),
    "events.get_task_log": prepare_log,
    "projects.get_all": lambda world, _: world.project("p"),
    "projects.get_by_id": lambda world, request: world.project(request["project"]),
    "queues.create": lambda world, request: world.line["error"] and world.queue("q", request["name"]),
    "queues.get_all": prepare_queues,
    "queues.get_all_ex": prepare_queues,
    "queues.get_by_id": lambda world, request: (
        world.line["error"] or world.queue(request["queue"], world.response["queue"]["name"])
    ),
    "queues.get_next_task": prepare_next_task,
    "tasks.clone": lambda world, request: world.task(request["task"]),
    "tasks.create": lambda world, request: "project" in request and world.project(request["project"]),
    "tasks.delete_many": lambda world, request: [world.running(task) for task in request["ids"]],
    "tasks.edit_hyper_params": lambda world, request: world.task(request["task"]),
    "tasks.enqueue": prepare_enqueue,
    "tasks.get_all": prepare_tasks,
    "tasks.get_by_id": prepare_by_id,
    "tasks.set_requirements": lambda world, request: world.running(request["task"], script={"diff": "1"}),
    "tasks.started": prepare_started,
    "workers.get_all": prepare_worker,
    "workers.register": lambda world, request: [world.queue(queue) for queue in request["queues"]],
    "workers.status_report": prepare_report,
    "workers.unregister": lambda world, request: world.call("workers.register", worker=request["worker"]),
}
for name in ("add_or_update_artifacts", "completed", "dequeue", "edit", "failed", "ping", "stopped"):
    PREPARE[f"tasks.{name}"] = lambda world, request: world.running(request["task"])


def send(world: World, request: Any) -> Any:
    """As the recorded client did: its method, version prefix, and a body even on GET."""
    line = world.line
    text = json.dumps(request).replace("<jwt>", world.token)
    text = HEX.sub(lambda match: world.ids.get(match[0], match[0]), text)
    if isinstance(request, list):
        text = "\n".join(json.dumps(each) for each in json.loads(text))
    login = line["endpoint"] == "auth.login"
    headers = world.basic if login else world.bearer
    if line["endpoint"] == "events.add_batch":
        headers = headers | {"Content-Type": "application/json-lines"}
    if login and line["error"]:
        headers = {"Authorization": "Basic " + base64.b64encode(b"no:body").decode()}
    path = f"/{line['version']}/{line['endpoint']}" if line["version"] else f"/{line['endpoint']}"
    content = None if line["request"] is None else text
    return world.http.request(line["method"], path, content=content, headers=headers)


@pytest.mark.parametrize("crowded", [False, True], ids=["alone", "among others"])
@pytest.mark.parametrize("line", LINES, ids=[f"{i}-{each['endpoint']}" for i, each in enumerate(LINES, 1)])
def test_a_recorded_request_gets_the_recorded_answer(
    line: dict[str, Any], crowded: bool, tmp_path: Path
) -> None:
    world, request = World(tmp_path, line), whole_request(line)
    if line["endpoint"] in PREPARE:
        PREPARE[line["endpoint"]](world, request)
    if crowded:  # others came later, in every room
        queue = world.queue("other", "zz other")
        for i in range(3):
            task = world.task(f"other {i}", name=f"zz other {i}", project=world.project("po", "zz other"))
            world.call("tasks.enqueue", task=task, queue=queue)
    answer = send(world, request)
    assert answer.status_code == line["status"], answer.text
    body = answer.json()
    assert sorted(body) == ["data", "meta"]
    meta = body["meta"]
    assert HEX.fullmatch(meta["id"])
    assert HEX.fullmatch(meta["trx"])
    assert meta["endpoint"]["name"] == line["endpoint"]
    assert meta["endpoint"]["requested_version"] == (line["version"] or "v2.34").removeprefix("v")
    assert meta["result_code"] == line["status"]
    # What follows the reason differs between recordings of one version.
    recorded = line["error"] or "OK"
    if "already exists" in recorded:
        recorded = recorded.partition(": ")[0]
        meta["result_msg"] = meta["result_msg"].partition(": ")[0]
    assert_alike(meta["result_msg"], recorded, "result_msg")
    assert_alike(body["data"], line["response_data"])
