"""A task comes into being, once for its key, and its inputs are changed."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from clearml_provider import api
from clearml_provider.api import ensure_project, exactly, find_project, get_task, query_tasks
from clearml_provider.exceptions import (
    ClearMLConfigError,
    ClearMLLostAnswerError,
    ClearMLUnavailableError,
)
from clearml_provider.models import (
    ATTEMPT,
    MULTI_NODE_TAG,
    PROPERTIES,
    TaskEdit,
    TaskInfo,
    TaskSpec,
    TaskStatus,
)
from clearml_provider.transport import Flow, Pause, call

log = logging.getLogger(__name__)

IDEMPOTENCY_KEY = "idempotency_key"
_TRIES = 4
_SETTLE_S = 0.5
_RANKS = {TaskStatus.IN_PROGRESS: 0, TaskStatus.QUEUED: 0, TaskStatus.STOPPED: 2, TaskStatus.FAILED: 2}
_RANKS[TaskStatus.CREATED] = 3
RawHyperparams = dict[str, dict[str, dict[str, Any]]]
"""Section → name → ``{"section", "name", "value", "type"?, "description"?}``, as the API has it."""


def key_tag(key: str) -> str:
    """The tag that a lookup by key filters on."""
    return f"key:{key}"


def find_by_key(key: str) -> Flow[TaskInfo | None]:
    """The one task of *key*; drafts that a lost answer or a rival left beside it are deleted.

    One that is queued or runs is preferred, then one that succeeded, then one that was enqueued at all, then
    the oldest. After a deletion it lists them again: a draft that could not be deleted was just enqueued by a
    rival, and is the one. Copies of a task of the same key (a multi-node job's children, a person's clone)
    carry its tag too; they are neither chosen nor deleted.
    """
    while True:
        tasks = yield from api.find_tasks_by_tag(key_tag(key))
        ids = {task.id for task in tasks}
        own = [t for t in tasks if t.parent_id not in ids and MULTI_NODE_TAG not in t.system_tags]
        if not own:
            return None
        own.sort(key=lambda task: _RANKS.get(task.status, 1))  # stable: oldest first within each
        keeper, *others = own
        drafts = [task.id for task in others if task.status is TaskStatus.CREATED]
        if not drafts:
            return keeper
        log.warning("Key %s: keeping ClearML task %s, deleting duplicates %s", key, keeper.id, drafts)
        yield from api.delete_drafts(drafts)


def create_once(spec: TaskSpec, *, key: str) -> Flow[TaskInfo]:
    """See to it that exactly one task of *key* exists, and return it; a new one is a draft.

    Raises:
        ClearMLConfigError: The template does not exist, or the key is empty.
        ClearMLUnavailableError: The server did not answer within the budget.
    """
    if not key:
        raise ClearMLConfigError("An empty idempotency key: every task would be the same one.")
    properties = {IDEMPOTENCY_KEY: key, ATTEMPT: "1"}
    problem: Exception | None = None
    for _ in range(_TRIES):
        task = yield from find_by_key(key)
        if task is not None:
            return (yield from api.get_task(task.id))
        try:
            task_id = yield from create_task(spec, tags=[key_tag(key)], properties=properties)
            log.info("Key %s: created ClearML task %s", key, task_id)
        except ClearMLLostAnswerError as error:
            log.warning("Key %s: %s Looking before trying again.", key, error)
            problem = error
            yield Pause(_SETTLE_S)
    raise ClearMLUnavailableError(
        f"Key {key}: no task could be settled on in {_TRIES} tries ({problem}). "
        f"Look at the tasks tagged {key_tag(key)!r} in ClearML, then clear this task."
    ) from problem


def create_task(spec: TaskSpec, *, tags: Sequence[str] = (), properties: Mapping[str, str]) -> Flow[str]:
    """Make the task of *spec*, in one call that carries tags and user properties from its first moment.

    Raises:
        ClearMLLostAnswerError: It may or may not have been made.
        ClearMLConfigError, ClearMLNotFoundError: The template does not exist.
    """
    all_tags = [*spec.tags, *tags]
    user_properties = {**spec.user_properties, **properties}
    container = {"container": spec.container.model_dump()} if spec.container else {}
    if spec.script is not None:
        script = {key: value for key, value in spec.script.model_dump().items() if value}
        project_id = (yield from ensure_project(spec.project)) if spec.project else None
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
    project_id = (yield from ensure_project(spec.project)) if spec.project else None  # the template is there
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


def find_template(project: str, name: str) -> Flow[str]:
    """Id of the one task called *name* in *project*.

    Raises:
        ClearMLConfigError: There is no such project, no such task, or more than one.
    """
    project_id = yield from find_project(project)
    if project_id is None:
        raise ClearMLConfigError(f"ClearML has no project {project!r}: check the template's project.")
    query = {"project": [project_id], "name": exactly(name), "search_hidden": True}
    rows = yield from query_tasks(query, ("id", "name", "status", "project"))
    ids = [t.id for t in rows if t.name == name and t.project_id == project_id]
    if len(ids) != 1:
        raise ClearMLConfigError(
            f"ClearML project {project!r} has {len(ids)} tasks called {name!r}"
            f"{' (' + ', '.join(ids[:5]) + ')' if ids else ''}, a template needs exactly one. "
            f"Rename, or give template_task_id."
        )
    return ids[0]


def edit_task(task_id: str, edit: TaskEdit) -> Flow[None]:
    """Change an existing task in one call, so that all of *edit* is there or nothing.

    Raises:
        ClearMLNotFoundError: It does not exist.
        ClearMLAPIError: It is published, which nothing may change.
    """
    yield from api.get_task(task_id)  # raises the reason if the id is wrong
    fields = ["id", "hyperparams", "tags", "container"]
    rows = (yield from call("tasks.get_all", {"id": [task_id], "only_fields": fields})).data["tasks"]
    now = rows[0] if rows else {}
    if not (edit.hyperparams or edit.add_tags or edit.remove_tags or edit.container):
        yield from edit_hyperparams(task_id, properties=edit.user_properties)
        return
    payload: dict[str, object] = {"task": task_id, "force": True}
    if edit.hyperparams or edit.user_properties:
        payload["hyperparams"] = merge_hyperparams(
            now.get("hyperparams") or {}, edit.hyperparams, edit.user_properties
        )
    if edit.add_tags or edit.remove_tags:
        kept = [tag for tag in now.get("tags") or () if tag not in edit.remove_tags]
        payload["tags"] = list(dict.fromkeys([*kept, *edit.add_tags]))
    if edit.container:
        payload["container"] = {
            **(now.get("container") or {}),
            **edit.container.model_dump(exclude_unset=True),
        }
    yield from call("tasks.edit", payload)


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
        yield from get_task(task_id)  # raises the reason
    return rows[0].get("hyperparams") or {}
