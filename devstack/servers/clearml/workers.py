"""Agents: who serves which queues, what runs where, and when each was last heard of."""

from __future__ import annotations

import json
import sqlite3
from fnmatch import fnmatchcase
from typing import Any, Literal

from pydantic import Field

from devstack.servers.clearml.documents import (
    COMPANY,
    COMPANY_NAME,
    USER,
    USER_NAME,
    Document,
    load_task,
    now,
    save_task,
    stamp,
)
from devstack.servers.clearml.protocol import ApiError, Body, Call, Registry

endpoint = Registry()

_TIMEOUT_S = 600
_KEPT_S = 14 * 24 * 3600


class WorkerBody(Body):
    worker: str = Field(min_length=1)


class RegisterBody(WorkerBody):
    timeout: int = Field(default=_TIMEOUT_S, ge=1, le=86400)
    queues: list[str] | None = None
    tags: list[str] | None = None
    system_tags: list[str] | None = None


class StatusReportBody(WorkerBody):
    timestamp: int
    """Milliseconds."""
    task: str | None = None
    queue: str | None = None
    queues: list[str] | None = None
    tags: list[str] | None = None
    machine_stats: dict[str, float | list[float]] | None = None
    """A list has a value a device, e.g. a GPU."""


class StatItem(Body):
    key: str
    category: Literal["avg", "max", "min"] = "avg"


class StatsBody(Body):
    worker_ids: list[str] | None = None
    from_date: float
    """Seconds since 1970."""
    to_date: float
    interval: int = Field(ge=1)
    """Seconds between points."""
    items: list[StatItem] = Field(min_length=1)
    split_by_variant: bool = False
    """A series a device."""


class GetAllBody(Body):
    last_seen: int | None = Field(default=None, ge=0)
    """Seconds; 0 means everyone who has not timed out."""
    tags: list[str] | None = None
    """Workers with one of them; so with ``system_tags``."""
    system_tags: list[str] | None = None
    worker_pattern: str | None = None
    """Of worker ids; ``*`` and ``?`` as in the shell."""


def _load(db: sqlite3.Connection, worker: str) -> Document | None:
    row = db.execute("SELECT last_report, doc FROM workers WHERE id = ?", (worker,)).fetchone()
    if row is None:
        return None
    document: Document = json.loads(row[1])
    return document if now().timestamp() - row[0] < document["register_timeout"] else None


def _save(db: sqlite3.Connection, document: Document) -> None:
    db.execute(
        "INSERT OR REPLACE INTO workers (id, last_report, doc) VALUES (?, ?, ?)",
        (document["id"], now().timestamp(), json.dumps(document)),
    )


def _new(body: WorkerBody, call: Call, *, timeout: int = _TIMEOUT_S) -> Document:
    at = stamp()
    return {
        "id": body.worker,
        "key": f"worker_{COMPANY}_{USER}_{body.worker}",
        "company": {"id": COMPANY, "name": COMPANY_NAME},
        "user": {"id": USER, "name": USER_NAME},
        "ip": call.client_address,
        "queues": [],
        "register_time": at,
        "register_timeout": timeout,
        "last_activity_time": at,
        "last_report_time": at,
        "tags": [],
        "system_tags": [],
    }


@endpoint("workers.register", RegisterBody, writes=True)
def register(call: Call, body: RegisterBody) -> dict[str, Any]:
    missing = [queue for queue in body.queues or () if _queue_entry(call.db, queue) is None]
    if missing:
        raise ApiError(400, 701, ids=missing)
    document = _new(body, call, timeout=body.timeout)
    document |= {"queues": body.queues or [], "tags": body.tags or [], "system_tags": body.system_tags or []}
    _save(call.db, document)
    return {}


@endpoint("workers.unregister", RegisterBody, writes=True)
def unregister(call: Call, body: RegisterBody) -> dict[str, Any]:
    call.db.execute("DELETE FROM workers WHERE id = ?", (body.worker,))
    return {}


@endpoint("workers.status_report", StatusReportBody, writes=True)
def status_report(call: Call, body: StatusReportBody) -> dict[str, Any]:
    """A heartbeat; with a task it is the task's heartbeat too. An unknown worker is registered by it."""
    document = _load(call.db, body.worker) or _new(body, call)
    at = stamp()
    document |= {"last_activity_time": at, "last_report_time": at, "ip": call.client_address}
    if body.queues is not None:
        document["queues"] = body.queues
    if body.tags is not None:
        document["tags"] = body.tags
    for key in ("task", "queue", "project"):
        document.pop(key, None)
    if body.task:
        task = load_task(call.db, body.task)
        task |= {"last_worker": body.worker, "last_worker_report": at, "last_update": at, "last_change": at}
        save_task(call.db, task)
        document["task"] = body.task
        if body.queue:
            document["queue"] = body.queue
    _save(call.db, document)
    _store_samples(call.db, body)
    return {}


