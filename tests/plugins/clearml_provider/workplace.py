"""What a test does on the ClearML server: queues, an agent's calls, and faults of the API."""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
import uuid
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import httpx
from airflow.sdk.exceptions import TaskDeferred
from clearml_provider import api
from clearml_provider.hook import ClearMLHook
from clearml_provider.models import TaskInfo
from clearml_provider.operators import ClearMLEnqueueOperator, ClearMLWaitOperator
from clearml_provider.transport import Call, Flow, Pause, RetryPolicy, call
from clearml_provider.triggers import ClearMLTaskTrigger

T = TypeVar("T")
Asgi = Callable[..., Any]
Between = Callable[[Call | Pause], None]
ANSWER_DEADLINE_S = 60.0
"""httpx gives up after 5 s without an answer, which a busy machine needs now and then."""


class Faults:
    """An ASGI app around the API that loses answers, before or after the effect, and counts calls."""

    def __init__(self, app: Asgi) -> None:
        self._app = app
        self._planned: list[tuple[str, bool]] = []
        self._away = False
        self._slow: tuple[str, float] | None = None
        self.seen: list[str] = []

    def clear(self) -> None:
        self._planned.clear()
        self._away = False
        self._slow = None
        self.seen.clear()

    def lose(self, endpoint: str, *, after_effect: bool) -> None:
        """Answer the next call of *endpoint* with a proxy's 502."""
        self._planned.append((endpoint, after_effect))

    def away(self, away: bool = True) -> None:
        """Answer everything with 503."""
        self._away = away

    def slow(self, endpoint: str, *, seconds: float) -> None:
        """Answer every call of *endpoint* late."""
        self._slow = (endpoint, seconds)

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        endpoint = scope.get("path", "").rpartition("/")[2]
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        self.seen.append(endpoint)
        if self._slow is not None and self._slow[0] == endpoint:
            await asyncio.sleep(self._slow[1])
        planned = next((p for p in self._planned if p[0] == endpoint), None)
        if planned is None and not self._away:
            await self._app(scope, receive, send)
            return
        if planned is not None:
            self._planned.remove(planned)
            if planned[1]:

                async def swallow(_: Any) -> None:
                    return None

                await self._app(scope, receive, swallow)
        status = 502 if planned else 503
        headers = [(b"content-type", b"text/html")]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b"<html>Bad gateway</html>"})


