"""The calls to ClearML's API: each defines once what is sent and how the answer is read."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from clearml_provider.exceptions import (
    ClearMLAPIError,
    ClearMLConfigError,
    ClearMLLostAnswerError,
    ClearMLNotFoundError,
)
from clearml_provider.models import STATUS_FIELDS, Queue, TaskInfo, TaskStatus
from clearml_provider.transport import (
    SUBCODE_ALREADY_QUEUED,
    SUBCODE_INVALID_TASK_ID,
    SUBCODE_NOT_IN_QUEUE,
    Flow,
    Pause,
    call,
)

PAGE_ROWS = 500
"""``tasks.get_all`` silently cuts its answer here (clearml/clearml#612)."""
PAGE_ORDER = ["created", "id"]
"""``order_by`` of requests for page after page: without, the server may leave rows out or send them twice."""

LOST_ENQUEUE_PAUSES_S = (0.2, 0.5, 1.0, 2.0, 4.0)
FULL_FIELDS = (*STATUS_FIELDS, "hyperparams", "execution.artifacts")


def server_info() -> Flow[Mapping[str, Any]]:
    """``{"version", "api_version", …}``; needs valid keys."""
    return (yield from call("server.info")).data


def get_tasks(task_ids: Iterable[str], *, fields: Sequence[str] = STATUS_FIELDS) -> Flow[dict[str, TaskInfo]]:
    """Read tasks by id, 500 a request.

    Raises:
        ClearMLNotFoundError: Some ids did not come back: a deleted task is just absent from the answer.
    """
    wanted = list(dict.fromkeys(task_ids))
    found: dict[str, TaskInfo] = {}
    for start in range(0, len(wanted), PAGE_ROWS):
        chunk = wanted[start : start + PAGE_ROWS]
        for task in (yield from query_tasks({"id": chunk, "page": 0, "page_size": len(chunk)}, fields)):
            found[task.id] = task
    missing = [i for i in wanted if i not in found]
    if missing:
        raise ClearMLNotFoundError(
            f"ClearML has no task {', '.join(missing[:20])}{' …' if len(missing) > 20 else ''} "
            f"({len(missing)} of {len(wanted)} asked for). "
            f"It was deleted, or the connection points at another server or workspace.",
            status=400,
            subcode=SUBCODE_INVALID_TASK_ID,
            endpoint="tasks.get_all",
        )
    return {i: found[i] for i in wanted}


def get_task(task_id: str, *, fields: Sequence[str] = STATUS_FIELDS) -> Flow[TaskInfo]:
    """Read one task.

    Raises:
        ClearMLNotFoundError: It does not exist.
        ClearMLConfigError: *task_id* is empty, which the server would take for "all tasks".
    """
    if not task_id:
        raise ClearMLConfigError("An empty ClearML task id: did the task that enqueues return one?")
    return (yield from get_tasks([task_id], fields=fields))[task_id]


def find_tasks_by_tag(tag: str, *, fields: Sequence[str] = STATUS_FIELDS) -> Flow[list[TaskInfo]]:
    """Tasks that carry *tag*, archived ones too, oldest first."""
    found: list[TaskInfo] = []
    page = 0
    while True:
        query = {"tags": [tag], "search_hidden": True, "order_by": PAGE_ORDER, "page": page}
        query["page_size"] = PAGE_ROWS
        rows = yield from query_tasks(query, fields)
        found += [task for task in rows if tag in task.tags]
        if len(rows) < PAGE_ROWS:
            return sorted(found, key=_age)
        page += 1


def find_project(name: str) -> Flow[str | None]:
    """Id of the project called exactly *name*."""
    query = {"name": exactly(name), "only_fields": ["id", "name"], "search_hidden": True}
    answer = yield from call("projects.get_all", query)
    return next((row["id"] for row in answer.data["projects"] if row["name"] == name), None)


def ensure_project(name: str) -> Flow[str]:
    """Id of the project called *name*, created when it is missing."""
    project_id = yield from find_project(name)
    if project_id is not None:
        return project_id
    payload = {"name": name, "description": ""}
    return (yield from _create_named("projects.create", payload, find=find_project))


def _create_named(
    endpoint: str, payload: Mapping[str, Any], *, find: Callable[[str], Flow[str | None]]
) -> Flow[str]:
    """Make what is known by a unique name and return its id; when the answer is lost, read, and try again.

    Names are unique on the server: a repeated call makes no second one, it is refused.
    """
    for last in (False, False, True):
        try:
            return str((yield from call(endpoint, payload, creates=True)).data["id"])
        except (ClearMLAPIError, ClearMLLostAnswerError) as error:  # another process made it, or we did
            found = yield from find(payload["name"])
            if found is not None:
                return found
            if last or isinstance(error, ClearMLAPIError):
                raise
    raise AssertionError("the last try returns or raises")


def get_queues() -> Flow[list[Queue]]:
    rows, _ = yield from queue_rows("id", "name")
    return [Queue(id=row["id"], name=row["name"]) for row in rows]


def queue_rows(*fields: str, hidden: bool = False) -> Flow[tuple[list[Mapping[str, Any]], datetime]]:
    """All queues' *fields*, 500 a request, and the server's clock; *hidden*: the k8s glue's too."""
    found: list[Mapping[str, Any]] = []
    page = 0
    while True:
        query = {"only_fields": projection(fields), "order_by": PAGE_ORDER, "page": page}
        query["page_size"] = PAGE_ROWS
        answer = yield from call("queues.get_all", query | ({"search_hidden": True} if hidden else {}))
        found += answer.data["queues"]
        if len(answer.data["queues"]) < PAGE_ROWS:
            return found, answer.server_time
        page += 1


def find_queue(name: str) -> Flow[Queue | None]:
    """The queue called exactly *name*."""
    query = {"name": exactly(name), "only_fields": ["id", "name"], "search_hidden": True}
    rows = (yield from call("queues.get_all", query)).data["queues"]
    return next((Queue(id=row["id"], name=row["name"]) for row in rows if row["name"] == name), None)


def resolve_queue(name: str, *, create_if_missing: bool = False) -> Flow[Queue]:
    """The queue called *name*.

    ``tasks.enqueue`` with a mistyped name would create that queue and leave the task there, without an agent.

    Raises:
        ClearMLConfigError: There is none; the message lists those that exist.
    """
    match = yield from find_queue(name)
    if match is not None:
        return match
    if not create_if_missing:
        queues = yield from get_queues()
        raise ClearMLConfigError(
            f"ClearML has no queue {name!r}, known are {sorted(q.name for q in queues)}. "
            f"Correct the name, or create the queue (create_queue_if_missing=True does it)."
        )
    queue_id = yield from _create_named("queues.create", {"name": name}, find=_find_queue_id)
    return Queue(id=queue_id, name=name)


def _find_queue_id(name: str) -> Flow[str | None]:
    match = yield from find_queue(name)
    return match.id if match else None


def enqueue(task_id: str, queue_id: str) -> Flow[bool]:
    """Put a task into a queue; "already queued" is success.

    After a lost answer the task is read first: between an agent's taking it and its start it is queued
    in no queue, and a second call then would have it run twice.

    Returns:
        False when the server knows of no agent that serves the queue.
    """
    payload = {"task": task_id, "queue": queue_id, "verify_watched_queue": True}
    for pause_s in (*LOST_ENQUEUE_PAUSES_S, None):
        try:
            answer = yield from call("tasks.enqueue", payload, creates=True)
        except ClearMLLostAnswerError:
            if pause_s is None:
                raise
            yield Pause(pause_s)
            status = (yield from get_task(task_id)).status
            if status in {TaskStatus.QUEUED, TaskStatus.IN_PROGRESS} or status.is_success:
                return True
        except ClearMLAPIError as error:
            if error.subcode != SUBCODE_ALREADY_QUEUED:
                raise
            return True
        else:
            return bool(answer.data.get("queue_watched", True))
    raise AssertionError("unreachable")


def requeue(task_id: str, queue_id: str) -> Flow[bool]:
    """Put a task that is queued in no queue back into *queue_id*.

    It is never sent twice: after a lost answer, a task that is still in no queue may have been requeued and
    taken in between, and only a later poll, as long after as the first one, can show it.

    Returns:
        False when the server knows of no agent that serves the queue.

    Raises:
        ClearMLLostAnswerError: The answer was lost and the task is in no queue: poll again later.
    """
    payload = {"task": task_id, "queue": queue_id, "verify_watched_queue": True}
    try:
        answer = yield from call("tasks.enqueue", payload, creates=True)
    except ClearMLLostAnswerError:
        yield Pause(LOST_ENQUEUE_PAUSES_S[0])
        queued = task_id in (yield from queued_task_ids())
        if queued or (yield from get_task(task_id)).status is not TaskStatus.QUEUED:
            return True
        raise
    except ClearMLAPIError as error:
        if error.subcode != SUBCODE_ALREADY_QUEUED:
            raise
        return True
    return bool(answer.data.get("queue_watched", True))


def queued_task_ids() -> Flow[set[str]]:
    """Ids of all tasks that wait in some queue; one may be ``queued`` and in none, and no agent runs it."""
    rows, _ = yield from queue_rows("id", "entries.task", hidden=True)
    return {entry["task"] for queue in rows for entry in queue.get("entries") or ()}


def withdraw(task_id: str, queue_id: str) -> Flow[bool]:
    """Take a task out of its queue, and nothing else.

    Returns:
        False when it was not there: an agent has taken it, and will start it whatever its status.
    """
    try:
        yield from call("queues.remove_task", {"queue": queue_id, "task": task_id})
    except ClearMLAPIError as error:
        if error.subcode != SUBCODE_NOT_IN_QUEUE and not isinstance(error, ClearMLNotFoundError):
            raise
        return False
    return True


def reset(task_id: str) -> Flow[None]:
    """Back to ``created``, without its results: what a completed task needs before it is enqueued again."""
    yield from call("tasks.reset", {"task": task_id, "force": True})


def stop(task_id: str, *, reason: str) -> Flow[None]:
    """Ask the agent to stop the job; a queued task is stopped at once.

    Without force, so that a job that completes in this moment is not turned into a stopped one.
    """
    yield from call("tasks.stop", {"task": task_id, "status_reason": reason, "force": False})


def stopped(task_id: str, *, reason: str, force: bool) -> Flow[None]:
    """Declare the task stopped, whatever its agent reports; with *force* even one that has completed."""
    yield from call("tasks.stopped", {"task": task_id, "status_reason": reason, "force": force})


def failed(task_id: str, *, reason: str) -> Flow[None]:
    """Declare a running task failed, for an agent that cannot do so itself."""
    yield from call("tasks.failed", {"task": task_id, "status_reason": reason, "force": True})


def completed(task_id: str, *, reason: str) -> Flow[None]:
    """Declare the task completed, whatever its status: its results are there, unreported."""
    yield from call("tasks.completed", {"task": task_id, "status_reason": reason, "force": True})


def unarchive(task_id: str) -> Flow[None]:
    """Show an archived task again."""
    yield from call("tasks.unarchive_many", {"ids": [task_id]})


def delete_drafts(task_ids: Sequence[str]) -> Flow[None]:
    """Delete those of *task_ids* that are still ``created``; the server refuses the others, as meant."""
    if task_ids:
        yield from call("tasks.delete_many", {"ids": list(task_ids), "force": False})


def get_log_tail(task_id: str, *, lines: int) -> Flow[list[str]]:
    """The last *lines* lines of the console; they may quote the job's data."""
    if lines <= 0:
        return []
    query = {"task": task_id, "batch_size": max(lines, 50), "order": "asc", "navigate_earlier": True}
    events = (yield from call("events.get_task_log", query)).data["events"]
    events.sort(key=lambda event: event.get("timestamp") or 0)
    text = "\n".join(str(event.get("msg") or "").rstrip("\n") for event in events)
    return text.splitlines()[-lines:]


def query_tasks(query: Mapping[str, Any], fields: Sequence[str]) -> Flow[list[TaskInfo]]:
    """One request of ``tasks.get_all``: at most 500 rows come back."""
    answer = yield from call("tasks.get_all", {**query, "only_fields": projection(fields)})
    return [TaskInfo.from_api(row, server_time=answer.server_time) for row in answer.data["tasks"]]


def projection(fields: Iterable[str]) -> list[str]:
    """*fields* for ``only_fields``: each once, and none below another one.

    The server hands them to MongoDB, which refuses a field together with its own sub-field
    (``hyperparams`` and ``hyperparams.properties``: HTTP 500, sub-code 1, "Path collision").
    """
    wanted = dict.fromkeys(fields)
    return [field for field in wanted if not any(field.startswith(f"{other}.") for other in wanted)]


def exactly(name: str) -> str:
    """The API's name filters are regular expressions."""
    return f"^{re.escape(name)}$"


def _age(task: TaskInfo) -> tuple[str, str]:
    return (task.created.isoformat() if task.created else "", task.id)
