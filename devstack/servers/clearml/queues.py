"""Queues: their entries in order, their endpoints, and samples of how long tasks waited in them."""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Callable
from typing import Any

from pydantic import Field

from devstack.servers.clearml.documents import (
    COMPANY,
    Document,
    check_name,
    load_task,
    moment_of,
    now,
    stamp,
)
from devstack.servers.clearml.protocol import (
    AlreadyQueuedError,
    ApiError,
    Body,
    Call,
    Registry,
    new_id,
    not_unique,
)
from devstack.servers.clearml.query import QUEUE_FIELDS, Query, check_fields, project_fields, select

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


def create_queue(
    db: sqlite3.Connection, name: str, *, tags: list[str] | None = None, system_tags: list[str] | None = None
) -> str:
    """A new queue's id.

    Raises:
        ApiError: 400/801, the name is taken; 400/800, it is too short.
    """
    name = check_name(name)
    at = stamp()
    document = {
        "id": new_id(),
        "name": name,
        "company": COMPANY,
        "created": at,
        "tags": tags or [],
        "system_tags": system_tags or [],
        "last_update": at,
        "metadata": {},
    }
    try:
        db.execute(
            "INSERT INTO queues (id, name, doc) VALUES (?, ?, ?)",
            (document["id"], name, json.dumps(document)),
        )
    except sqlite3.IntegrityError as e:
        raise not_unique(name=name, company=COMPANY) from e
    return str(document["id"])


def load_queue(db: sqlite3.Connection, queue_id: str) -> Document:
    """The queue with its entries, oldest first.

    Raises:
        ApiError: 400/701.
    """
    row = db.execute("SELECT doc FROM queues WHERE id = ?", (queue_id,)).fetchone()
    if row is None:
        raise ApiError(400, 701, id=queue_id, company=COMPANY)
    document: Document = json.loads(row[0])
    entries = db.execute("SELECT task, added FROM entries WHERE queue = ? ORDER BY position", (queue_id,))
    document["entries"] = [{"task": task, "added": added} for task, added in entries]
    return document


def find_queue(db: sqlite3.Connection, *, queue_id: str | None, name: str | None) -> str:
    """The queue meant by a request; as on the real server an unknown *name* creates a queue.

    Raises:
        ApiError: 400/701, 400/707, or 400/12 when both are given.
    """
    if queue_id and name:
        raise ApiError(400, 12, "Either queue id or queue name should be provided")
    if name:
        row = db.execute("SELECT id FROM queues WHERE name = ?", (name.strip(),)).fetchone()
        return str(row[0]) if row else create_queue(db, name)
    if not queue_id:
        return default_queue(db)
    return str(load_queue(db, queue_id)["id"])


def default_queue(db: sqlite3.Connection) -> str:
    for queue_id, doc in db.execute("SELECT id, doc FROM queues"):
        if "default" in json.loads(doc)["system_tags"]:
            return str(queue_id)
    raise ApiError(400, 707)


def push(db: sqlite3.Connection, queue_id: str, task_id: str) -> None:
    """Append the task to the queue.

    Raises:
        ApiError: 400/706, it is there already.
    """
    at = stamp()
    try:
        db.execute("INSERT INTO entries (queue, task, added) VALUES (?, ?, ?)", (queue_id, task_id, at))
    except sqlite3.IntegrityError as e:
        raise AlreadyQueuedError(task_id) from e
    _touch_queue(db, queue_id, at)


def pop(db: sqlite3.Connection, queue_id: str) -> Document | None:
    """Take the queue's oldest entry; of several agents asking at once, one gets it."""
    load_queue(db, queue_id)
    row = db.execute(
        "DELETE FROM entries WHERE position = (SELECT min(position) FROM entries WHERE queue = ?)"
        " RETURNING task, added",
        (queue_id,),
    ).fetchall()
    if not row:
        return None
    _touch_queue(db, queue_id, stamp())
    return {"task": row[0][0], "added": row[0][1]}


def remove_from_queues(db: sqlite3.Connection, task_id: str, *, keep: str = "") -> int:
    """Take the task out of every queue but *keep*; give how many held it."""
    removed = db.execute(
        "DELETE FROM entries WHERE task = ? AND queue != ? RETURNING queue", (task_id, keep)
    ).fetchall()
    at = stamp()
    for (queue_id,) in removed:
        _touch_queue(db, queue_id, at)
    return len(removed)


