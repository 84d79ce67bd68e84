"""Endpoints that create tasks, clone them, and edit their fields."""

from __future__ import annotations

import copy
import sqlite3
from typing import Any

from devstack.servers.clearml.documents import (
    DELETED,
    USER,
    Document,
    check_name,
    complete_script,
    load_task,
    new_task,
    now,
    save_task,
    stamp,
)
from devstack.servers.clearml.envelope import Body, Call, Registry
from devstack.servers.clearml.errors import ApiError
from devstack.servers.clearml.lifecycle import touch_project
from devstack.servers.clearml.projects import check_project, find_or_create_project
from devstack.servers.clearml.status import Status
from devstack.servers.clearml.task_fields import Configurations, Execution, Parameters, TaskFields, TaskType

endpoint = Registry()

_QUIET_FIELDS = frozenset({"name", "tags", "system_tags", "comment", "project", "parent"})
"""An edit of only these is no sign of life: it does not renew ``last_update`` (recorded for tags)."""


_CLONED = (
    "name",
    "comment",
    "parent",
    "project",
    "tags",
    "type",
    "script",
    "container",
    "hyperparams",
    "configuration",
)


class CreateBody(TaskFields):
    name: str
    type: TaskType


class EditBody(TaskFields):
    task: str
    force: bool = False


class CloneBody(Body):
    task: str
    new_task_name: str | None = None
    new_task_comment: str | None = None
    new_task_tags: list[str] | None = None
    new_task_system_tags: list[str] | None = None
    new_task_parent: str | None = None
    new_task_project: str | None = None
    new_project_name: str | None = None
    new_task_hyperparams: Parameters | None = None
    new_task_configuration: Configurations | None = None
    new_task_container: dict[str, Any] | None = None
    new_task_input_models: list[dict[str, Any]] | None = None
    execution_overrides: Execution | None = None


class TaskBody(Body):
    task: str


class RequirementsBody(TaskBody):
    requirements: dict[str, Any]


def load_for_update(
    db: sqlite3.Connection, task_id: str, *, force: bool, any_status: bool = False
) -> Document:
    """The task, if it is a draft, or in progress with *force*.

    Raises:
        ApiError: 400/101 or 400/110.
    """
    task = load_task(db, task_id)
    allowed = (Status.CREATED, Status.IN_PROGRESS) if force else (Status.CREATED,)
    if not any_status and task["status"] not in allowed:
        raise ApiError(400, 110, expected=Status.CREATED, status=task["status"])
    return task


def store_update(
    db: sqlite3.Connection, task: Document, changed: Document, *, alive: bool = True
) -> Document:
    """Store *changed* fields, and give them back with the time stamps of the change."""
    at = stamp()
    fields = {**changed, "last_change": at, "last_changed_by": USER}
    if alive:
        fields["last_update"] = at
    task |= fields
    save_task(db, task)
    touch_project(db, task.get("project"), at)
    return fields


def _check_references(db: sqlite3.Connection, fields: Document) -> None:
    if "name" in fields:
        fields["name"] = check_name(fields["name"], kind="task")
    if fields.get("project"):
        check_project(db, fields["project"])
    if fields.get("parent"):
        load_task(db, fields["parent"], parent=fields["parent"])


@endpoint("tasks.validate", CreateBody)
def validate(call: Call, body: CreateBody) -> dict[str, Any]:
    _check_references(call.db, body.given())
    return {}


@endpoint("tasks.create", CreateBody, writes=True)
def create(call: Call, body: CreateBody) -> dict[str, Any]:
    fields = body.given()
    _check_references(call.db, fields)
    task = new_task(fields, moment=now())
    save_task(call.db, task)
    touch_project(call.db, task.get("project"), task["created"])
    return {"id": task["id"]}


