"""The status machine, held against a table written here by hand from the measured facts."""

from __future__ import annotations

import shutil
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, precondition, rule
from starlette.testclient import TestClient

from devstack.servers.clearml.app import create_api_app
from devstack.servers.clearml.status import Status, is_allowed
from tests.devstack.servers.clearml.conftest import ACCESS_KEY, JWT_SECRET, SECRET_KEY

# From the real server's source where the facts only say "…": stopped and closed.
TABLE = {
    "created": "queued in_progress",
    "queued": "created in_progress stopped",
    "in_progress": "stopped failed created completed",
    "stopped": "closed created failed queued in_progress published publishing completed",
    "closed": "created failed published publishing stopped",
    "failed": "queued created stopped published",
    "publishing": "published",
    "published": "",
    "completed": "published in_progress created",
    "unknown": "",
}
MOVES = {
    "started": "in_progress",
    "stopped": "stopped",
    "failed": "failed",
    "completed": "completed",
    "close": "closed",
    "publish": "published",
}


def may(current: str, new: str) -> bool:
    return current == new or new in TABLE[current].split()


@pytest.mark.parametrize("current", Status)
@pytest.mark.parametrize("new", Status)
def test_the_pure_table_is_the_table_of_the_facts(current: Status, new: Status) -> None:
    assert is_allowed(current, new) == may(current, new)


class Tasks(RuleBasedStateMachine):
    """Random sequences of status endpoints on a few tasks and two queues."""

    tasks = Bundle("tasks")

    def __init__(self) -> None:
        super().__init__()
        self.state = Path(tempfile.mkdtemp(prefix="clearml-status-"))
        app = create_api_app(self.state, access_key=ACCESS_KEY, secret_key=SECRET_KEY, jwt_secret=JWT_SECRET)
        self.client = TestClient(app).__enter__()  # left in teardown
        token = self.client.post("/auth.login", auth=(ACCESS_KEY, SECRET_KEY)).json()["data"]["token"]
        self.client.headers["Authorization"] = f"Bearer {token}"
        self.queues = [self.ok("queues.create", name=name)["id"] for name in ("first", "second")]
        self.status: dict[str, str] = {}
        self.before: dict[str, str] = {}
        self.reported: set[str] = set()
        self.entries: dict[str, list[str]] = defaultdict(list)

    def teardown(self) -> None:
        self.client.__exit__(None, None, None)
        shutil.rmtree(self.state)

    def send(self, endpoint: str, **body: Any) -> tuple[int, int, Any]:
        answer = self.client.post(f"/v2.23/{endpoint}", json=body).json()
        return answer["meta"]["result_code"], answer["meta"]["result_subcode"], answer["data"]

    def ok(self, endpoint: str, **body: Any) -> Any:
        code, subcode, data = self.send(endpoint, **body)
        assert (code, subcode) == (200, 0)
        return data

    def move(self, endpoint: str, task: str, new: str, *, force: bool = False, **body: Any) -> bool:
        """Send, and expect what the table says; give whether the status changed."""
        code, subcode, data = self.send(endpoint, task=task, force=force, **body)
        if force or may(self.status[task], new):
            assert (code, subcode, data["updated"]) == (200, 0, 1)
            assert data["fields"]["status"] == new
            self.status[task] = new
            return True
        assert (code, subcode) == (400, 110)
        return False

    def leave_queues(self, task: str) -> None:
        for entries in self.entries.values():
            if task in entries:
                entries.remove(task)

    @rule(target=tasks)
    def create(self) -> str:
        task = str(self.ok("tasks.create", name="a task", type="training")["id"])
        self.status[task] = "created"
        return task

    @rule(task=tasks, endpoint=st.sampled_from(sorted(MOVES)), force=st.booleans())
    def report_status(self, task: str, endpoint: str, force: bool) -> None:
        self.move(f"tasks.{endpoint}", task, MOVES[endpoint], force=force)

    @rule(task=tasks, queue=st.sampled_from([0, 1]), force=st.booleans())
    def enqueue(self, task: str, queue: int, force: bool) -> None:
        queue_id, before = self.queues[queue], self.status[task]
        if task in self.entries[queue_id] and (force or may(before, "queued")):
            code, subcode, _ = self.send("tasks.enqueue", task=task, queue=queue_id, force=force)
            assert (code, subcode) == (400, 706)
            return
        if self.move("tasks.enqueue", task, "queued", force=force, queue=queue_id):
            self.leave_queues(task)
            self.entries[queue_id].append(task)
            self.before[task] = self.before.get(task, "created") if before == "queued" else before

    @rule(queue=st.sampled_from([0, 1]))
    def pull(self, queue: int) -> None:
        queue_id = self.queues[queue]
        entry = self.ok("queues.get_next_task", queue=queue_id).get("entry")
        expected = self.entries[queue_id].pop(0) if self.entries[queue_id] else None
        assert (entry and entry["task"]) == expected

    @rule(task=tasks)
    def dequeue(self, task: str) -> None:
        current = self.status[task]
        data = self.ok("tasks.dequeue", task=task)
        self.leave_queues(task)
        assert data["updated"] == int(current in ("queued", "in_progress"))
        if data["updated"]:
            back = self.before.pop(task, "created")
            self.status[task] = back if may(current, back) else "created"

    @rule(task=tasks)
    def heartbeat(self, task: str) -> None:
        self.ok("workers.status_report", worker="w1", task=task, timestamp=0)
        self.reported.add(task)

    @rule(task=tasks)
    def stop(self, task: str) -> None:
        """At once without a worker; with one only a word is left, whatever the status."""
        if self.status[task] == "queued" or task not in self.reported:
            if self.move("tasks.stop", task, "stopped"):
                self.leave_queues(task)
        else:
            fields = self.ok("tasks.stop", task=task)["fields"]
            assert (fields["status"], fields["status_message"]) == (self.status[task], "stopping")

    @rule(task=tasks, force=st.booleans())
    def reset(self, task: str, force: bool) -> None:
        if self.move("tasks.reset", task, "created", force=force):
            self.leave_queues(task)
            self.reported.discard(task)
            self.before.pop(task, None)

    @precondition(lambda self: self.status)
    @invariant()
    def statuses_and_queues_are_the_models(self) -> None:
        rows = self.ok("tasks.get_all", only_fields=["id", "status"])["tasks"]
        assert {row["id"]: row["status"] for row in rows} == self.status
        for queue in self.ok("queues.get_all", id=self.queues)["queues"]:
            assert [entry["task"] for entry in queue["entries"]] == self.entries[queue["id"]]


TestTasks = Tasks.TestCase
TestTasks.settings = settings(
    max_examples=25,
    stateful_step_count=30,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