def _store_samples(db: sqlite3.Connection, body: StatusReportBody) -> None:
    for metric, value in (body.machine_stats or {}).items():
        values = value if isinstance(value, list) else [value]
        db.executemany(
            "INSERT INTO worker_samples (worker, at_ms, metric, variant, value) VALUES (?, ?, ?, ?, ?)",
            [(body.worker, body.timestamp, metric, str(i), each) for i, each in enumerate(values)],
        )
    db.execute("DELETE FROM worker_samples WHERE at_ms < ?", (int(now().timestamp() - _KEPT_S) * 1000,))


@endpoint("workers.get_stats", StatsBody)
def get_stats(call: Call, body: StatsBody) -> dict[str, Any]:
    """What the machines reported: for each worker, metric and device points at each interval."""
    known = [row[0] for row in call.db.execute("SELECT DISTINCT worker FROM worker_samples ORDER BY worker")]
    chosen = [worker for worker in known if not body.worker_ids or worker in body.worker_ids]
    return {"workers": [{"worker": worker, "metrics": _metrics(call.db, worker, body)} for worker in chosen]}


def _metrics(db: sqlite3.Connection, worker: str, body: StatsBody) -> list[Document]:
    rows = db.execute(
        "SELECT metric, variant, at_ms / 1000 / ? * ?, avg(value), max(value), min(value) FROM worker_samples"
        " WHERE worker = ? AND at_ms BETWEEN ? AND ?"
        " GROUP BY 1, CASE WHEN ? THEN variant END, 3 ORDER BY 1, 2, 3",
        (
            body.interval,
            body.interval,
            worker,
            int(body.from_date * 1000),
            int(body.to_date * 1000),
            body.split_by_variant,
        ),
    ).fetchall()
    categories: dict[str, list[str]] = {}
    for item in body.items:
        categories.setdefault(item.key, []).append(item.category)
    series: dict[tuple[str, str], list[tuple[int, dict[str, float]]]] = {}
    for metric, variant, at, *values in rows:
        if metric in categories:
            place = (metric, variant if body.split_by_variant else "")
            series.setdefault(place, []).append((at, dict(zip(("avg", "max", "min"), values, strict=True))))
    return [
        {
            "metric": metric,
            **({"variant": variant} if body.split_by_variant else {}),
            "dates": [at for at, _ in points],
            "stats": [
                {"aggregation": category, "values": [values[category] for _, values in points]}
                for category in categories[metric]
            ],
        }
        for (metric, variant), points in series.items()
    ]


def _select(call: Call, body: GetAllBody) -> list[Document]:
    limit_s = body.last_seen or float("inf")
    moment = now().timestamp()
    workers = []
    for last_report, doc in call.db.execute("SELECT last_report, doc FROM workers ORDER BY id"):
        document = json.loads(doc)
        if (
            moment - last_report < min(limit_s, document["register_timeout"])
            and (not body.tags or set(body.tags) & set(document["tags"]))
            and (not body.system_tags or set(body.system_tags) & set(document["system_tags"]))
            and fnmatchcase(document["id"], body.worker_pattern or "*")
        ):
            workers.append(document)
    return workers


@endpoint("workers.get_all", GetAllBody)
def get_all(call: Call, body: GetAllBody) -> dict[str, Any]:
    return {"workers": [_shown(call.db, document) for document in _select(call, body)]}


@endpoint("workers.get_count", GetAllBody)
def get_count(call: Call, body: GetAllBody) -> dict[str, Any]:
    return {"count": len(_select(call, body))}


def is_watched(db: sqlite3.Connection, queue_id: str) -> bool:
    """Whether a worker that has not timed out serves the queue."""
    moment = now().timestamp()
    return any(
        queue_id in (document := json.loads(doc))["queues"]
        and moment - last_report < document["register_timeout"]
        for last_report, doc in db.execute("SELECT last_report, doc FROM workers")
    )


def _shown(db: sqlite3.Connection, document: Document) -> Document:
    """The worker with names and counts in place of ids."""
    shown = dict(document)
    shown["queues"] = [entry for queue in document["queues"] if (entry := _queue_entry(db, queue))]
    if "queue" in document:
        shown["queue"] = _queue_entry(db, document["queue"]) or {"id": document["queue"]}
    if "task" in document:
        row = db.execute("SELECT doc FROM tasks WHERE id = ?", (document["task"],)).fetchone()
        task = json.loads(row[0]) if row else {}
        shown["task"] = {
            "id": document["task"],
            "name": task.get("name", ""),
            "running_time": task.get("active_duration", 0) * 1000,
            "last_iteration": task.get("last_iteration", 0),
        }
    return shown


def _queue_entry(db: sqlite3.Connection, queue_id: str) -> Document | None:
    row = db.execute("SELECT name FROM queues WHERE id = ?", (queue_id,)).fetchone()
    if row is None:
        return None
    tasks = [
        each[0]
        for each in db.execute("SELECT task FROM entries WHERE queue = ? ORDER BY position", (queue_id,))
    ]
    entry: Document = {"id": queue_id, "name": row[0], "num_tasks": len(tasks)}
    if tasks:
        entry["next_task"] = {"id": tasks[0], "name": load_task(db, tasks[0])["name"]}
    return entry
