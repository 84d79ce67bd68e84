"""Console lines, scalars and plots: the endpoints that take them in and that read them."""

from __future__ import annotations

import hashlib
import json
import math
import sqlite3
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from devstack.servers.clearml.documents import Document, heard_of, load_task, save_task, stamp
from devstack.servers.clearml.protocol import ApiError, Body, Call, EventsNotAddedError, Registry, new_id

SINGLE_VALUE_ITERATION = -(2**31)
"""The iteration under which the SDK reports a value that has no iteration."""


def key_of(name: str) -> str:
    """The key of a metric or variant in a task's ``last_metrics``: names may hold dots."""
    return hashlib.md5(name.encode(errors="surrogatepass"), usedforsecurity=False).hexdigest()


def update_metrics(task: Document, events: Iterable[Document]) -> None:
    """Fold *events* into the task's ``last_metrics``, ``metric_stats``, ``unique_metrics`` and iteration."""
    for event in events:
        metric, variant = event["metric"] or "", event["variant"] or ""
        stats = task["metric_stats"].setdefault(key_of(metric), {"metric": metric, "event_stats_by_type": {}})
        stats["event_stats_by_type"][event["type"]] = {"last_update": stamp()}
        iteration = event.get("iter") or 0
        task["last_iteration"] = max(task["last_iteration"], iteration)
        if event["type"] != "training_stats_scalar":
            continue
        name = f"{metric}/{variant}"
        if name not in task["unique_metrics"]:
            task["unique_metrics"].append(name)
        variants = task["last_metrics"].setdefault(key_of(metric), {})
        variants[key_of(variant)] = _fold(variants.get(key_of(variant)), event, iteration)


def _fold(last: Document | None, event: Document, iteration: int) -> Document:
    value: Any = event["value"]
    if last is None:
        edges = {f"{edge}_value": value for edge in ("min", "max", "first")}
        iterations = {f"{edge}_value_iteration": iteration for edge in ("min", "max", "first")}
        names = {"metric": event["metric"], "variant": event["variant"]}
        return {**names, "value": value, "mean_value": value, "count": 1, **edges, **iterations}
    folded = {**last, "value": value, "count": last["count"] + 1}
    # Divided first: the sum of two large values may be infinite, their mean is not.
    count = folded["count"]
    folded["mean_value"] = last["mean_value"] * (last["count"] / count) + value / count
    for edge, better in (("min", value < last["min_value"]), ("max", value > last["max_value"])):
        if better:
            folded |= {f"{edge}_value": value, f"{edge}_value_iteration": iteration}
    return folded


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


class AnyEvent(BaseModel):
    """One event, taken apart by the handler as the items of a batch are."""

    model_config = ConfigDict(extra="allow")


class BatchBody(Body):
    """Taken apart by the handler, item by item."""

    items: list[Any]


class LogBody(Body):
    task: str
    batch_size: int = Field(default=500, ge=0, le=5000)
    order: Literal["asc", "desc"] | None = None
    navigate_earlier: bool = True
    from_timestamp: int | None = Field(default=None, ge=-_INT64 - 1, le=_INT64)


@endpoint("events.add_batch", BatchBody, writes=True, batch=True)
def add_batch(call: Call, body: BatchBody) -> dict[str, Any]:
    return _add(call.db, body.items)


@endpoint("events.add", AnyEvent, writes=True)
def add(call: Call, body: AnyEvent) -> dict[str, Any]:
    return _add(call.db, [body.model_dump()])


def _add(db: sqlite3.Connection, items: list[Any]) -> dict[str, Any]:
    """Store what is sound; the rest is counted by reason, as the real server does.

    Raises:
        ApiError: 400/131, nothing at all was sound.
    """
    if not items:
        raise ApiError(400, 17)
    errors: Counter[str] = Counter()
    by_task: dict[str, list[Document]] = {}
    for item in items:
        try:
            event = Event.model_validate(item)
        except ValidationError as e:
            errors[_reason(item, e)] += 1
            continue
        if _is_unsound(item):
            errors["Value is not a finite number"] += 1
            continue
        by_task.setdefault(event.task, []).append(_complete(event, item))
    added = 0
    for task_id, events in by_task.items():
        row = db.execute("SELECT status FROM tasks WHERE id = ?", (task_id,)).fetchone()
        if row is None or row[0] == "published":
            errors[f"Invalid task id {task_id}"] += len(events)
            continue
        _store(db, events)
        task = load_task(db, task_id)
        update_metrics(task, events)
        heard_of(task)
        save_task(db, task | {"last_change": task["last_update"]})
        added += len(events)
    if not added and errors:
        raise EventsNotAddedError(errors)
    return {"added": added, "errors": errors.total(), "errors_info": dict(errors)}


