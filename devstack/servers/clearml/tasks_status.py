"""Endpoints that move a task from one status to the next, and in and out of queues."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from pydantic import Field

from devstack.servers.clearml.documents import Document, load_task, moment_of, now, save_task
from devstack.servers.clearml.envelope import Body, Call, Registry
from devstack.servers.clearml.errors import ApiError
from devstack.servers.clearml.lifecycle import change_status, find_queue, push, remove_from_queues
from devstack.servers.clearml.status import Status, check_transition, is_allowed
from devstack.servers.clearml.workers import is_watched

endpoint = Registry()

_WORKER_SILENCE = timedelta(seconds=600)
"""A task not heard of for longer has no worker that could stop it (the real server's default)."""


class StatusBody(Body):
    task: str
    status_reason: str = ""
    status_message: str = ""
    force: bool = False


class ManyBody(Body):
    ids: list[str] = Field(min_length=1)
    status_reason: str = ""
    status_message: str = ""
    force: bool = False


class EnqueueOptions(Body):
    queue: str | None = None
    queue_name: str | None = None
    verify_watched_queue: bool = False


class EnqueueBody(StatusBody, EnqueueOptions):
    pass


class EnqueueManyBody(ManyBody, EnqueueOptions):
    pass


class DequeueBody(StatusBody):
    new_status: Status | None = None
    remove_from_all_queues: bool = False


def run_many(call: Call, body: ManyBody, action: Callable[[str], dict[str, Any]]) -> dict[str, Any]:
    """Act on each id; one that is refused leaves the others alone."""
    succeeded, failed = [], []
    for task_id in body.ids:
        call.db.execute("SAVEPOINT item")
        try:
            succeeded.append({"id": task_id, **action(task_id)})
        except ApiError as e:
            call.db.execute("ROLLBACK TO item")
            error = {"codes": [e.code, e.subcode], "msg": str(e), "data": {}}
            failed.append({"id": task_id, "error": error})
        finally:
            call.db.execute("RELEASE item")
    return {"succeeded": succeeded, "failed": failed}


def answer(fields: Document) -> dict[str, Any]:
    return {"fields": fields, "updated": 1}


def _move(call: Call, body: StatusBody, new: Status) -> dict[str, Any]:
    return answer(
        change_status(
            call.db,
            load_task(call.db, body.task),
            new,
            reason=body.status_reason,
            message=body.status_message,
            force=body.force,
        )
    )


@endpoint("tasks.started", StatusBody, writes=True)
def started(call: Call, body: StatusBody) -> dict[str, Any]:
    return {"started": 1, **_move(call, body, Status.IN_PROGRESS)}


@endpoint("tasks.stopped", StatusBody, writes=True)
def stopped(call: Call, body: StatusBody) -> dict[str, Any]:
    return _move(call, body, Status.STOPPED)


@endpoint("tasks.failed", StatusBody, writes=True)
def failed(call: Call, body: StatusBody) -> dict[str, Any]:
    return _move(call, body, Status.FAILED)


@endpoint("tasks.close", StatusBody, writes=True)
def close(call: Call, body: StatusBody) -> dict[str, Any]:
    return _move(call, body, Status.CLOSED)


@endpoint("tasks.completed", StatusBody, writes=True)
def completed(call: Call, body: StatusBody) -> dict[str, Any]:
    return {"published": 0, **_move(call, body, Status.COMPLETED)}


@endpoint("tasks.publish", StatusBody, writes=True)
def publish(call: Call, body: StatusBody) -> dict[str, Any]:
    answer = _move(call, body, Status.PUBLISHED)
    task = load_task(call.db, body.task)
    task["published"] = answer["fields"]["published"] = answer["fields"]["status_changed"]
    save_task(call.db, task)
    return answer


def _stop(call: Call, task_id: str, *, reason: str, force: bool) -> dict[str, Any]:
    """Stop at once what no worker runs; otherwise leave a word that the agent finds within seconds."""
    task = load_task(call.db, task_id)
    current = Status(task["status"])
    heard = now() - moment_of(task["last_update"]) < _WORKER_SILENCE
    run_by_worker = bool(task.get("last_worker")) and heard
    if current == Status.QUEUED or "development" in task["system_tags"] or not run_by_worker:
        remove_from_queues(call.db, task_id)
        new, message = Status.STOPPED, f"Stopped by {call.user_name}"
    else:
        new, message = current, "stopping"
    return answer(change_status(call.db, task, new, reason=reason, message=message, force=force))


@endpoint("tasks.stop", StatusBody, writes=True)
def stop(call: Call, body: StatusBody) -> dict[str, Any]:
    return _stop(call, body.task, reason=body.status_reason, force=body.force)


@endpoint("tasks.stop_many", ManyBody, writes=True)
def stop_many(call: Call, body: ManyBody) -> dict[str, Any]:
    return run_many(
        call, body, lambda task_id: _stop(call, task_id, reason=body.status_reason, force=body.force)
    )


def _enqueue(call: Call, task_id: str, body: StatusBody | ManyBody, queue_id: str) -> dict[str, Any]:
    task = load_task(call.db, task_id)
    before = task["status"]
    if before == Status.QUEUED:
        before = task.get("_enqueue_status", Status.CREATED)
    task["execution"]["queue"] = queue_id
    fields = change_status(
        call.db,
        task,
        Status.QUEUED,
        reason=body.status_reason,
        message=body.status_message,
        force=body.force,
        enqueue_status=str(before),
    )
    push(call.db, queue_id, task_id)
    remove_from_queues(call.db, task_id, keep=queue_id)
    return {"queued": 1, **answer({**fields, "execution.queue": queue_id})}


def _watched(call: Call, options: EnqueueOptions, queue_id: str) -> dict[str, Any]:
    return {"queue_watched": is_watched(call.db, queue_id)} if options.verify_watched_queue else {}


@endpoint("tasks.enqueue", EnqueueBody, writes=True)
def enqueue(call: Call, body: EnqueueBody) -> dict[str, Any]:
    # Before the queue: a refused task must not leave a queue behind that its name created.
    current = Status(load_task(call.db, body.task)["status"])
    check_transition(current, Status.QUEUED, force=body.force)
    queue_id = find_queue(call.db, queue_id=body.queue, name=body.queue_name)
    return _enqueue(call, body.task, body, queue_id) | _watched(call, body, queue_id)


@endpoint("tasks.enqueue_many", EnqueueManyBody, writes=True)
def enqueue_many(call: Call, body: EnqueueManyBody) -> dict[str, Any]:
    queue_id = find_queue(call.db, queue_id=body.queue, name=body.queue_name)
    done = run_many(call, body, lambda task_id: _enqueue(call, task_id, body, queue_id))
    return done | _watched(call, body, queue_id)


@endpoint("tasks.dequeue", DequeueBody, writes=True)
def dequeue(call: Call, body: DequeueBody) -> dict[str, Any]:
    """Out of the queues, and back to the status from before, or to ``new_status``."""
    task = load_task(call.db, body.task)
    remove_from_queues(call.db, body.task)
    current = Status(task["status"])
    if current not in (Status.QUEUED, Status.IN_PROGRESS):
        return {"dequeued": 1, "fields": {}, "updated": 0}
    new = body.new_status
    if new is None:
        new = Status(task.get("_enqueue_status", Status.CREATED))
        new = new if is_allowed(current, new) else Status.CREATED
    fields = change_status(
        call.db, task, new, reason=body.status_reason, message=body.status_message, enqueue_status=None
    )
    return {"dequeued": 1, **answer(fields)}
