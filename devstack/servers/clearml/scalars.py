"""Endpoints that read scalars, single values, plots and events of one type."""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import Field

from devstack.servers.clearml.documents import Document, load_task
from devstack.servers.clearml.envelope import Body, Call, Registry
from devstack.servers.clearml.errors import ApiError
from devstack.servers.clearml.events import EventType
from devstack.servers.clearml.metrics import SINGLE_VALUE_ITERATION

endpoint = Registry()

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
    load_task(call.db, body.task)
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
    load_task(call.db, body.task)
    chosen = "task = ?" + (" AND type = ?" if body.event_type else "")
    values: list[Any] = [body.task, *([body.event_type] if body.event_type else [])]
    total = call.db.execute(f"SELECT count(*) FROM events WHERE {chosen}", values).fetchone()[0]  # noqa: S608
    ascending = body.order == "asc"
    position = _scroll(body.scroll_id, default=0 if ascending else 2**62)
    compare, direction = ("> ?", "ASC") if ascending else ("< ?", "DESC")
    sql = f"SELECT seq, doc FROM events WHERE {chosen} AND seq {compare} ORDER BY seq {direction} LIMIT ?"  # noqa: S608
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
    load_task(call.db, body.task)
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
    return {"plots": found, "returned": len(found), "total": len(found), "scroll_id": str(2**62 // 8)}
