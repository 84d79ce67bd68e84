"""Endpoints that create tasks, read them, and edit their fields."""

from __future__ import annotations

import copy
import json
import sqlite3
from collections.abc import Iterator
from operator import itemgetter
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from devstack.servers.clearml.documents import (
    COMPANY_NAME,
    DELETED,
    USER,
    USER_NAME,
    Document,
    check_name,
    complete_script,
    heard_of,
    load_task,
    new_task,
    now,
    public,
    save_task,
    sort_labels,
    stamp,
)
from devstack.servers.clearml.projects import check_project, find_or_create_project, touch_project
from devstack.servers.clearml.protocol import ApiError, Body, Call, Registry
from devstack.servers.clearml.query import (
    TASK_FIELDS,
    Query,
    check_fields,
    needles,
    next_scroll_id,
    project_fields,
    select,
)
from devstack.servers.clearml.status import Status


class Parameter(Body):
    """One hyperparameter; values are strings on the wire, whatever ``type`` says."""

    section: str | None = None
    name: str | None = None
    value: str | None = None
    type: str | None = None
    description: str | None = None


class Configuration(Body):
    name: str | None = None
    value: str | None = None
    type: str | None = None
    description: str | None = None


Parameters = dict[str, dict[str, Parameter]]
Configurations = dict[str, Configuration]


class Script(BaseModel):
    """Where the code comes from: ``diff`` holds a whole script, or a patch on ``repository``."""

    model_config = ConfigDict(extra="allow")

    binary: str | None = None
    repository: str | None = None
    tag: str | None = None
    branch: str | None = None
    version_num: str | None = None
    entry_point: str | None = None
    working_dir: str | None = None
    requirements: dict[str, Any] | None = None
    diff: str | None = None


class Artifact(BaseModel):
    """A file that a task left; identified within the task by ``key`` and ``mode``."""

    model_config = ConfigDict(extra="allow")

    key: str
    type: str
    mode: Literal["input", "output"] = "output"
    uri: str | None = None
    hash: str | None = None
    content_size: int | None = None
    timestamp: int | None = None
    type_data: dict[str, Any] | None = None
    display_data: list[list[str]] | None = None


class Execution(BaseModel):
    model_config = ConfigDict(extra="allow")

    queue: str | None = None
    parameters: dict[str, Any] | None = None
    model_labels: dict[str, Any] | None = None
    model_desc: dict[str, Any] | None = None
    artifacts: list[Artifact] | None = None


class TaskModels(BaseModel):
    model_config = ConfigDict(extra="allow")

    input: list[dict[str, Any]] | None = None
    output: list[dict[str, Any]] | None = None


TaskType = Literal[
    "training",
    "testing",
    "inference",
    "data_processing",
    "application",
    "monitor",
    "controller",
    "report",
    "optimizer",
    "service",
    "qc",
    "custom",
]


class TaskFields(Body):
    """Fields that ``tasks.create`` and ``tasks.edit`` share; absent and null both mean: leave it."""

    database_fields = frozenset(
        {"hyperparams", "configuration", "script", "execution", "container", "runtime"}
    )

    name: str | None = None
    type: TaskType | None = None
    comment: str | None = None
    tags: list[str] | None = None
    system_tags: list[str] | None = None
    parent: str | None = None
    project: str | None = None
    output_dest: str | None = None
    execution: Execution | None = None
    hyperparams: Parameters | None = None
    configuration: Configurations | None = None
    script: Script | None = None
    container: dict[str, str | None] | None = None
    runtime: dict[str, JsonValue] | None = None
    models: TaskModels | None = None

    def given(self) -> Document:
        """The task's fields in this request, as they are stored."""
        fields: Document = self.model_dump(
            exclude_unset=True, exclude_none=True, exclude={"task", "force", "output_dest"}, mode="json"
        )
        sort_labels(fields)
        for artifact in fields.get("execution", {}).get("artifacts") or []:
            artifact.setdefault("mode", "output")
        if self.output_dest is not None:
            fields["output"] = {"destination": self.output_dest}
        return fields