def _touch_queue(db: sqlite3.Connection, queue_id: str, at: str) -> None:
    db.execute("UPDATE queues SET doc = json_set(doc, '$.last_update', ?) WHERE id = ?", (at, queue_id))
    take_sample(db, queue_id)


def _conform(call: Call, document: Document) -> Document:
    """Clients from before 2.13 know ``metadata`` as a list (recorded)."""
    if "metadata" in document and call.version < (2, 13):
        document["metadata"] = list(document["metadata"].values())
    return document


def _select(call: Call, query: QueueQuery) -> list[Document]:
    ids = [row[0] for row in call.db.execute("SELECT id FROM queues ORDER BY rowid")]
    found = select((load_queue(call.db, queue_id) for queue_id in ids), query, QUEUE_FIELDS)
    return [queue | {"entries": queue["entries"][: query.max_task_entries]} for queue in found]


@endpoint("queues.get_all", QueueQuery)
def get_all(call: Call, query: QueueQuery) -> dict[str, Any]:
    check_fields(query.only_fields, QUEUE_FIELDS)
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
        fields["name"] = check_name(fields["name"])
    del queue["entries"]
    queue |= fields | {"last_update": stamp()}
    try:
        call.db.execute(
            "UPDATE queues SET name = ?, doc = ? WHERE id = ?",
            (queue["name"], json.dumps(queue), body.queue),
        )
    except sqlite3.IntegrityError as e:
        raise not_unique(name=queue["name"], company=COMPANY) from e
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
    """Only the entry: the task's status, and that it exists, is the caller's business (the k8s glue)."""
    load_queue(call.db, body.queue)
    push(call.db, body.queue, body.task)
    return {"added": 1}


@endpoint("queues.remove_task", QueueTaskBody, writes=True)
def remove_task(call: Call, body: QueueTaskBody) -> dict[str, Any]:
    removed = call.db.execute(
        "DELETE FROM entries WHERE queue = ? AND task = ?", (body.queue, body.task)
    ).rowcount
    if not removed:
        raise ApiError(400, 703, task=body.task, id=body.queue, company=COMPANY)
    return {"removed": removed}


class MoveTaskBody(QueueTaskBody):
    count: int = Field(default=1, ge=1)
    """How many places."""


def _move(call: Call, body: QueueTaskBody, place: Callable[[int, int], int]) -> dict[str, Any]:
    """Give the entry another place.

    Args:
        place: The new index, from the present one and the highest.
    """
    entries = call.db.execute(
        "SELECT position, task, added FROM entries WHERE queue = ? ORDER BY position", (body.queue,)
    ).fetchall()
    tasks = [(task, added) for _, task, added in entries]
    at = next((i for i, (task, _) in enumerate(tasks) if task == body.task), None)
    if at is None:
        raise ApiError(400, 703, task=body.task, id=body.queue, company=COMPANY)
    moved = tasks.pop(at)
    new = max(0, min(place(at, len(tasks)), len(tasks)))
    tasks.insert(new, moved)
    call.db.execute("DELETE FROM entries WHERE queue = ?", (body.queue,))
    call.db.executemany(
        "INSERT INTO entries (position, queue, task, added) VALUES (?, ?, ?, ?)",
        [(row[0], body.queue, *entry) for row, entry in zip(entries, tasks, strict=True)],
    )
    return {"position": new}


@endpoint("queues.move_task_to_front", QueueTaskBody, writes=True)
def move_task_to_front(call: Call, body: QueueTaskBody) -> dict[str, Any]:
    return _move(call, body, lambda _, __: 0)


@endpoint("queues.move_task_to_back", QueueTaskBody, writes=True)
def move_task_to_back(call: Call, body: QueueTaskBody) -> dict[str, Any]:
    return _move(call, body, lambda _, last: last)


@endpoint("queues.move_task_forward", MoveTaskBody, writes=True)
def move_task_forward(call: Call, body: MoveTaskBody) -> dict[str, Any]:
    return _move(call, body, lambda at, _: at - body.count)


