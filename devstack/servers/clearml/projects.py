"""Endpoints of projects; ``a/b`` lies in project ``a``."""

from __future__ import annotations

import json
import sqlite3
from typing import Any

from devstack.servers.clearml.documents import (
    COMPANY,
    USER,
    Document,
    sort_labels,
    stamp,
)
from devstack.servers.clearml.protocol import ApiError, Body, Call, Registry, new_id, not_unique
from devstack.servers.clearml.query import PROJECT_FIELDS, Query, check_fields, project_fields, select

endpoint = Registry()


class ProjectBody(Body):
    missing_subcode = 11

    project: str


class CreateBody(Body):
    missing_subcode = 11

    name: str
    description: str = ""
    tags: list[str] | None = None
    system_tags: list[str] | None = None
    default_output_destination: str | None = None


class UpdateBody(ProjectBody):
    name: str | None = None
    description: str | None = None
    tags: list[str] | None = None
    system_tags: list[str] | None = None
    default_output_destination: str | None = None


class DeleteBody(ProjectBody):
    force: bool = False


def _load(db: sqlite3.Connection, project_id: str) -> Document:
    row = db.execute("SELECT doc FROM projects WHERE id = ?", (project_id,)).fetchone()
    if row is None:
        raise ApiError(400, 401, id=project_id)
    document: Document = json.loads(row[0])
    return document


def touch_project(db: sqlite3.Connection, project_id: str | None, at: str) -> None:
    row = db.execute("SELECT doc FROM projects WHERE id = ?", (project_id,)).fetchone()
    if row is not None:
        document = json.loads(row[0]) | {"last_update": at}
        db.execute("UPDATE projects SET doc = ? WHERE id = ?", (json.dumps(document), project_id))


def check_project(db: sqlite3.Connection, project_id: str) -> None:
    """Raise 400/401 where there is no such project."""
    _load(db, project_id)


def _find(db: sqlite3.Connection, name: str) -> str | None:
    row = db.execute("SELECT id FROM projects WHERE name = ?", (name,)).fetchone()
    return str(row[0]) if row else None


def find_or_create_project(db: sqlite3.Connection, name: str) -> str:
    """The id of the project called *name*, made with its parents where missing."""
    name = _clean(name)
    return _find(db, name) or _create(db, name)


def _clean(name: str) -> str:
    name = "/".join(part.strip() for part in name.strip().strip("/").split("/"))
    if len(name) < 3:
        raise ApiError(400, 12, "Project name cannot be blank")
    return name


def _create(db: sqlite3.Connection, name: str, **fields: Any) -> str:
    if _find(db, name):
        raise not_unique(name=name, company=COMPANY)
    above, _, basename = name.rpartition("/")
    at = stamp()
    document: Document = {
        "id": new_id(),
        "company": COMPANY,
        "user": USER,
        "name": name,
        "basename": basename,
        "description": "",
        "created": at,
        "tags": [],
        "system_tags": [],
        "last_update": at,
        "featured": 9999,
        **{key: value for key, value in fields.items() if value is not None},
    }
    if above:
        document["parent"] = _find(db, above) or _create(db, above)
    db.execute(
        "INSERT INTO projects (id, name, doc) VALUES (?, ?, ?)", (document["id"], name, json.dumps(document))
    )
    return str(document["id"])


def all_projects(db: sqlite3.Connection) -> list[Document]:
    return [json.loads(row[0]) for row in db.execute("SELECT doc FROM projects ORDER BY rowid")]


@endpoint("projects.get_all", Query)
def get_all(call: Call, query: Query) -> dict[str, Any]:
    check_fields(query.only_fields, PROJECT_FIELDS)
    found = select(all_projects(call.db), query, PROJECT_FIELDS)
    return {"projects": [project_fields(each, query.only_fields) for each in found]}


@endpoint("projects.get_all_ex", Query)
def get_all_ex(call: Call, query: Query) -> dict[str, Any]:
    """As ``get_all``, with the ids of others as objects."""
    check_fields(query.only_fields, PROJECT_FIELDS, references=True)
    found = select(all_projects(call.db), query, PROJECT_FIELDS)
    shown = [project_fields(each, query.only_fields) for each in found]
    for project in shown:
        project |= {key: {"id": project[key]} for key in ("company", "user", "parent") if key in project}
    return {"projects": shown}


@endpoint("projects.get_by_id", ProjectBody)
def get_by_id(call: Call, body: ProjectBody) -> dict[str, Any]:
    project = _load(call.db, body.project)
    path: list[str] = []
    above = project.get("parent")
    while above:
        path.insert(0, above)
        above = _load(call.db, above).get("parent")
    return {"project": project | {"path": path}}


@endpoint("projects.create", CreateBody, writes=True)
def create(call: Call, body: CreateBody) -> dict[str, Any]:
    return {"id": _create(call.db, _clean(body.name), **body.model_dump(exclude={"name"}))}


@endpoint("projects.update", UpdateBody, writes=True)
def update(call: Call, body: UpdateBody) -> dict[str, Any]:
    project = _load(call.db, body.project)
    fields = body.model_dump(exclude_unset=True, exclude_none=True, exclude={"project"})
    if not fields:
        return {"updated": 0, "fields": {}}
    if "name" in fields:
        fields["name"] = _clean(fields["name"])
        project = _rename(call.db, project, fields["name"])
    _save(call.db, project | fields | {"last_update": stamp()})
    return {"updated": 1, "fields": fields}


def _rename(db: sqlite3.Connection, project: Document, name: str) -> Document:
    """The project with its new name and place; what lies in it moves along.

    Raises:
        ApiError: 400/801, the name is taken.
    """
    if (other := _find(db, name)) is not None and other != project["id"]:
        raise not_unique(name=name, company=COMPANY)
    above, _, basename = name.rpartition("/")
    for child in all_projects(db):
        if child["name"].startswith(f"{project['name']}/"):
            _save(db, child | {"name": name + child["name"][len(project["name"]) :]})
    project = {key: value for key, value in project.items() if key != "parent"}
    if above:
        project["parent"] = _find(db, above) or _create(db, above)
    return project | {"name": name, "basename": basename}


def _save(db: sqlite3.Connection, project: Document) -> None:
    sort_labels(project)
    db.execute(
        "UPDATE projects SET name = ?, doc = ? WHERE id = ?",
        (project["name"], json.dumps(project), project["id"]),
    )


@endpoint("projects.delete", DeleteBody, writes=True)
def delete(call: Call, body: DeleteBody) -> dict[str, Any]:
    """Only an empty project, or its tasks lose their project with force."""
    _load(call.db, body.project)
    tasks = call.db.execute("SELECT count(*) FROM tasks WHERE project = ?", (body.project,)).fetchone()[0]
    if tasks and not body.force:
        raise ApiError(400, 402, "use force=true to delete", id=body.project)
    call.db.execute(
        "UPDATE tasks SET project = NULL, doc = json_remove(doc, '$.project') WHERE project = ?",
        (body.project,),
    )
    call.db.execute("DELETE FROM projects WHERE id = ?", (body.project,))
    return {
        "deleted": 1,
        "disassociated_tasks": tasks,
        "deleted_models": 0,
        "deleted_tasks": 0,
        "urls": None,
    }