def _reason(item: Any, error: ValidationError) -> str:
    if not isinstance(item, dict) or "task" not in item:
        return "Event must have a 'task' field"
    first = error.errors(include_url=False, include_input=False)[0]
    if first["loc"] == ("type",):
        return f"Invalid event type {item.get('type')}"
    return f"Invalid event: {first['msg']}"


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
    defaults: Document = {"model_event": False, "worker": "<unknown>", "metric": "", "variant": ""}
    if event.type == "plot":
        defaults["plot_len"] = len(str(item.get("plot_str", "")))
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
    load_task(call.db, body.task, ids=[body.task])
    earlier = body.navigate_earlier
    chosen = "task = ? AND type = 'log'"
    values: list[Any] = [body.task]
    total = call.db.execute(f"SELECT count(*) FROM events WHERE {chosen}", values).fetchone()[0]
    if body.from_timestamp is not None:
        chosen += " AND timestamp < ?" if earlier else " AND timestamp > ?"
        values.append(body.from_timestamp)
    direction = "DESC" if earlier else "ASC"
    sql = f"SELECT timestamp, doc FROM events WHERE {chosen} ORDER BY timestamp {direction}, seq {direction}"
    events: list[Document] = []
    last: int | None = None
    for timestamp, doc in call.db.execute(sql, values):
        if len(events) >= body.batch_size and timestamp != last:
            break
        events.append(json.loads(doc))
        last = timestamp
    if body.order is not None and (body.order == "asc") == earlier:
        events.reverse()
    answer = {"events": events, "returned": len(events), "total": total}
    return answer if call.version >= (2, 9) else answer | {"scroll_id": new_id()}


_SCALAR = "training_stats_scalar"


class MetricVariants(Body):
    metric: str
    variants: list[str] | None = None


class HistogramBody(Body):
    task: str
    samples: int = Field(default=2000, ge=1, le=100_000)
    key: Literal["iter", "timestamp", "iso_time"] = "iter"
    metrics: list[MetricVariants] | None = None


class TasksBody(Body):
    tasks: list[str] = Field(min_length=1)
    metrics: list[MetricVariants] | None = None


class EventsBody(Body):
    task: str
    event_type: EventType | None = None
    order: Literal["asc", "desc"] = "asc"
    batch_size: int = Field(default=500, ge=1, le=10_000)
    scroll_id: str | None = None


class PlotsBody(Body):
    task: str
    iters: int = Field(default=1, ge=1)
    scroll_id: str | None = None


def single_values(db: sqlite3.Connection, task_id: str) -> list[Document]:
    """The task's values without iteration, by metric and variant."""
    rows = db.execute(
        "SELECT doc FROM events WHERE task = ? AND type = ? AND iter = ? ORDER BY metric, variant",
        (task_id, _SCALAR, SINGLE_VALUE_ITERATION),
    )
    keys = ("metric", "variant", "value", "timestamp")
    return [{key: event[key] for key in keys} for event in (json.loads(row[0]) for row in rows)]


def _wanted(metrics: list[MetricVariants] | None, metric: str, variant: str) -> bool:
    if metrics is None:
        return True
    return any(each.metric == metric and (not each.variants or variant in each.variants) for each in metrics)


@endpoint("events.get_task_single_value_metrics", TasksBody)
def get_task_single_value_metrics(call: Call, body: TasksBody) -> dict[str, Any]:
    tasks = []
    for task_id in body.tasks:
        task = load_task(call.db, task_id, ids=[task_id])
        values = [
            value
            for value in single_values(call.db, task_id)
            if _wanted(body.metrics, value["metric"], value["variant"])
        ]
        if values:
            tasks.append({"task": task_id, "task_name": task["name"], "values": values})
    return {"tasks": tasks}


