"""Endpoints that move a task between statuses and queues, and that reset, archive and delete it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from pydantic import Field

from devstack.servers.clearml.documents import (
    DELETED,
    USER,
    Document,
    load_task,
    moment_of,
    now,
    save_task,
    stamp,
)
from devstack.servers.clearml.projects import touch_project
from devstack.servers.clearml.protocol import AlreadyQueuedError, ApiError, Body, Call, Registry
from devstack.servers.clearml.queues import find_queue, push, remove_from_queues
from devstack.servers.clearml.status import NEXT, Status, check_transition
from devstack.servers.clearml.tasks import store_update
from devstack.servers.clearml.workers import is_watched

NON_RESPONSIVE = "Forced stop (non-responsive)"


def change_status(
    db: sqlite3.Connection,
    task: Document,
    new: Status,
    *,
    reason: str = "",
    message: str = "",
    force: bool = False,
    **also: Any,
) -> Document:
    """Move *task* to status *new*, store it, and give the answer's ``fields``.

    Within a transaction nobody comes between reading and writing, so the real server's 121 (lost the
    race) cannot happen: the second of two callers sees the first one's status, and gets 110.

    Args:
        also: Further top-level fields to set; None removes the field.

    Raises:
        ApiError: 400/110.
    """
    current = Status(task["status"])
    check_transition(current, new, force=force)
    moment = now()
    at = stamp(moment)
    fields: Document = {
        "status": str(new),
        "status_reason": reason,
        "status_message": message,
        "status_changed": at,
        "last_update": at,
        "last_change": at,
        "last_changed_by": USER,
        **also,
    }
    if new == Status.IN_PROGRESS and not task.get("started"):
        fields["started"] = at
    for name, value in fields.items():
        # The answer shows `enqueue_status`, the task itself never does (recorded).
        stored = f"_{name}" if name == "enqueue_status" else name
        if value is None:
            task.pop(stored, None)
        else:
            task[stored] = value
    if new == Status.QUEUED:
        task["system_tags"] = [tag for tag in task["system_tags"] if tag != "development"]
    save_task(db, task)
    touch_project(db, task.get("project"), at)
    return fields


def stop_non_responsive(db: sqlite3.Connection, *, threshold: timedelta) -> list[str]:
    """Stop every task in progress that nobody has heard of for longer than *threshold*; give their ids."""
    ids = [row[0] for row in db.execute(*_silent(threshold))]
    for task_id in ids:
        change_status(
            db,
            load_task(db, task_id),
            Status.STOPPED,
            reason=NON_RESPONSIVE,
            message=NON_RESPONSIVE,
            force=True,
            completed=stamp(),
        )
    return ids


def has_non_responsive(db: sqlite3.Connection, *, threshold: timedelta) -> bool:
    return db.execute(*_silent(threshold)).fetchone() is not None


def _silent(threshold: timedelta) -> tuple[str, tuple[str, float]]:
    sql = "SELECT id FROM tasks WHERE status = ? AND last_update < ?"
    return sql, (Status.IN_PROGRESS, (now() - threshold).timestamp())


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
            if not e.is_stored:
                call.db.execute("ROLLBACK TO item")
            error = {"codes": [e.code, e.subcode], "msg": str(e), "data": e.values}
            failed.append({"id": task_id, "error": error})
        finally:
            call.db.execute("RELEASE item")
    return {"succeeded": succeeded, "failed": failed}


def answer(fields: Document) -> dict[str, Any]:
    return {"fields": fields, "updated": 1}


def _move(call: Call, body: StatusBody, new: Status, **also: Any) -> dict[str, Any]:
    return answer(
        change_status(
            call.db,
            load_task(call.db, body.task),
            new,
            reason=body.status_reason,
            message=body.status_message,
            force=body.force,
            **also,
        )
    )


@endpoint("tasks.started", StatusBody, writes=True)
def started(call: Call, body: StatusBody) -> dict[str, Any]:
    if not call.db.execute("SELECT 1 FROM tasks WHERE id = ?", (body.task,)).fetchone():
        raise ApiError(400, 10, task=None)
    return {"started": 1, **_move(call, body, Status.IN_PROGRESS)}


@endpoint("tasks.stopped", StatusBody, writes=True)
def stopped(call: Call, body: StatusBody) -> dict[str, Any]:
    return _move(call, body, Status.STOPPED, completed=stamp())


@endpoint("tasks.failed", StatusBody, writes=True)
def failed(call: Call, body: StatusBody) -> dict[str, Any]:
    return _move(call, body, Status.FAILED, completed=stamp())


@endpoint("tasks.close", StatusBody, writes=True)
def close(call: Call, body: StatusBody) -> dict[str, Any]:
    return _move(call, body, Status.CLOSED)


@endpoint("tasks.completed", StatusBody, writes=True)
def completed(call: Call, body: StatusBody) -> dict[str, Any]:
    return {"published": 0, **_move(call, body, Status.COMPLETED, completed=stamp())}


@endpoint("tasks.publish", StatusBody, writes=True)
def publish(call: Call, body: StatusBody) -> dict[str, Any]:
    task = load_task(call.db, body.task)
    if not body.force and Status.PUBLISHED not in NEXT[Status(task["status"])]:
        raise ApiError(
            400,
            110,
            "Invalid status change",
            current_status=task["status"],
            new_status=Status.PUBLISHED.value,
        )
    return _move(call, body, Status.PUBLISHED, published=stamp(), output=task["output"])


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
    current = task["status"]
    waits = current == Status.QUEUED
    before = task.get("_enqueue_status", current) if waits else current
    already = call.db.execute("SELECT 1 FROM entries WHERE queue = ? AND task = ?", (queue_id, task_id))
    if already.fetchone():
        check_transition(Status(current), Status.QUEUED, force=body.force)
        # The real server moves the task, is refused by the queue, and moves it back to what it was.
        change_status(
            call.db, task, Status(current), reason="failed enqueueing", force=True, enqueue_status=None
        )
        raise AlreadyQueuedError(task_id)
    task["execution"]["queue"] = queue_id
    fields = change_status(
        call.db,
        task,
        Status.QUEUED,
        reason=body.status_reason,
        message=body.status_message,
        force=body.force,
        enqueue_status=before,
    )
    push(call.db, queue_id, task_id)
    remove_from_queues(call.db, task_id, keep=queue_id)
    return answer({**fields, "execution.queue": queue_id})


def _watched(call: Call, options: EnqueueOptions, queue_id: str) -> dict[str, Any]:
    return {"queue_watched": is_watched(call.db, queue_id)} if options.verify_watched_queue else {}


@endpoint("tasks.enqueue", EnqueueBody, writes=True)
def enqueue(call: Call, body: EnqueueBody) -> dict[str, Any]:
    # Before the queue: a refused task must not leave a queue behind that its name created.
    current = Status(load_task(call.db, body.task)["status"])
    check_transition(current, Status.QUEUED, force=body.force)
    queue_id = find_queue(call.db, queue_id=body.queue, name=body.queue_name)
    return {"queued": 1, **_enqueue(call, body.task, body, queue_id), **_watched(call, body, queue_id)}


@endpoint("tasks.enqueue_many", EnqueueManyBody, writes=True)
def enqueue_many(call: Call, body: EnqueueManyBody) -> dict[str, Any]:
    queue_id = find_queue(call.db, queue_id=body.queue, name=body.queue_name)
    done = run_many(call, body, lambda task_id: {"queued": True, **_enqueue(call, task_id, body, queue_id)})
    return done | _watched(call, body, queue_id)


@endpoint("tasks.dequeue", DequeueBody, writes=True)
def dequeue(call: Call, body: DequeueBody) -> dict[str, Any]:
    """Out of the queues, and back to the status from before, or to ``new_status``."""
    remove_from_queues(call.db, body.task)
    row = call.db.execute("SELECT status FROM tasks WHERE id = ?", (body.task,)).fetchone()
    if row is None or row[0] not in (Status.QUEUED, Status.IN_PROGRESS):
        return {"dequeued": 1, "fields": {}, "updated": 0}
    task = load_task(call.db, body.task)
    new = body.new_status or Status(task.get("_enqueue_status", Status.CREATED))
    if new == Status.QUEUED:  # queued again while it waited
        new = Status.CREATED
    fields = change_status(
        call.db,
        task,
        new,
        reason=body.status_reason,
        message=body.status_message,
        force=body.new_status is None,
        enqueue_status=None,
    )
    return {"dequeued": 1, **answer(fields)}


class CleanupOptions(Body):
    return_file_urls: bool = False
    """Return the addresses of the files that no task refers to any more: the caller deletes them."""


class ResetBody(StatusBody, CleanupOptions):
    clear_all: bool = False


class ResetManyBody(ManyBody, CleanupOptions):
    clear_all: bool = False


class DeleteBody(StatusBody, CleanupOptions):
    pass


class DeleteManyBody(ManyBody, CleanupOptions):
    pass


class ArchiveBody(Body):
    tasks: list[str] = Field(min_length=1)


def _urls(task: Document, options: CleanupOptions) -> Document | None:
    if not options.return_file_urls:
        return None
    outputs = [each for each in task["execution"]["artifacts"] if each.get("mode", "output") == "output"]
    artifacts = [each["uri"] for each in outputs if each.get("uri")]
    return {"model_urls": [], "event_urls": [], "artifact_urls": artifacts}


def _reset(call: Call, task_id: str, body: ResetBody | ResetManyBody) -> dict[str, Any]:
    """Back to ``created``, without outputs, events and runtime."""
    task = load_task(call.db, task_id)
    if not body.force and task["status"] == Status.PUBLISHED:
        raise ApiError(400, 110, task_id=task_id, status=task["status"])
    urls = _urls(task, body)
    dequeued = remove_from_queues(call.db, task_id)
    call.db.execute("DELETE FROM events WHERE task = ?", (task_id,))
    execution = task["execution"]
    execution.pop("queue", None)
    execution["artifacts"] = [each for each in execution["artifacts"] if each.get("mode") == "input"]
    task["models"]["output"] = []
    task["output"] = {k: v for k, v in task["output"].items() if k not in ("result", "error")}
    emptied: Document = {"last_iteration": 0, "last_metrics": {}, "unique_metrics": [], "metric_stats": {}}
    if body.clear_all:
        task["execution"] = {**execution, "parameters": {}, "model_desc": {}, "artifacts": []}
        task.pop("script", None)
    times = ("started", "completed", "published", "active_duration")
    for name in (*times, "_enqueue_status", "last_worker", "last_worker_report"):
        task.pop(name, None)
    task |= {**emptied, "runtime": {}}
    fields = change_status(call.db, task, Status.CREATED, reason="reset", message="reset", force=body.force)
    return {
        "deleted_models": 0,
        "urls": urls or {},
        "dequeued": {"removed": dequeued} if dequeued else {},
        **answer(fields),
    }


@endpoint("tasks.reset", ResetBody, writes=True)
def reset(call: Call, body: ResetBody) -> dict[str, Any]:
    return {"events": {}, **_reset(call, body.task, body)}


@endpoint("tasks.reset_many", ResetManyBody, writes=True)
def reset_many(call: Call, body: ResetManyBody) -> dict[str, Any]:
    def act(task_id: str) -> dict[str, Any]:
        done = _reset(call, task_id, body)
        return done | {"dequeued": bool(done["dequeued"])}

    return run_many(call, body, act)


def _check_deletable(call: Call, task: Document) -> None:
    """Refuse what only ``force`` may delete.

    Raises:
        ApiError: 400/123.
    """
    if task["status"] != Status.CREATED and "archived" not in task["system_tags"]:
        raise ApiError(
            400,
            123,
            "due to status, use force=True",
            task=task["id"],
            expected=Status.CREATED,
            current=task["status"],
        )
    published = call.db.execute(
        "SELECT count(*) FROM tasks WHERE status = ? AND json_extract(doc, '$.parent') = ?",
        (Status.PUBLISHED, task["id"]),
    ).fetchone()[0]
    if published:
        raise ApiError(400, 123, "has children, use force=True", task=task["id"], children=published)


def _delete(call: Call, task_id: str, body: DeleteBody | DeleteManyBody) -> dict[str, Any]:
    """The task, its events and its queue entry; files stay, their owner removes them from the file server."""
    task = load_task(call.db, task_id)
    if not body.force:
        _check_deletable(call, task)
    remove_from_queues(call.db, task_id)
    call.db.execute("DELETE FROM events WHERE task = ?", (task_id,))
    call.db.execute("DELETE FROM tasks WHERE id = ?", (task_id,))
    at, children = stamp(), 0
    for (child_id,) in call.db.execute(
        "SELECT id FROM tasks WHERE json_extract(doc, '$.parent') = ?", (task_id,)
    ).fetchall():
        save_task(
            call.db, load_task(call.db, child_id) | {"parent": f"{DELETED}{task_id}", "last_change": at}
        )
        children += 1
    return {
        "deleted": True,
        "updated_children": children,
        "updated_models": 0,
        "deleted_models": 0,
        "urls": _urls(task, body),
    }


@endpoint("tasks.delete", DeleteBody, writes=True)
def delete(call: Call, body: DeleteBody) -> dict[str, Any]:
    return _delete(call, body.task, body)


@endpoint("tasks.delete_many", DeleteManyBody, writes=True)
def delete_many(call: Call, body: DeleteManyBody) -> dict[str, Any]:
    return run_many(call, body, lambda task_id: _delete(call, task_id, body))


def _archive(call: Call, task_id: str) -> None:
    """Tag the task; one that waits goes back to what it was before, one that runs counts as stopped."""
    task = load_task(call.db, task_id)
    remove_from_queues(call.db, task_id)
    if task["status"] == Status.QUEUED:
        before = Status(task.get("_enqueue_status", Status.CREATED))
        change_status(call.db, task, before, force=True, enqueue_status=None)
    elif task["status"] == Status.IN_PROGRESS:
        change_status(call.db, task, Status.STOPPED)
    tags = [tag for tag in task["system_tags"] if tag != "archived"]
    store_update(call.db, task, {"system_tags": [*tags, "archived"]}, alive=False)


@endpoint("tasks.archive", ArchiveBody, writes=True)
def archive(call: Call, body: ArchiveBody) -> dict[str, Any]:
    for task_id in body.tasks:
        _archive(call, task_id)
    return {"archived": len(body.tasks)}


@endpoint("tasks.archive_many", ManyBody, writes=True)
def archive_many(call: Call, body: ManyBody) -> dict[str, Any]:
    def act(task_id: str) -> dict[str, Any]:
        _archive(call, task_id)
        return {"archived": True}

    return run_many(call, body, act)


@endpoint("tasks.unarchive_many", ManyBody, writes=True)
def unarchive_many(call: Call, body: ManyBody) -> dict[str, Any]:
    def act(task_id: str) -> dict[str, Any]:
        task = load_task(call.db, task_id)
        tags = [tag for tag in task["system_tags"] if tag != "archived"]
        store_update(call.db, task, {"system_tags": tags}, alive=False)
        return {"unarchived": True}

    return run_many(call, body, act)