endpoint = Registry()


class TaskBody(Body):
    task: str


class TasksBody(Body):
    tasks: list[str] = Field(min_length=1)


class ConfigurationsBody(TasksBody):
    names: list[str] | None = None


def find_tasks(db: sqlite3.Connection, query: Query) -> list[Document]:
    """The tasks that *query* selects, in order of creation where it gives none."""
    return select(_candidates(db, query), query, TASK_FIELDS)


def _candidates(db: sqlite3.Connection, query: Query) -> Iterator[Document]:
    """Every task that may match: SQL narrows down what must be parsed, `select` decides."""
    conditions, values = ["1"], []
    for column, terms in (("id", query.id), ("status", query.status), ("project", query.project)):
        if terms and all(term and not term.startswith(("-", "__$")) for term in terms):
            conditions.append(f"{column} IN (SELECT value FROM json_each(?))")
            values.append(json.dumps(terms))
    for needle in needles(query):
        conditions.append("instr(doc, ?)")
        values.append(needle)
    # Only fixed text is put together here; all values are bound.
    sql = f"SELECT doc FROM tasks WHERE {' AND '.join(conditions)} ORDER BY seq"
    return (json.loads(row[0]) for row in db.execute(sql, values))


def _shown(call: Call, task: Document) -> Document:
    """The task as clients of the requested version know it: before 2.9 the image was ``docker_cmd``."""
    task = public(task)
    image = task["container"].get("image")
    if call.version < (2, 9) and image:
        command = " ".join(filter(None, (image, task["container"].get("arguments"))))
        task["execution"] = task["execution"] | {"docker_cmd": command}
    return task


@endpoint("tasks.get_by_id", TaskBody)
def get_by_id(call: Call, body: TaskBody) -> dict[str, Any]:
    return {"task": _shown(call, load_task(call.db, body.task, ids=[body.task]))}


@endpoint("tasks.get_all", Query)
def get_all(call: Call, query: Query) -> dict[str, Any]:
    check_fields(query.only_fields, TASK_FIELDS)
    return _page(query, [_listed(call, task, query) for task in find_tasks(call.db, query)])


@endpoint("tasks.get_all_ex", Query)
@endpoint("tasks.get_by_id_ex", Query)
def get_all_ex(call: Call, query: Query) -> dict[str, Any]:
    """As ``get_all``, with the ids of others as objects; their names only when asked for."""
    check_fields(query.only_fields, TASK_FIELDS, references=True)
    asked = query.only_fields or []
    tasks = []
    for task in find_tasks(call.db, query):
        shown = _listed(call, task, query)
        for key in ("project", "parent", "company", "user"):
            if key not in shown:
                continue
            named = {"name": _name(call.db, key, shown[key])} if f"{key}.name" in asked else {}
            shown[key] = {"id": shown[key]} | named
        tasks.append(shown)
    return _page(query, tasks)


def _listed(call: Call, task: Document, query: Query) -> Document:
    if not any(not field.startswith("-") for field in query.only_fields or ()):
        task.pop("unique_metrics", None)
        task = _shown(call, task)
    return project_fields(task, query.only_fields)


def _page(query: Query, tasks: list[Document]) -> dict[str, Any]:
    scroll = {"scroll_id": next_scroll_id(query, len(tasks))} if query.scrolls else {}
    return {"tasks": tasks, **scroll}


def _name(db: sqlite3.Connection, key: str, document_id: str) -> str:
    if key in ("company", "user"):
        return COMPANY_NAME if key == "company" else USER_NAME
    table = "projects" if key == "project" else "tasks"
    row = db.execute(f"SELECT doc FROM {table} WHERE id = ?", (document_id,)).fetchone()
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
    """Refuse a project or a parent that is not there.

    Raises:
        ApiError: 400/16.
    """
    for key, table in (("project", "projects"), ("parent", "tasks")):
        wanted = fields.get(key)
        if wanted and not db.execute(f"SELECT 1 FROM {table} WHERE id = ?", (wanted,)).fetchone():
            kind = "Project" if key == "project" else "Task"
            raise ApiError(400, 16, f"expecting {kind} id", id=wanted, field=key)