@endpoint("events.scalar_metrics_iter_histogram", HistogramBody)
def scalar_metrics_iter_histogram(call: Call, body: HistogramBody) -> dict[str, Any]:
    """``{metric: {variant: {name, x, y}}}``; more points than ``samples`` are averaged over steps of x."""
    load_task(call.db, body.task, ids=[body.task])
    column = "iter" if body.key == "iter" else "timestamp"
    rows = call.db.execute(
        "SELECT metric, variant, iter, timestamp, doc FROM events"
        " WHERE task = ? AND type = ? AND iter != ? ORDER BY metric, variant, iter, timestamp",
        (body.task, _SCALAR, SINGLE_VALUE_ITERATION),
    )
    series: dict[tuple[str, str], list[tuple[int, float]]] = {}
    for metric, variant, iteration, timestamp, doc in rows:
        if _wanted(body.metrics, metric, variant):
            x = iteration if column == "iter" else timestamp
            series.setdefault((metric, variant), []).append((x, json.loads(doc)["value"]))
    result: dict[str, Any] = {}
    for (metric, variant), points in series.items():
        xs, ys = _sampled(sorted(points), body.samples)
        shown = [_iso(x) for x in xs] if body.key == "iso_time" else xs
        result.setdefault(metric, {})[variant] = {"name": variant, "x": shown, "y": ys}
    return result


def _iso(timestamp: int) -> str:
    return datetime.fromtimestamp(timestamp / 1000, UTC).isoformat(timespec="milliseconds")


def _mean(values: Sequence[float]) -> float:
    """Divided first: the sum of large values may be infinite."""
    return sum(value / len(values) for value in values)


def _sampled(points: Sequence[tuple[int, float]], samples: int) -> tuple[list[int], list[float]]:
    if len(points) <= samples:
        return [x for x, _ in points], [y for _, y in points]
    first, last = points[0][0], points[-1][0]
    step = max(1, math.ceil((last - first + 1) / samples))
    buckets: dict[int, list[float]] = {}
    for x, y in points:
        buckets.setdefault(first + (x - first) // step * step, []).append(y)
    return list(buckets), [_mean(values) for values in buckets.values()]


def _scroll(scroll_id: str | None, *, default: int) -> int:
    if not scroll_id:
        return default
    if not scroll_id.isdecimal() or len(scroll_id) > 18:
        raise ApiError(400, 800, "Invalid scroll id", scroll_id=scroll_id)
    return int(scroll_id)


@endpoint("events.get_task_events", EventsBody)
def get_task_events(call: Call, body: EventsBody) -> dict[str, Any]:
    """Events in the order of arrival; ``scroll_id`` of one page asks for the next."""
    load_task(call.db, body.task, ids=[body.task])
    chosen = "task = ?" + (" AND type = ?" if body.event_type else "")
    values: list[Any] = [body.task, *([body.event_type] if body.event_type else [])]
    total = call.db.execute(f"SELECT count(*) FROM events WHERE {chosen}", values).fetchone()[0]
    ascending = body.order == "asc"
    position = _scroll(body.scroll_id, default=0 if ascending else 2**62)
    compare, direction = ("> ?", "ASC") if ascending else ("< ?", "DESC")
    sql = f"SELECT seq, doc FROM events WHERE {chosen} AND seq {compare} ORDER BY seq {direction} LIMIT ?"
    rows = call.db.execute(sql, (*values, position, body.batch_size)).fetchall()
    return {
        "events": [json.loads(row[1]) for row in rows],
        "returned": len(rows),
        "total": total,
        "scroll_id": str(rows[-1][0] if rows else position),
    }


@endpoint("events.get_task_plots", PlotsBody)
def get_task_plots(call: Call, body: PlotsBody) -> dict[str, Any]:
    """The last ``iters`` iterations of each plot, in one page."""
    load_task(call.db, body.task, ids=[body.task])
    rows = call.db.execute(
        "SELECT metric, variant, doc FROM events WHERE task = ? AND type = 'plot' AND seq > ?"
        " ORDER BY metric, variant, iter DESC",
        (body.task, _scroll(body.scroll_id, default=0)),
    ).fetchall()
    kept: dict[tuple[str, str], list[Document]] = {}
    for metric, variant, doc in rows:
        plots = kept.setdefault((metric, variant), [])
        if len(plots) < body.iters:
            plots.append(json.loads(doc))
    found = [plot for plots in kept.values() for plot in plots]
    return {"plots": found, "returned": len(found), "total": len(found), "scroll_id": None}
