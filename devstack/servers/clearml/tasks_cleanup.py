"""Endpoints that undo a task's run, put a task away, and take it out of the world."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from devstack.servers.clearml.documents import DELETED, Document, load_task, save_task, stamp
from devstack.servers.clearml.envelope import Body, Call, Registry
from devstack.servers.clearml.errors import ApiError
from devstack.servers.clearml.lifecycle import change_status, remove_from_queues
from devstack.servers.clearml.status import Status
from devstack.servers.clearml.tasks_status import ManyBody, StatusBody, answer, run_many
from devstack.servers.clearml.tasks_write import store_update

endpoint = Registry()


class CleanupOptions(Body):
    return_file_urls: bool = False
    """Tell where the files are that nobody refers to any more: whoever asks deletes them."""


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
    task.pop("_active_since", None)
    times = ("started", "completed", "published", "active_duration")
    for name in (*times, "_enqueue_status", "last_worker", "last_worker_report"):
        task.pop(name, None)
    task |= {**emptied, "runtime": {}}
    fields = change_status(call.db, task, Status.CREATED, reason="reset", message="reset", force=body.force)
    return {
        "deleted_models": 0,
        "updated_children": 0,
        "updated_models": 0,
        "urls": urls,
        "dequeued": {"removed": dequeued} if dequeued else {},
        **answer(fields),
    }


@endpoint("tasks.reset", ResetBody, writes=True)
def reset(call: Call, body: ResetBody) -> dict[str, Any]:
    return _reset(call, body.task, body)


@endpoint("tasks.reset_many", ResetManyBody, writes=True)
def reset_many(call: Call, body: ResetManyBody) -> dict[str, Any]:
    return run_many(call, body, lambda task_id: _reset(call, task_id, body))


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