def _check_name(fields: Document) -> None:
    if "name" in fields:
        fields["name"] = check_name(fields["name"])


@endpoint("tasks.validate", CreateBody)
def validate(call: Call, body: CreateBody) -> dict[str, Any]:
    _check_references(call.db, body.given())
    return {}


@endpoint("tasks.create", CreateBody, writes=True)
def create(call: Call, body: CreateBody) -> dict[str, Any]:
    fields = body.given()
    _check_references(call.db, fields)
    _check_name(fields)
    task = new_task(fields, moment=now())
    save_task(call.db, task)
    touch_project(call.db, task.get("project"), task["created"])
    return {"id": task["id"]}


@endpoint("tasks.clone", CloneBody, writes=True)
def clone(call: Call, body: CloneBody) -> dict[str, Any]:
    """A draft with the source's inputs; what the request gives **replaces** the source's value.

    Empty values count as not given. A clone whose parent nobody names has the source's, or the source.
    """
    source = load_task(call.db, body.task, id=body.task)
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
    if body.new_task_project:
        check_project(call.db, body.new_task_project)
    _check_references(call.db, {"parent": given.get("new_task_parent")})
    _check_name(fields)
    task = new_task(fields, moment=now())
    save_task(call.db, task)
    touch_project(call.db, task.get("project"), task["created"])
    return {"id": task["id"], **answer}


@endpoint("tasks.edit", EditBody, writes=True)
def edit(call: Call, body: EditBody) -> dict[str, Any]:
    """Replace fields; ``execution``, ``script`` and ``output`` are merged. Not of a draft only with force."""
    task = load_task(call.db, body.task)
    if not body.force and task["status"] != Status.CREATED:
        raise ApiError(400, 110, expected=Status.CREATED, status=task["status"])
    return _edit(call, task, body.given())


@endpoint("tasks.update", EditBody, writes=True)
def update(call: Call, body: EditBody) -> dict[str, Any]:
    """What may be changed in any status: labels, and where the task belongs."""
    task = load_task(call.db, body.task)
    return _edit(call, task, {k: v for k, v in body.given().items() if k in _QUIET_FIELDS})


def _edit(call: Call, task: Document, fields: Document) -> dict[str, Any]:
    if not fields:
        return {"updated": 0, "fields": {}}
    _check_references(call.db, fields)
    _check_name(fields)
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
    script = task["script"] | {"requirements": body.requirements}
    store_update(call.db, task, {"script": script})
    return {"updated": 1, "fields": {}}  # empty, as recorded


@endpoint("tasks.ping", TaskBody, writes=True)
def ping(call: Call, body: TaskBody) -> dict[str, Any]:
    """Renew the task's ``last_update``; of a task that is gone the agent learns nothing here."""
    if call.db.execute("SELECT 1 FROM tasks WHERE id = ?", (body.task,)).fetchone():
        task = load_task(call.db, body.task)
        heard_of(task)
        save_task(call.db, task)
    return {}


_PROPERTIES = "properties"
"""The section of user properties: it may be edited in any status."""


class FullParameter(Parameter):
    section: str = Field(min_length=1)
    name: str = Field(min_length=1)
    value: str


class ParameterKey(Body):
    section: str = Field(min_length=1)
    name: str | None = None


class EditParametersBody(Body):
    task: str
    hyperparams: list[FullParameter]
    replace_hyperparams: Literal["none", "section", "all"] = "none"
    force: bool = False


class DeleteParametersBody(Body):
    task: str
    hyperparams: list[ParameterKey]
    force: bool = False


class FullConfiguration(Configuration):
    name: str = Field(min_length=1)


class EditConfigurationBody(Body):
    task: str
    configuration: list[FullConfiguration]
    replace_configuration: bool = False
    force: bool = False


class DeleteConfigurationBody(Body):
    task: str
    configuration: list[str]
    force: bool = False


