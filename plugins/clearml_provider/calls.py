"""The calls to ClearML's API: each says once what is sent and how the answer is read."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from clearml_provider.exceptions import (
    ClearMLAPIError,
    ClearMLConfigError,
    ClearMLLostAnswerError,
    ClearMLNotFoundError,
)
from clearml_provider.models import PROPERTIES, STATUS_FIELDS, Queue, TaskInfo, TaskSpec
from clearml_provider.wire import (
    SUBCODE_ALREADY_QUEUED,
    SUBCODE_INVALID_TASK_ID,
    Flow,
    call,
)

PAGE_ROWS = 500
"""``tasks.get_all`` silently cuts its answer here (clearml/clearml#612)."""

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
        for task in (yield from _get_all({"id": chunk, "page": 0, "page_size": len(chunk)}, fields)):
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
        query = {"tags": [tag], "search_hidden": True, "page": page, "page_size": PAGE_ROWS}
        rows = yield from _get_all(query, fields)
        found += [task for task in rows if tag in task.tags]
        if len(rows) < PAGE_ROWS:
            return sorted(found, key=_age)
        page += 1


def find_template(project: str, name: str) -> Flow[str]:
    """Id of the one task called *name* in *project*.

    Raises:
        ClearMLConfigError: There is no such project, no such task, or more than one.
    """
    project_id = yield from find_project(project)
    if project_id is None:
        raise ClearMLConfigError(f"ClearML has no project {project!r}: check the template's project.")
    query = {"project": [project_id], "name": _exactly(name), "search_hidden": True}
    rows = yield from _get_all(query, ("id", "name", "status", "project"))
    ids = [t.id for t in rows if t.name == name and t.project_id == project_id]
    if len(ids) != 1:
        raise ClearMLConfigError(
            f"ClearML project {project!r} has {len(ids)} tasks called {name!r}"
            f"{' (' + ', '.join(ids[:5]) + ')' if ids else ''}, a template needs exactly one. "
            f"Rename, or give template_task_id."
        )
    return ids[0]


def find_project(name: str) -> Flow[str | None]:
    """Id of the project called exactly *name*."""
    query = {"name": _exactly(name), "only_fields": ["id", "name"], "search_hidden": True}
    answer = yield from call("projects.get_all", query)
    return next((row["id"] for row in answer.data["projects"] if row["name"] == name), None)


def ensure_project(name: str) -> Flow[str]:
    """Id of the project called *name*, created when it is missing."""
    project_id = yield from find_project(name)
    if project_id is not None:
        return project_id
    try:
        answer = yield from call("projects.create", {"name": name, "description": ""}, creates=True)
    except (ClearMLAPIError, ClearMLLostAnswerError):  # somebody else made it meanwhile, or we did
        project_id = yield from find_project(name)
        if project_id is None:
            raise
        return project_id
    return str(answer.data["id"])


def get_queues() -> Flow[list[Queue]]:
    answer = yield from call("queues.get_all", {"only_fields": ["id", "name"]})
    return [Queue(id=row["id"], name=row["name"]) for row in answer.data["queues"]]


def resolve_queue(name: str, *, create_if_missing: bool = False) -> Flow[Queue]:
    """The queue called *name*.

    ``tasks.enqueue`` with a mistyped name would create that queue and leave the task there for nobody.

    Raises:
        ClearMLConfigError: There is none; the message lists those that exist.
    """
    queues = yield from get_queues()
    match = next((q for q in queues if q.name == name), None)
    if match is not None:
        return match
    if not create_if_missing:
        raise ClearMLConfigError(
            f"ClearML has no queue {name!r}, known are {sorted(q.name for q in queues)}. "
            f"Correct the name, or create the queue (create_queue_if_missing=True does it)."
        )
    try:
        answer = yield from call("queues.create", {"name": name}, creates=True)
    except (ClearMLAPIError, ClearMLLostAnswerError):  # names are unique: somebody made it, maybe us
        match = next((q for q in (yield from get_queues()) if q.name == name), None)
        if match is None:
            raise
        return match
    return Queue(id=answer.data["id"], name=name)


def create_task(spec: TaskSpec, *, tags: Sequence[str] = (), properties: Mapping[str, str]) -> Flow[str]:
    """Make the task of *spec*, in one call that carries tags and user properties from its first moment.

    Raises:
        ClearMLLostAnswerError: It may or may not have been made.
        ClearMLConfigError, ClearMLNotFoundError: The template does not exist.
    """
    all_tags = [*spec.tags, *tags]
    user_properties = {**spec.user_properties, **properties}
    project_id = (yield from ensure_project(spec.project)) if spec.project else None
    container = {"container": spec.container.model_dump()} if spec.container else {}
    if spec.script is not None:
        script = {key: value for key, value in spec.script.model_dump().items() if value}
        payload: dict[str, Any] = {
            "name": spec.name,
            "type": spec.type,
            "comment": spec.comment,
            "tags": all_tags,
            "script": script,
            "hyperparams": merge_hyperparams({}, spec.hyperparams, user_properties),
            **({"project": project_id} if project_id else {}),
            **container,
        }
        return str((yield from call("tasks.create", payload, creates=True)).data["id"])

    if spec.template is not None:
        template_id = yield from find_template(spec.template.project, spec.template.name)
    else:
        template_id = spec.template_task_id or ""
    # new_task_hyperparams replaces the template's: merge first. Its user properties are not ours to keep.
    theirs = yield from _raw_hyperparams(template_id)
    theirs.pop(PROPERTIES, None)
    merged = merge_hyperparams(theirs, spec.hyperparams, user_properties)
    payload = {
        "task": template_id,
        "new_task_name": spec.name,
        "new_task_tags": all_tags,
        "new_task_hyperparams": merged,
        **({"new_task_comment": spec.comment} if spec.comment else {}),
        **({"new_task_project": project_id} if project_id else {}),
        **({"new_task_container": container["container"]} if container else {}),
    }
    return str((yield from call("tasks.clone", payload, creates=True)).data["id"])


def edit_hyperparams(
    task_id: str,
    *,
    hyperparams: Mapping[str, Mapping[str, str]] | None = None,
    properties: Mapping[str, str] | None = None,
) -> Flow[None]:
    """Set some hyperparameters and user properties in one call, leaving the others as they are.

    User properties alone may be set one by one whatever the task's status. Hyperparameters of a task that
    ended may not: ``tasks.edit`` is needed then, which replaces all of them, user properties included.
    """
    if hyperparams:
        now = yield from _raw_hyperparams(task_id)
        merged = merge_hyperparams(now, hyperparams, properties or {})
        yield from call("tasks.edit", {"task": task_id, "hyperparams": merged, "force": True})
    elif properties:
        items = [{"section": PROPERTIES, "name": name, "value": value} for name, value in properties.items()]
        payload = {"task": task_id, "hyperparams": items, "replace_hyperparams": "none"}
        yield from call("tasks.edit_hyper_params", payload)


def enqueue(task_id: str, queue_id: str, *, reason: str = "") -> Flow[None]:
    """Put a task into a queue; "already queued" is success."""
    payload = {"task": task_id, "queue": queue_id, "status_reason": reason}
    try:
        yield from call("tasks.enqueue", payload)
    except ClearMLAPIError as error:
        if error.subcode != SUBCODE_ALREADY_QUEUED:
            raise


def reset(task_id: str) -> Flow[None]:
    """Back to ``created``, without its results: what a completed task needs before it is enqueued again."""
    yield from call("tasks.reset", {"task": task_id, "force": True})


def stop(task_id: str, *, reason: str) -> Flow[None]:
    """Ask the agent to stop the job; a queued task is stopped at once."""
    yield from call("tasks.stop", {"task": task_id, "status_reason": reason, "force": True})


def stopped(task_id: str, *, reason: str) -> Flow[None]:
    """Declare the task stopped, whatever its agent says: for jobs whose agent is gone."""
    yield from call("tasks.stopped", {"task": task_id, "status_reason": reason, "force": True})


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


RawHyperparams = dict[str, dict[str, dict[str, Any]]]
"""Section → name → ``{"section", "name", "value", "type"?, "description"?}``, as the API has it."""


def merge_hyperparams(
    base: RawHyperparams, sections: Mapping[str, Mapping[str, str]], properties: Mapping[str, str]
) -> RawHyperparams:
    """*base* with some values set; what is known of their types and descriptions stays."""
    merged = {section: dict(entries) for section, entries in base.items()}
    for section, values in {**sections, PROPERTIES: properties}.items():
        for name, value in values.items():
            entries = merged.setdefault(section, {})
            entries[name] = {**entries.get(name, {}), "section": section, "name": name, "value": value}
    return merged


def _raw_hyperparams(task_id: str) -> Flow[RawHyperparams]:
    query = {"id": [task_id], "only_fields": ["id", "hyperparams"]}
    rows = (yield from call("tasks.get_all", query)).data["tasks"]
    if not task_id or not rows:
        yield from get_task(task_id)  # says what is wrong
    return rows[0].get("hyperparams") or {}


def _get_all(query: Mapping[str, Any], fields: Sequence[str]) -> Flow[list[TaskInfo]]:
    answer = yield from call("tasks.get_all", {**query, "only_fields": list(fields)})
    return [TaskInfo.from_api(row, server_time=answer.server_time) for row in answer.data["tasks"]]


def _exactly(name: str) -> str:
    """The API's name filters are regular expressions."""
    return f"^{re.escape(name)}$"


def _age(task: TaskInfo) -> tuple[str, str]:
    return (task.created.isoformat() if task.created else "", task.id)
