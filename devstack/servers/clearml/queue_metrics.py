"""How long tasks waited in each queue, and how many: samples taken at every change of a queue."""

from __future__ import annotations

import math
import sqlite3
from typing import Any

from pydantic import Field

from devstack.servers.clearml.documents import moment_of, now
from devstack.servers.clearml.envelope import Body, Call, Registry
from devstack.servers.clearml.errors import ApiError

endpoint = Registry()

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
        raise ApiError(400, 12, "from_date must be less than to_date")
    known = [row[0] for row in call.db.execute("SELECT id FROM queues ORDER BY rowid")]
    chosen = [queue for queue in known if not body.queue_ids or queue in body.queue_ids]
    if body.refresh:
        for queue in chosen:
            take_sample(call.db, queue)
    first, last = (int(seconds * 1000) for seconds in (body.from_date - _EARLIER_S, body.to_date))
    series = {queue: _series(call.db, queue, first, last, body.interval * 1000) for queue in chosen}
    if not body.queue_ids:
        series = {"total": _total(series)}
    return {"queues": [_shown(queue, points) for queue, points in series.items() if points]}


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