@endpoint("tasks.clone", CloneBody, writes=True)
def clone(call: Call, body: CloneBody) -> dict[str, Any]:
    """A draft with the source's inputs; what the request gives **replaces** the source's value.

    Empty values count as not given. A clone whose parent nobody names has the source's, or the source.
    """
    source = load_task(call.db, body.task)
    execution = copy.deepcopy(source["execution"])
    execution.pop("queue", None)
    execution["artifacts"] = [each for each in execution["artifacts"] if each.get("mode") == "input"]
    given = {
        key: value for key, value in body.model_dump(exclude_unset=True, exclude_none=True).items() if value
    }
    fields: Document = {key: source[key] for key in _CLONED if key in source}
    fields["system_tags"] = [tag for tag in source["system_tags"] if tag not in ("development", "archived")]
    if (source.get("parent") or DELETED).startswith(DELETED):
        fields["parent"] = source["id"]
    fields["execution"] = execution | given.get("execution_overrides", {})
    fields["models"] = {"input": source["models"]["input"], "output": []}
    if "destination" in source["output"]:
        fields["output"] = {"destination": source["output"]["destination"]}
    for key in ("name", "comment", "tags", "system_tags", "parent", "project", "hyperparams"):
        if f"new_task_{key}" in given:
            fields[key] = given[f"new_task_{key}"]
    for key in ("configuration", "container"):
        fields[key] = given.get(f"new_task_{key}", fields.get(key, {}))
    if body.new_task_input_models:
        fields["models"]["input"] = body.new_task_input_models
    answer: Document = {}
    if body.new_project_name and not body.new_task_project:
        fields["project"] = find_or_create_project(call.db, body.new_project_name)
        answer["new_project"] = {"id": fields["project"], "name": body.new_project_name}
    # The source's own parent or project may be gone since: only what is new is checked.
    _check_references(call.db, {k: v for k, v in fields.items() if k == "name" or f"new_task_{k}" in given})
    task = new_task(fields, moment=now())
    save_task(call.db, task)
    touch_project(call.db, task.get("project"), task["created"])
    return {"id": task["id"], **answer}


@endpoint("tasks.edit", EditBody, writes=True)
def edit(call: Call, body: EditBody) -> dict[str, Any]:
    """Replace fields; ``execution``, ``script`` and ``output`` are merged. Not of a draft only with force."""
    task = load_task(call.db, body.task, id=body.task)
    if not body.force and task["status"] != Status.CREATED:
        raise ApiError(400, 110, expected=Status.CREATED, status=task["status"])
    return _edit(call, task, body.given())


@endpoint("tasks.update", EditBody, writes=True)
def update(call: Call, body: EditBody) -> dict[str, Any]:
    """What may be changed in any status: labels, and where the task belongs."""
    task = load_task(call.db, body.task, id=body.task)
    return _edit(call, task, {k: v for k, v in body.given().items() if k in _QUIET_FIELDS})


def _edit(call: Call, task: Document, fields: Document) -> dict[str, Any]:
    if not fields:
        return {"updated": 0, "fields": {}}
    _check_references(call.db, fields)
    for key in ("execution", "script", "output", "models"):
        if isinstance(fields.get(key), dict):
            fields[key] = (task.get(key) or {}) | fields[key]
    if "script" in fields:
        fields["script"] = complete_script(fields["script"])
    answer = store_update(call.db, task, fields, alive=not fields.keys() <= _QUIET_FIELDS)
    return {"updated": 1, "fields": answer}


@endpoint("tasks.set_requirements", RequirementsBody, writes=True)
def set_requirements(call: Call, body: RequirementsBody) -> dict[str, Any]:
    task = load_task(call.db, body.task)
    if "script" not in task:
        raise ApiError(400, 122, "Task has no script field", task=body.task)
    script = task["script"] | {"requirements": body.requirements}
    store_update(call.db, task, {"script": script})
    return {"updated": 1, "fields": {}}  # empty, as recorded


@endpoint("tasks.ping", TaskBody, writes=True)
def ping(call: Call, body: TaskBody) -> dict[str, Any]:
    task = load_task(call.db, body.task)
    save_task(call.db, task | {"last_update": stamp()})
    return {}
