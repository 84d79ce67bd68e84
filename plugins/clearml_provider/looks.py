"""The few requests by which many waiting tasks are looked at together, and one put back into its queue."""

from __future__ import annotations

from collections.abc import Sequence

from clearml_provider import calls
from clearml_provider.exceptions import (
    ClearMLAPIError,
    ClearMLAuthError,
    ClearMLError,
    ClearMLNotFoundError,
    ClearMLUnavailableError,
    ClearMLUnknownStatusError,
)
from clearml_provider.models import PROPERTIES, TaskInfo
from clearml_provider.status import TaskStatus
from clearml_provider.wire import (
    SUBCODE_INVALID_TASK_ID,
    SUBCODE_INVALID_TASK_STATUS,
    SUBCODE_LOST_RACE,
    Answer,
    Flow,
    call,
)

POLL_FIELDS = (
    "id", "status", "status_reason", "status_message", "status_changed", "started", "completed",
    "last_update", "last_worker", "last_worker_report", "execution.queue",
    f"hyperparams.{PROPERTIES}.attempt", f"hyperparams.{PROPERTIES}.waiter",
)  # fmt: skip
"""``only_fields`` of a look: what a waiting trigger judges, and no more."""

_MULTI_NODE_TAG = "multi_node_instance"

Seen = TaskInfo | ClearMLError
"""A task, or why this one task cannot be told: it is no reason to stop waiting for the others."""


def look_at_tasks(task_ids: Sequence[str]) -> Flow[dict[str, Seen]]:
    """At most 500 tasks in one request; every id is in the result.

    An id that does not come back is a `ClearMLNotFoundError` of that id, and a status that this version
    does not know a `ClearMLUnknownStatusError`.
    """
    fields = calls.projection(POLL_FIELDS)
    query = {"id": list(task_ids), "page": 0, "page_size": calls.PAGE_ROWS, "only_fields": fields}
    seen = _read_rows((yield from call("tasks.get_all", query)))
    return {task_id: seen.get(task_id) or _missing(task_id) for task_id in task_ids}


def look_at_children(master_ids: Sequence[str]) -> Flow[dict[str, list[Seen]]]:
    """The further nodes that ``launch_multi_node`` made, by their master; hidden ones too."""
    children: dict[str, list[Seen]] = {}
    for start in range(0, len(master_ids), calls.PAGE_ROWS):
        page, rows = 0, calls.PAGE_ROWS
        while rows == calls.PAGE_ROWS:
            query = {
                "parent": list(master_ids[start : start + calls.PAGE_ROWS]),
                "system_tags": [_MULTI_NODE_TAG],
                "search_hidden": True,
                "order_by": ["created", "id"],
                "page": page,
                "page_size": calls.PAGE_ROWS,
                "only_fields": calls.projection((*POLL_FIELDS, "parent")),
            }
            answer = yield from call("tasks.get_all", query)
            parents = {row["id"]: row.get("parent") or "" for row in answer.data["tasks"]}
            for child_id, seen in _read_rows(answer).items():
                children.setdefault(parents[child_id], []).append(seen)
            page, rows = page + 1, len(answer.data["tasks"])
    return children


def put_back(task_id: str, *, attempt: int, waiter: str) -> Flow[bool]:
    """Enqueue a task that is ``queued`` but in no queue: its agent died before it said that it started.

    Looks once more before, because an agent that has just taken it is as invisible.

    Returns:
        False when there was nothing to do: it is in a queue, moved on, or is another waiter's.

    Raises:
        ClearMLNotFoundError: Its queue was deleted, or the task.
        ClearMLUnavailableError: It is not known whether the server did it; look again later.
    """
    task = yield from calls.get_task(task_id)
    ours = task.attempt == attempt and task.user_properties.get("waiter") == waiter
    if not ours or task.status is not TaskStatus.QUEUED or task_id in (yield from calls.queued_task_ids()):
        return False
    if task.queue_id is None:
        raise ClearMLNotFoundError(
            f"ClearML task {task_id} is queued, but in no queue, and does not say in which it was. "
            f"Enqueue it in ClearML's web UI.",
            status=400,
            endpoint="tasks.enqueue",
        )
    try:
        yield from calls.put_back(task_id, task.queue_id)
    except ClearMLNotFoundError as error:
        raise ClearMLNotFoundError(
            f"ClearML task {task_id} is queued, but in no queue; its queue {task.queue_id} cannot take it "
            f"back ({error}). Was the queue deleted? Enqueue the task elsewhere in ClearML's web UI.",
            status=error.status,
            subcode=error.subcode,
            endpoint=error.endpoint,
        ) from error
    except ClearMLAPIError as error:
        if error.subcode not in {SUBCODE_INVALID_TASK_STATUS, SUBCODE_LOST_RACE}:
            raise
        return False  # it started in this moment
    return True


def may_pass(error: Exception) -> bool:
    """Whether waiting may help: no sensible answer, or one that is a gateway's and not ClearML's."""
    if isinstance(error, ClearMLUnavailableError):
        return True
    return (
        isinstance(error, ClearMLAPIError) and not isinstance(error, ClearMLAuthError) and error.subcode == 0
    )


def concerns_request(error: Exception) -> bool:
    """Whether the server refused just this request, so that the next one may fare better at once."""
    return (
        isinstance(error, ClearMLAPIError) and not isinstance(error, ClearMLAuthError) and not may_pass(error)
    )


def _read_rows(answer: Answer) -> dict[str, Seen]:
    seen: dict[str, Seen] = {}
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
