"""What is read in bulk: waiting tasks together, what jobs report, the console, and how busy queues are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from clearml_provider import api
from clearml_provider.api import queue_rows
from clearml_provider.exceptions import (
    ClearMLConfigError,
    ClearMLError,
    ClearMLNotFoundError,
    ClearMLUnknownStatusError,
)
from clearml_provider.models import MULTI_NODE_TAG, PROPERTIES, TaskInfo, when
from clearml_provider.transport import (
    SUBCODE_INVALID_TASK_ID,
    Answer,
    Flow,
    call,
)

POLL_FIELDS = (
    "id", "status", "status_reason", "status_message", "status_changed", "started", "completed",
    "last_update", "last_worker", "last_worker_report", "execution.queue",
    f"hyperparams.{PROPERTIES}.attempt", f"hyperparams.{PROPERTIES}.waiter",
)  # fmt: skip
"""``only_fields`` of a poll: what a waiting trigger judges, and no more."""
TaskOrError = TaskInfo | ClearMLError
"""A task, or why this one task cannot be read: it is no reason to stop waiting for the others."""
SINGLE_VALUES = "Summary"
"""Metric under which the SDK's ``report_single_value`` files them."""
LOG_PAGE_EVENTS = 1000
Curve = dict[str, list[float]]
"""``{"x": iterations, "y": values}``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueStatistics:
    """How long a queue is, and who serves it."""

    name: str
    queue_id: str
    waiting: int
    """Tasks in the queue."""
    oldest_waiting_since: datetime | None
    """When the one that waits longest was enqueued; None: nothing waits."""
    oldest_waiting_s: float
    """The same as an age, on the server's clock; 0: nothing waits."""
    workers: int
    """Agents that serve the queue and were heard of within their own time-out (10 minutes)."""
    busy: int
    """Of these, how many run a task, of whatever queue."""

    @property
    def idle(self) -> int:
        return self.workers - self.busy

    def to_json(self) -> dict[str, Any]:
        since = self.oldest_waiting_since
        return {
            "queue": self.name,
            "queue_id": self.queue_id,
            "waiting": self.waiting,
            "oldest_waiting_since": since.isoformat() if since else None,
            "oldest_waiting_s": round(self.oldest_waiting_s, 1),
            "workers": self.workers,
            "busy": self.busy,
            "idle": self.idle,
        }


def poll_tasks(task_ids: Sequence[str]) -> Flow[dict[str, TaskOrError]]:
    """At most 500 tasks in one request; every id is in the result.

    An id that does not come back is a `ClearMLNotFoundError` of that id, and a status that this version
    does not know a `ClearMLUnknownStatusError`.
    """
    if not task_ids:  # the server takes an empty list for "all tasks"
        return {}
    fields = api.projection(POLL_FIELDS)
    query = {"id": list(task_ids), "page": 0, "page_size": api.PAGE_ROWS, "only_fields": fields}
    seen = _read_rows((yield from call("tasks.get_all", query)))
    return {task_id: seen.get(task_id) or _missing(task_id) for task_id in task_ids}


def poll_children(master_ids: Sequence[str]) -> Flow[dict[str, list[TaskOrError]]]:
    """The further nodes that ``launch_multi_node`` made, by their master; hidden ones too."""
    children: dict[str, list[TaskOrError]] = {}
    for start in range(0, len(master_ids), api.PAGE_ROWS):
        page, rows = 0, api.PAGE_ROWS
        while rows == api.PAGE_ROWS:
            query = {
                "parent": list(master_ids[start : start + api.PAGE_ROWS]),
                "system_tags": [MULTI_NODE_TAG],
                "search_hidden": True,
                "order_by": api.PAGE_ORDER,
                "page": page,
                "page_size": api.PAGE_ROWS,
                "only_fields": api.projection((*POLL_FIELDS, "parent")),
            }
            answer = yield from call("tasks.get_all", query)
            parents = {row["id"]: row.get("parent") or "" for row in answer.data["tasks"]}
            for child_id, seen in _read_rows(answer).items():
                children.setdefault(parents[child_id], []).append(seen)
            page, rows = page + 1, len(answer.data["tasks"])
    return children


