"""Endpoints that take in events (console lines, scalars, plots) and that read the console."""

from __future__ import annotations

import json
import math
import sqlite3
import time
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from devstack.servers.clearml.documents import Document, load_task, save_task, stamp
from devstack.servers.clearml.envelope import Body, Call, Registry
from devstack.servers.clearml.errors import ApiError
from devstack.servers.clearml.metrics import update_metrics

endpoint = Registry()

_INT64 = 2**63 - 1
EventType = Literal["log", "training_stats_scalar", "training_stats_vector", "training_debug_image", "plot"]


class Event(BaseModel):
    """One line of a batch; further keys are kept as they come."""

    model_config = ConfigDict(extra="allow")

    type: EventType
    task: str
    timestamp: int | None = Field(default=None, ge=0, le=_INT64)
    iter: int | None = Field(default=None, ge=-_INT64 - 1, le=_INT64)
    metric: str | None = None
    variant: str | None = None


class BatchBody(Body):
    """Taken apart by the handler, item by item."""

    items: list[Any]


class LogBody(Body):
    task: str
    batch_size: int = Field(default=500, ge=1, le=5000)
    order: Literal["asc", "desc"] | None = None
    navigate_earlier: bool = True
    from_timestamp: int | None = Field(default=None, ge=-_INT64 - 1, le=_INT64)


@endpoint("events.add_batch", BatchBody, writes=True, batch=True)
def add_batch(call: Call, body: BatchBody) -> dict[str, Any]:
    return _add(call.db, body.items)


@endpoint("events.add", Event, writes=True)
def add(call: Call, body: Event) -> dict[str, Any]:
    return _add(call.db, [body.model_dump(exclude_unset=True)])


def _add(db: sqlite3.Connection, items: list[Any]) -> dict[str, Any]:
    """Store what is sound; the rest is counted by reason, as the real server does.

    Raises:
        ApiError: 400/131, nothing at all was sound.
    """
    errors: Counter[str] = Counter()
    by_task: dict[str, list[Document]] = {}
    for item in items:
        try:
            event = Event.model_validate(item)
        except ValidationError as e:
            errors[f"Invalid event: {e.errors()[0]['msg']}"] += 1
            continue
        if _is_unsound(item):
            errors["Value is not a finite number"] += 1
            continue
        by_task.setdefault(event.task, []).append(_complete(event, item))
    added = 0
    for task_id, events in by_task.items():
        try:
            task = load_task(db, task_id)
        except ApiError:
            errors["Invalid task id"] += len(events)
            continue
        if task["status"] == "published":
            errors["Task is published"] += len(events)
            continue
        _store(db, events)
        update_metrics(task, events)
        at = stamp()
        save_task(db, task | {"last_update": at, "last_change": at})
        added += len(events)
    if not added and errors:
        raise ApiError(400, 131, errors=dict(errors))
    return {"added": added, "errors": errors.total(), "errors_info": dict(errors)}


def _is_unsound(item: Document) -> bool:
    if item["type"] != "training_stats_scalar":
        return False
    value = item.get("value")
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return True
    try:
        return not math.isfinite(value)
    except OverflowError:  # an integer beyond any float
        return True


def _complete(event: Event, item: Document) -> Document:
    if event.timestamp is None:
        event.timestamp = time.time_ns() // 1_000_000
    written = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    document = {key: value for key, value in item.items() if key not in ("allow_locked", "method")}
    defaults: Document = {"model_event": False, "metric": "", "variant": ""}
    if event.type != "log":
        defaults["iter"] = 0
    parsed = event.model_dump(include={"timestamp", "iter", "metric", "variant"}, exclude_none=True)
    return {**defaults, **document, **parsed, "@timestamp": written}


def _store(db: sqlite3.Connection, events: Iterable[Document]) -> None:
    """A scalar or plot of the same metric, variant and iteration replaces the one before."""
    for event in events:
        identity = (event["task"], event["type"])
        place = (event["metric"] or "", event["variant"] or "", event.get("iter") or 0)
        if event["type"] != "log":
            db.execute(
                "DELETE FROM events WHERE task = ? AND type = ? AND metric = ? AND variant = ? AND iter = ?",
                (*identity, *place),
            )
        db.execute(
            "INSERT INTO events (task, type, timestamp, metric, variant, iter, doc)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            (*identity, event["timestamp"], *place, json.dumps(event)),
        )


@endpoint("events.get_task_log", LogBody)
def get_task_log(call: Call, body: LogBody) -> dict[str, Any]:
    """A page of the console, from before or after ``from_timestamp``.

    A time stamp is never split between two pages, so that the last one of a page can be the next page's
    ``from_timestamp``: a page may be longer than ``batch_size``.
    """
    load_task(call.db, body.task)
    earlier = body.navigate_earlier
    chosen = "task = ? AND type = 'log'"
    values: list[Any] = [body.task]
    total = call.db.execute(f"SELECT count(*) FROM events WHERE {chosen}", values).fetchone()[0]  # noqa: S608
    if body.from_timestamp is not None:
        chosen += " AND timestamp < ?" if earlier else " AND timestamp > ?"
        values.append(body.from_timestamp)
    direction = "DESC" if earlier else "ASC"
    sql = f"SELECT timestamp, doc FROM events WHERE {chosen} ORDER BY timestamp {direction}, seq {direction}"  # noqa: S608
    events: list[Document] = []
    last: int | None = None
    for timestamp, doc in call.db.execute(sql, values):
        if len(events) >= body.batch_size and timestamp != last:
            break
        events.append(json.loads(doc))
        last = timestamp
    if body.order is not None and (body.order == "asc") == earlier:
        events.reverse()
    return {"events": events, "returned": len(events), "total": total}
