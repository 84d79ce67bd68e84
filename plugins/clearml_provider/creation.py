"""How a task comes into being, from a script or a template, and how its hyperparameters are changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from clearml_provider.calls import ensure_project, exactly, find_project, get_task, query_tasks
from clearml_provider.exceptions import ClearMLConfigError
from clearml_provider.models import PROPERTIES, TaskSpec
from clearml_provider.wire import Flow, call

RawHyperparams = dict[str, dict[str, dict[str, Any]]]
"""Section → name → ``{"section", "name", "value", "type"?, "description"?}``, as the API has it."""


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
        yield from get_task(task_id)  # says what is wrong
    return rows[0].get("hyperparams") or {}