def get_single_values(task_id: str) -> Flow[dict[str, float]]:
    """What ``report_single_value`` left, by name; of other metrics, ``metric/variant``."""
    answer = yield from call("events.get_task_single_value_metrics", {"tasks": [task_id]})
    rows = [row for task in answer.data["tasks"] if task["task"] == task_id for row in task["values"]]
    return {
        row["variant"] if row["metric"] == SINGLE_VALUES else f"{row['metric']}/{row['variant']}": row[
            "value"
        ]
        for row in rows
    }


def get_scalars(task_id: str, *, samples: int = 100) -> Flow[dict[str, dict[str, Curve]]]:
    """The curves, metric → variant → ``{"x", "y"}``; longer ones are averaged down to *samples* points."""
    query = {"task": task_id, "samples": samples, "key": "iter"}
    answer = yield from call("events.scalar_metrics_iter_histogram", query)
    return {
        metric: {
            variant: {"x": list(curve["x"]), "y": list(curve["y"])} for variant, curve in variants.items()
        }
        for metric, variants in answer.data.items()
    }


def get_log_page(task_id: str, *, after: int) -> Flow[tuple[list[str], int | None]]:
    """A page of the console, oldest first, from *after* (milliseconds since the epoch; 0: the beginning).

    Returns:
        The texts of its events, each of one line or several, and where the next page begins; None: this was
        the last. The server never splits the events of one moment between two pages.
    """
    query = {
        "task": task_id,
        "batch_size": LOG_PAGE_EVENTS,
        "order": "asc",
        "navigate_earlier": False,
        "from_timestamp": after,
    }
    events = (yield from call("events.get_task_log", query)).data["events"]
    texts = [str(event.get("msg") or "") for event in events]
    if len(events) < LOG_PAGE_EVENTS:
        return texts, None
    return texts, max(int(event.get("timestamp") or 0) for event in events)


def get_queue_statistics(names: Sequence[str] | None = None) -> Flow[list[QueueStatistics]]:
    """How long the queues called *names* are and who serves them; None: all queues, by name.

    Raises:
        ClearMLConfigError: There is no such queue; the message lists those that exist.
    """
    found, server_time = yield from queue_rows("id", "name", "entries", hidden=names is not None)
    rows = {row["name"]: row for row in found}
    missing = sorted(set(names or ()) - set(rows))
    if missing:
        raise ClearMLConfigError(
            f"ClearML has no queue {', '.join(map(repr, missing))}, known are {sorted(rows)}. "
            f"Correct the name; nothing was created."
        )
    workers = (yield from call("workers.get_all")).data["workers"]
    chosen = sorted(rows) if names is None else list(dict.fromkeys(names))
    return [_statistics(rows[name], workers, server_time) for name in chosen]


def _statistics(
    row: Mapping[str, Any], workers: Sequence[Mapping[str, Any]], server_time: datetime
) -> QueueStatistics:
    serving = [w for w in workers if any(q.get("id") == row["id"] for q in w.get("queues") or ())]
    entries = row.get("entries") or []
    since = min((t for t in (when(e.get("added")) for e in entries) if t), default=None)
    return QueueStatistics(
        name=row["name"],
        queue_id=row["id"],
        waiting=len(entries),
        oldest_waiting_since=since,
        oldest_waiting_s=max(0.0, (server_time - since).total_seconds()) if since else 0.0,
        workers=len(serving),
        busy=sum(1 for worker in serving if (worker.get("task") or {}).get("id")),
    )


def lines_of(texts: Sequence[str]) -> Iterator[str]:
    """The console's lines; progress bars that overwrite themselves count as lines of their own."""
    for text in texts:
        yield from text.splitlines()


def _read_rows(answer: Answer) -> dict[str, TaskOrError]:
    seen: dict[str, TaskOrError] = {}
    for row in answer.data["tasks"]:
        try:
            seen[row["id"]] = TaskInfo.from_api(row, server_time=answer.server_time)
        except ClearMLUnknownStatusError as error:
            seen[row["id"]] = error
    return seen


def _missing(task_id: str) -> ClearMLNotFoundError:
    return ClearMLNotFoundError(
        f"ClearML has no task {task_id}. It was deleted, or the connection points at another server or "
        f"workspace.",
        status=400,
        subcode=SUBCODE_INVALID_TASK_ID,
        endpoint="tasks.get_all",
    )
