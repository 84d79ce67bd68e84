"""Endpoints of queues."""

from __future__ import annotations

import json
import sqlite3
from typing import Any

from pydantic import Field

from devstack.servers.clearml.documents import (
    Document,
    check_name,
    load_task,
    project_fields,
    refuse_path_collision,
    stamp,
)
from devstack.servers.clearml.envelope import Body, Call, Registry
from devstack.servers.clearml.errors import ApiError
from devstack.servers.clearml.lifecycle import (
    create_queue,
    default_queue,
    load_queue,
    not_unique,
    pop,
    push,
)
from devstack.servers.clearml.query import Query, select

endpoint = Registry()


class QueueBody(Body):
    queue: str


class QueueQuery(Query):
    max_task_entries: int | None = Field(default=None, ge=1)
    """Only the first ones; None: all. The length of a queue is then asked with ``get_num_entries``."""


class GetByIdBody(QueueBody):
    max_task_entries: int | None = Field(default=None, ge=1)


class QueueTaskBody(QueueBody):
    task: str


class CreateBody(Body):
    name: str
    tags: list[str] | None = None
    system_tags: list[str] | None = None


class UpdateBody(QueueBody):
    name: str | None = None
    tags: list[str] | None = None
    system_tags: list[str] | None = None


class DeleteBody(QueueBody):
    force: bool = False


class NextTaskBody(QueueBody):
    get_task_info: bool = False


def _conform(call: Call, document: Document) -> Document:
    """Clients from before 2.13 know ``metadata`` as a list (recorded)."""
    if "metadata" in document and call.version < (2, 13):
        document["metadata"] = list(document["metadata"].values())
    return document


def _select(call: Call, query: QueueQuery) -> list[Document]:
    ids = [row[0] for row in call.db.execute("SELECT id FROM queues ORDER BY rowid")]
    found = select((load_queue(call.db, queue_id) for queue_id in ids), query)
    return [queue | {"entries": queue["entries"][: query.max_task_entries]} for queue in found]


@endpoint("queues.get_all", QueueQuery)
def get_all(call: Call, query: QueueQuery) -> dict[str, Any]:
    refuse_path_collision(query.only_fields)
    found = _select(call, query)
    return {"queues": [_conform(call, project_fields(each, query.only_fields)) for each in found]}


@endpoint("queues.get_all_ex", QueueQuery)
def get_all_ex(call: Call, query: QueueQuery) -> dict[str, Any]:
    """With the workers that serve each queue; ids of other things come as objects."""
    found = []
    for queue in _select(call, query):
        shown = _conform(call, project_fields(queue, None))
        shown["company"] = {"id": queue["company"]}
        shown["entries"] = [_named_entry(call.db, entry) for entry in queue["entries"]]
        shown["workers"] = _workers(call.db, queue["id"])
        found.append(shown)
    return {"queues": found}


def _named_entry(db: sqlite3.Connection, entry: Document) -> Document:
    row = db.execute("SELECT doc FROM tasks WHERE id = ?", (entry["task"],)).fetchone()
    name = json.loads(row[0])["name"] if row else ""
    return {"added": entry["added"], "task": {"id": entry["task"], "name": name}}


def _workers(db: sqlite3.Connection, queue_id: str) -> list[Document]:
    documents = (json.loads(row[0]) for row in db.execute("SELECT doc FROM workers ORDER BY id"))
    return [
        {"name": each["id"], "ip": each["ip"], "key": each["key"]}
        for each in documents
        if queue_id in each["queues"]
    ]


@endpoint("queues.get_by_id", GetByIdBody)
def get_by_id(call: Call, body: GetByIdBody) -> dict[str, Any]:
    queue = load_queue(call.db, body.queue)
    return {"queue": _conform(call, queue | {"entries": queue["entries"][: body.max_task_entries]})}


@endpoint("queues.get_default")
def get_default(call: Call, _: Body) -> dict[str, Any]:
    queue = load_queue(call.db, default_queue(call.db))
    return {"id": queue["id"], "name": queue["name"]}


@endpoint("queues.create", CreateBody, writes=True)
def create(call: Call, body: CreateBody) -> dict[str, Any]:
    return {"id": create_queue(call.db, body.name, tags=body.tags, system_tags=body.system_tags)}


@endpoint("queues.update", UpdateBody, writes=True)
def update(call: Call, body: UpdateBody) -> dict[str, Any]:
    queue = load_queue(call.db, body.queue)
    fields = body.model_dump(exclude_unset=True, exclude_none=True, exclude={"queue"})
    if "name" in fields:
        fields["name"] = check_name(fields["name"], kind="queue")
    del queue["entries"]
    queue |= fields | {"last_update": stamp()}
    try:
        call.db.execute(
            "UPDATE queues SET name = ?, doc = ? WHERE id = ?",
            (queue["name"], json.dumps(queue), body.queue),
        )
    except sqlite3.IntegrityError as e:
        raise not_unique() from e
    return {"updated": 1, "fields": fields}


@endpoint("queues.delete", DeleteBody, writes=True)
def delete(call: Call, body: DeleteBody) -> dict[str, Any]:
    if load_queue(call.db, body.queue)["entries"] and not body.force:
        raise ApiError(400, 702, "use force=true to delete", id=body.queue)
    call.db.execute("DELETE FROM entries WHERE queue = ?", (body.queue,))
    call.db.execute("DELETE FROM queue_samples WHERE queue = ?", (body.queue,))
    call.db.execute("DELETE FROM queues WHERE id = ?", (body.queue,))
    return {"deleted": 1}


@endpoint("queues.add_task", QueueTaskBody, writes=True)
def add_task(call: Call, body: QueueTaskBody) -> dict[str, Any]:
    """Only the entry: the task's status is the caller's business (the k8s glue works so)."""
    load_queue(call.db, body.queue)
    load_task(call.db, body.task)
    push(call.db, body.queue, body.task)
    return {"added": 1}


@endpoint("queues.remove_task", QueueTaskBody, writes=True)
def remove_task(call: Call, body: QueueTaskBody) -> dict[str, Any]:
    removed = call.db.execute(
        "DELETE FROM entries WHERE queue = ? AND task = ?", (body.queue, body.task)
    ).rowcount
    if not removed:
        raise ApiError(400, 703, queue=body.queue, task=body.task)
    return {"removed": removed}


@endpoint("queues.get_next_task", NextTaskBody, writes=True)
def get_next_task(call: Call, body: NextTaskBody) -> dict[str, Any]:
    """Take the oldest entry; its task stays ``queued`` until the agent says that it started."""
    entry = pop(call.db, body.queue)
    if entry is None:
        return {}
    if not body.get_task_info:
        return {"entry": entry}
    task = load_task(call.db, entry["task"])
    return {"entry": entry, "task_info": {"company": task["company"], "user": task["user"]}}


@endpoint("queues.get_num_entries", QueueBody)
def get_num_entries(call: Call, body: QueueBody) -> dict[str, Any]:
    return {"num": len(load_queue(call.db, body.queue)["entries"])}


@endpoint("queues.peek_task", QueueBody)
def peek_task(call: Call, body: QueueBody) -> dict[str, Any]:
    """The task that the next agent gets, which stays where it is."""
    entries = load_queue(call.db, body.queue)["entries"]
    return {"task": entries[0]["task"] if entries else None}
