"""Endpoints that read tasks."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from typing import Any

from pydantic import Field

from devstack.servers.clearml.documents import (
    Document,
    load_task,
    project_fields,
    public,
    refuse_path_collision,
)
from devstack.servers.clearml.envelope import Body, Call, Registry
from devstack.servers.clearml.query import Query, needles, select

endpoint = Registry()


class TaskBody(Body):
    task: str


class TasksBody(Body):
    tasks: list[str] = Field(min_length=1)


class ConfigurationsBody(TasksBody):
    names: list[str] | None = None


def find_tasks(db: sqlite3.Connection, query: Query) -> list[Document]:
    """The tasks that *query* selects, in order of creation where it gives none."""
    return select(_candidates(db, query), query)


def _candidates(db: sqlite3.Connection, query: Query) -> Iterator[Document]:
    """Every task that may match: SQL narrows down what must be parsed, `select` decides."""
    conditions, values = ["1"], []
    for column, terms in (("id", query.id), ("status", query.status), ("project", query.project)):
        if terms and all(term and not term.startswith(("-", "__$")) for term in terms):
            conditions.append(f"{column} IN (SELECT value FROM json_each(?))")  # noqa: S608
            values.append(json.dumps(terms))
    for needle in needles(query):
        conditions.append("instr(doc, ?)")
        values.append(needle)
    # Only fixed text is put together here; all values are bound.
    sql = f"SELECT doc FROM tasks WHERE {' AND '.join(conditions)} ORDER BY seq"  # noqa: S608
    return (json.loads(row[0]) for row in db.execute(sql, values))


def _shown(call: Call, task: Document) -> Document:
    """The task as clients of the requested version know it: before 2.9 parameters were flat."""
    task = public(task)
    if call.version < (2, 9):
        flat = {
            (name if section == "Args" else f"{section}/{name}"): parameter.get("value")
            for section, parameters in task["hyperparams"].items()
            for name, parameter in parameters.items()
        }
        task["execution"] = task["execution"] | {"parameters": flat}
    return task


@endpoint("tasks.get_by_id", TaskBody)
def get_by_id(call: Call, body: TaskBody) -> dict[str, Any]:
    return {"task": _shown(call, load_task(call.db, body.task, ids=[body.task]))}


@endpoint("tasks.get_all", Query)
def get_all(call: Call, query: Query) -> dict[str, Any]:
    refuse_path_collision(query.only_fields)
    tasks = []
    for task in find_tasks(call.db, query):
        if not query.only_fields:
            task.pop("unique_metrics", None)
            task = _shown(call, task)
        tasks.append(project_fields(task, query.only_fields))
    return {"tasks": tasks}


@endpoint("tasks.get_all_ex", Query)
@endpoint("tasks.get_by_id_ex", Query)
def get_all_ex(call: Call, query: Query) -> dict[str, Any]:
    """As ``get_all``, with ids of projects, parents and the like as objects."""
    tasks = []
    for task in find_tasks(call.db, query):
        shown = project_fields(_shown(call, task), query.only_fields)
        for key, table in (("project", "projects"), ("parent", "tasks")):
            if shown.get(key):
                shown[key] = {"id": shown[key], "name": _name(call.db, table, shown[key])}
        for key in ("company", "user"):
            if key in shown:
                shown[key] = {"id": shown[key]}
        tasks.append(shown)
    return {"tasks": tasks}


def _name(db: sqlite3.Connection, table: str, document_id: str) -> str:
    row = db.execute(f"SELECT doc FROM {table} WHERE id = ?", (document_id,)).fetchone()  # noqa: S608
    return str(json.loads(row[0])["name"]) if row else ""


@endpoint("tasks.get_hyper_params", TasksBody)
def get_hyper_params(call: Call, body: TasksBody) -> dict[str, Any]:
    """Parameters of each task as one flat list, by section and name."""
    params = []
    for task_id in body.tasks:
        sections = load_task(call.db, task_id, ids=[task_id])["hyperparams"]
        flat = [sections[section][name] for section in sorted(sections) for name in sorted(sections[section])]
        params.append({"task": task_id, "hyperparams": flat})
    return {"params": params}


@endpoint("tasks.get_configurations", ConfigurationsBody)
def get_configurations(call: Call, body: ConfigurationsBody) -> dict[str, Any]:
    found = []
    for task_id in body.tasks:
        items = load_task(call.db, task_id, ids=[task_id])["configuration"]
        chosen = [items[name] for name in sorted(items) if body.names is None or name in body.names]
        found.append({"task": task_id, "configuration": chosen})
    return {"configurations": found}


@endpoint("tasks.get_configuration_names", TasksBody)
def get_configuration_names(call: Call, body: TasksBody) -> dict[str, Any]:
    return {
        "configurations": [
            {
                "task": task_id,
                "names": sorted(load_task(call.db, task_id, ids=[task_id])["configuration"]),
            }
            for task_id in body.tasks
        ]
    }