@endpoint("queues.move_task_backward", MoveTaskBody, writes=True)
def move_task_backward(call: Call, body: MoveTaskBody) -> dict[str, Any]:
    return _move(call, body, lambda at, _: at + body.count)


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


_EARLIER_S = 3600
"""The real server looks so much further back, so that a quiet queue has a point (its default)."""
_KEPT_S = 14 * 24 * 3600
_LONGEST_S = 10_000_000_000


class MetricsBody(Body):
    from_date: float = Field(ge=0, le=_LONGEST_S)
    """Seconds since 1970."""
    to_date: float = Field(ge=0, le=_LONGEST_S)
    interval: int = Field(ge=1, le=_LONGEST_S)
    """Seconds between points."""
    queue_ids: list[str] | None = None
    """None or empty: one series over all queues, called ``total``."""
    refresh: bool = False
    """Take a sample now."""


def take_sample(db: sqlite3.Connection, queue_id: str) -> None:
    """Note the queue's length and the mean time that its tasks have waited so far."""
    moment = now().timestamp()
    waited = [
        moment - moment_of(row[0]).timestamp()
        for row in db.execute("SELECT added FROM entries WHERE queue = ?", (queue_id,))
    ]
    db.execute(
        "INSERT INTO queue_samples (queue, at_ms, waited_s, length) VALUES (?, ?, ?, ?)",
        (queue_id, int(moment * 1000), math.fsum(waited) / (len(waited) or 1), len(waited)),
    )
    db.execute(
        "DELETE FROM queue_samples WHERE queue = ? AND at_ms < ?", (queue_id, int((moment - _KEPT_S) * 1000))
    )


@endpoint("queues.get_queue_metrics", MetricsBody, writes=True)
def get_queue_metrics(call: Call, body: MetricsBody) -> dict[str, Any]:
    """For each queue lists of equal length; the dates are milliseconds, unlike those of the request.

    Of several samples within an interval the longest wait counts. Intervals and queues without a sample
    are left out.
    """
    if body.from_date >= body.to_date:
        raise ApiError(400, 16, "from_date must be less than to_date")
    known = [row[0] for row in call.db.execute("SELECT id FROM queues ORDER BY rowid")]
    chosen = [queue for queue in known if not body.queue_ids or queue in body.queue_ids]
    if body.refresh:
        for queue in chosen:
            take_sample(call.db, queue)
    first, last = (int(seconds * 1000) for seconds in (body.from_date - _EARLIER_S, body.to_date))
    series = {queue: _series(call.db, queue, first, last, body.interval * 1000) for queue in chosen}
    if not body.queue_ids:
        series = {"total": _total(series)}
    shown = [_shown(queue, points) for queue, points in series.items() if points or queue == "total"]
    return {"queues": shown}


Points = dict[int, tuple[float, int]]
"""Begin of the interval in ms: mean wait in seconds, length."""


def _series(db: sqlite3.Connection, queue: str, first: int, last: int, interval_ms: int) -> Points:
    points: Points = {}
    for at_ms, waited_s, length in db.execute(
        "SELECT at_ms, waited_s, length FROM queue_samples WHERE queue = ? AND at_ms BETWEEN ? AND ?"
        " ORDER BY at_ms",
        (queue, first, last),
    ):
        at = at_ms // interval_ms * interval_ms
        points[at] = max(points.get(at, (0.0, 0)), (waited_s, length))
    return points


def _total(series: dict[str, Points]) -> Points:
    """The sum of lengths and the mean wait of all tasks; a queue without a point keeps its last one."""
    total: Points = {}
    latest: dict[str, tuple[float, int]] = {}
    for at in sorted({at for points in series.values() for at in points}):
        latest |= {queue: points[at] for queue, points in series.items() if at in points}
        length = sum(count for _, count in latest.values())
        waited = math.fsum(wait * count for wait, count in latest.values())
        total[at] = (waited / length if length else 0.0, length)
    return total


def _shown(queue: str, points: Points) -> dict[str, Any]:
    return {
        "queue": queue,
        "dates": list(points),
        "avg_waiting_times": [wait for wait, _ in points.values()],
        "queue_lengths": [length for _, length in points.values()],
    }
