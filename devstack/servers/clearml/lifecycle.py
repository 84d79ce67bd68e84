"""Status changes of a task and its place in queues: the rules that several endpoints share."""

from __future__ import annotations

import json
import sqlite3
from datetime import datetime, timedelta
from typing import Any

from devstack.servers.clearml.documents import (
    COMPANY,
    USER,
    Document,
    check_name,
    load_task,
    moment_of,
    new_id,
    now,
    save_task,
    stamp,
)
from devstack.servers.clearml.errors import ApiError
from devstack.servers.clearml.queue_metrics import take_sample
from devstack.servers.clearml.status import ENDED, Status, check_transition

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
    if new in ENDED and new != current:
        fields["completed"] = at
    _count_active_time(task, current, new, moment)
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


def _count_active_time(task: Document, current: Status, new: Status, moment: datetime) -> None:
    """``active_duration``: whole seconds spent in progress, over all attempts."""
    if new == Status.IN_PROGRESS and current != new:
        task["_active_since"] = stamp(moment)
        task.setdefault("active_duration", 0)
    elif current == Status.IN_PROGRESS and new != current and (since := task.pop("_active_since", None)):
        seconds = (moment - moment_of(since)).total_seconds()
        task["active_duration"] = task.get("active_duration", 0) + max(0, round(seconds))


def touch_project(db: sqlite3.Connection, project_id: str | None, at: str) -> None:
    row = db.execute("SELECT doc FROM projects WHERE id = ?", (project_id,)).fetchone()
    if row is not None:
        document = json.loads(row[0]) | {"last_update": at}
        db.execute("UPDATE projects SET doc = ? WHERE id = ?", (json.dumps(document), project_id))


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
        )
    return ids


def has_non_responsive(db: sqlite3.Connection, *, threshold: timedelta) -> bool:
    return db.execute(*_silent(threshold)).fetchone() is not None


def _silent(threshold: timedelta) -> tuple[str, tuple[str, float]]:
    sql = "SELECT id FROM tasks WHERE status = ? AND last_update < ?"
    return sql, (Status.IN_PROGRESS, (now() - threshold).timestamp())


# Queues


def create_queue(
    db: sqlite3.Connection, name: str, *, tags: list[str] | None = None, system_tags: list[str] | None = None
) -> str:
    """A new queue's id.

    Raises:
        ApiError: 400/801, the name is taken; 400/800, it is too short.
    """
    name = check_name(name, kind="queue")
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
        raise not_unique() from e
    return str(document["id"])


def not_unique() -> ApiError:
    return ApiError(
        400,
        801,
        "unique field already contains this value",
        err="Tried to save duplicate unique keys (E11000 Duplicate Key Error)",
    )


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
        ApiError: 400/701, 400/707, or 400/800 when both are given.
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
        raise ApiError(400, 706, task=task_id) from e
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