class Workplace:
    """One test's queue and key on the server, and the hand of an agent."""

    def __init__(self, faults: Faults, *, name: str) -> None:
        self.faults = faults
        self.key = f"{name[:40]}-{uuid.uuid4().hex}"
        self.queue = f"q-{uuid.uuid4().hex[:12]}"
        self.hook = ClearMLHook(retry=RetryPolicy(budget_s=5, base_s=0.01, cap_s=0.05))
        self.worker = f"worker-{self.queue}"
        self.queue_id = self.hook.run(api.resolve_queue(self.queue, create_if_missing=True)).id

    def close(self) -> None:
        self.hook.close()

    def call(self, endpoint: str, **payload: Any) -> Mapping[str, Any]:
        return self.hook.run(call(endpoint, payload)).data

    @property
    def spec(self) -> dict[str, Any]:
        return {
            "name": "a job",
            "project": "provider tests",
            "script": {"entry_point": "job.py", "diff": "print('hi')"},
            "hyperparams": {"General": {"model": "org/name", "nb_nodes": "1"}},
            "user_properties": {"plan": "first"},
            "tags": ["test"],
        }

    def of_key(self) -> list[TaskInfo]:
        """All tasks with this test's key."""
        return self.hook.run(api.find_tasks_by_tag(f"key:{self.key}"))

    def enqueue(self) -> str:
        """Run the enqueue operator."""
        return ClearMLEnqueueOperator(
            task_id="enqueue", task_spec=self.spec, clearml_queue=self.queue, idempotency_key=self.key
        ).execute({})

    def task(self) -> TaskInfo:
        """The only task with this test's key."""
        (task,) = self.of_key()
        return self.hook.task(task.id)

    def entries(self) -> list[str]:
        """Ids of the tasks in the queue."""
        queues = self.call("queues.get_all", id=[self.queue_id])["queues"]
        return [entry["task"] for entry in queues[0]["entries"]]

    def start(self) -> str:
        """What an agent does first: take the next task of the queue, start it, and say that it lives."""
        task_id: str = self.call("queues.get_next_task", queue=self.queue_id)["entry"]["task"]
        self.call("tasks.started", task=task_id, force=True, status_message="pulled by agent")
        report = {"worker": self.worker, "task": task_id, "queues": [self.queue_id], "queue": self.queue_id}
        self.call("workers.register", worker=self.worker, queues=[self.queue_id])
        self.call("workers.status_report", timestamp=int(time.time() * 1000), machine_stats=None, **report)
        return task_id

    def complete(self) -> str:
        task_id = self.start()
        self.call("tasks.completed", task=task_id, status_reason="worker execution done")
        return task_id

    def fail(self, reason: str = "worker execution exit code 1") -> str:
        task_id = self.start()
        self.call("tasks.failed", task=task_id, status_reason=reason)
        return task_id

    def launch(self, master: str, nodes: int, *, start: int = 0) -> list[str]:
        """What ``launch_multi_node`` does in the master: clone it for each further node, mark, enqueue."""
        ids = []
        for rank in range(1, nodes):
            child = self.call("tasks.clone", task=master, new_task_name="a job", new_task_parent=master)["id"]
            runtime = {"launch_multi_node/node_rank": rank, "launch_multi_node/total_num_nodes": nodes}
            self.call("tasks.edit", task=child, runtime=runtime)
            self.call("tasks.edit", task=child, system_tags=["multi_node_instance"])
            self.call("tasks.enqueue", task=child, queue=self.queue_id)
            ids.append(child)
        for _ in range(start):
            self.start()
        return ids

    def console(self, task_id: str, *lines: str) -> None:
        """What the job printed. Log events go as NDJSON, which the provider itself never sends."""
        self.hook.run(api.server_info())  # signs in
        client = self.hook.get_conn()
        event = {"type": "log", "task": task_id, "worker": "w", "timestamp": 1, "level": "INFO"}
        content = json.dumps(event | {"msg": "".join(f"{line}\n" for line in lines)})
        headers = {"Authorization": f"Bearer {client._token}", "Content-Type": "application/json-lines"}
        url = f"{client.settings.api_host}/v2.23/events.add_batch"
        httpx.post(url, content=content, headers=headers, timeout=ANSWER_DEADLINE_S).raise_for_status()

    def status(self, task_id: str) -> str:
        return self.hook.task(task_id).status.value

    def upload(self, task_id: str, name: str, content: bytes, *, sha256: str | None = None) -> None:
        """What the SDK does for `upload_artifact`."""
        client = self.hook.get_conn()
        self.hook.run(api.server_info())  # signs in
        headers = {"Authorization": f"Bearer {client._token}"}
        url = f"{client.settings.files_host}/tests/a job.{task_id}/artifacts/{name}/{name}.zip"
        files = {f"tests/a job.{task_id}/artifacts/{name}/{name}.zip": (f"{name}.zip", content)}
        answer = httpx.post(
            client.settings.files_host, files=files, headers=headers, timeout=ANSWER_DEADLINE_S
        )
        answer.raise_for_status()
        artifact = {
            "key": name,
            "type": "custom",
            "uri": url.replace(" ", "%20"),
            "content_size": len(content),
            "hash": sha256 or hashlib.sha256(content).hexdigest(),
        }
        self.call("tasks.add_or_update_artifacts", task=task_id, artifacts=[artifact], force=True)


class Crashed(Exception):
    """The process that carried a flow died."""


def carry(
    hook: ClearMLHook,
    flow: Flow[T],
    *,
    until: int | None = None,
    between: Between | None = None,
    instead_of_pauses: Callable[[], None] | None = None,
) -> T:
    """Carry *flow* as the client does, but die before its step number *until* (from 0).

    Args:
        hook: Whose client sends.
        flow: What to carry.
        until: Which step is not taken any more; None: all are.
        between: Called with each step before it is taken: what others do meanwhile.
        instead_of_pauses: Called where the flow would let time go by.

    Raises:
        Crashed: Step *until* came.
    """

    def steps() -> Flow[T]:
        answer: Any = None
        problem: Exception | None = None
        taken = 0
        while True:
            try:
                step = flow.throw(problem) if problem is not None else flow.send(answer)
            except StopIteration as end:
                value: T = end.value
                return value
            answer, problem = None, None
            if between is not None:
                between(step)
            if taken == until:
                raise Crashed
            taken += 1
            if instead_of_pauses is not None and isinstance(step, Pause):
                instead_of_pauses()
                continue
            try:
                answer = yield step
            except Exception as error:  # noqa: BLE001 - the flow's to handle
                problem = error

    return hook.run(steps())


def fire(deferred: TaskDeferred) -> dict[str, Any]:
    """Run the trigger as the triggerer does, from its serialized form, and return its event."""
    path, kwargs = deferred.trigger.serialize()
    assert path == "clearml_provider.triggers.ClearMLTaskTrigger"

    async def first_event() -> dict[str, Any]:
        events = [event async for event in ClearMLTaskTrigger(**kwargs).run()]
        assert len(events) == 1
        payload: dict[str, Any] = events[0].payload
        return payload

    return asyncio.run(asyncio.wait_for(first_event(), timeout=20))


def defer(operator: ClearMLWaitOperator, event: dict[str, Any] | None = None) -> TaskDeferred:
    """Run the operator (or resume it with *event*) until it defers."""
    try:
        result = operator.execute({}) if event is None else operator.execute_complete({}, event)
    except TaskDeferred as deferred:
        return deferred
    raise AssertionError(f"did not defer, returned {result}")