class ArtifactsBody(Body):
    task: str
    artifacts: list[Artifact]
    force: bool = False


class ArtifactKey(Body):
    key: str
    mode: Literal["input", "output"] = "output"


class DeleteArtifactsBody(Body):
    task: str
    artifacts: list[ArtifactKey]
    force: bool = False


@endpoint("tasks.edit_hyper_params", EditParametersBody, writes=True)
def edit_hyper_params(call: Call, body: EditParametersBody) -> dict[str, Any]:
    properties_only = all(each.section == _PROPERTIES for each in body.hyperparams)
    properties_only = properties_only and body.replace_hyperparams != "all"
    task = load_for_update(call.db, body.task, force=body.force, any_status=properties_only)
    parameters = task["hyperparams"]
    if body.replace_hyperparams == "all":
        parameters = {}
    elif body.replace_hyperparams == "section":
        replaced = {each.section for each in body.hyperparams}
        parameters = {section: items for section, items in parameters.items() if section not in replaced}
    for each in body.hyperparams:
        parameters.setdefault(each.section, {})[each.name] = each.model_dump(exclude_unset=True)
    store_update(call.db, task, {"hyperparams": parameters})
    return {"updated": 1}


@endpoint("tasks.delete_hyper_params", DeleteParametersBody, writes=True)
def delete_hyper_params(call: Call, body: DeleteParametersBody) -> dict[str, Any]:
    properties_only = all(each.section == _PROPERTIES for each in body.hyperparams)
    task = load_for_update(call.db, body.task, force=body.force, any_status=properties_only)
    parameters = task["hyperparams"]
    for each in body.hyperparams:
        if each.name is None:
            parameters.pop(each.section, None)
            continue
        section = parameters.get(each.section, {})
        section.pop(each.name, None)
    store_update(call.db, task, {"hyperparams": parameters})
    return {"deleted": 1}


@endpoint("tasks.edit_configuration", EditConfigurationBody, writes=True)
def edit_configuration(call: Call, body: EditConfigurationBody) -> dict[str, Any]:
    task = load_for_update(call.db, body.task, force=body.force)
    items = {} if body.replace_configuration else task["configuration"]
    items |= {each.name: each.model_dump(exclude_unset=True) for each in body.configuration}
    store_update(call.db, task, {"configuration": items})
    return {"updated": 1}


@endpoint("tasks.delete_configuration", DeleteConfigurationBody, writes=True)
def delete_configuration(call: Call, body: DeleteConfigurationBody) -> dict[str, Any]:
    task = load_for_update(call.db, body.task, force=body.force)
    items = {name: item for name, item in task["configuration"].items() if name not in body.configuration}
    store_update(call.db, task, {"configuration": items})
    return {"deleted": 1}


@endpoint("tasks.add_or_update_artifacts", ArtifactsBody, writes=True)
def add_or_update_artifacts(call: Call, body: ArtifactsBody) -> dict[str, Any]:
    task = load_for_update(call.db, body.task, force=body.force)
    known = {(each["key"], each.get("mode", "output")): each for each in task["execution"]["artifacts"]}
    for artifact in body.artifacts:
        known[artifact.key, artifact.mode] = artifact.model_dump(exclude_none=True, mode="json")
    execution = task["execution"] | {"artifacts": sorted(known.values(), key=itemgetter("key"))}
    store_update(call.db, task, {"execution": execution})
    return {"updated": 1}


@endpoint("tasks.delete_artifacts", DeleteArtifactsBody, writes=True)
def delete_artifacts(call: Call, body: DeleteArtifactsBody) -> dict[str, Any]:
    task = load_for_update(call.db, body.task, force=body.force)
    gone = {(each.key, each.mode) for each in body.artifacts}
    kept = [
        each
        for each in task["execution"]["artifacts"]
        if (each["key"], each.get("mode", "output")) not in gone
    ]
    store_update(call.db, task, {"execution": task["execution"] | {"artifacts": kept}})
    return {"deleted": 1}
