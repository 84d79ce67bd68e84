"""Endpoints that edit one hyperparameter, configuration object or artifact of a task."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from devstack.servers.clearml.envelope import Body, Call, Registry
from devstack.servers.clearml.task_fields import Artifact, Configuration, Parameter
from devstack.servers.clearml.tasks_write import load_for_update, store_update

endpoint = Registry()

_PROPERTIES = "properties"
"""The section of user properties: it may be edited in any status."""


class FullParameter(Parameter):
    section: str = Field(min_length=1)
    name: str = Field(min_length=1)


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
        if not section:
            parameters.pop(each.section, None)
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
    execution = task["execution"] | {"artifacts": list(known.values())}
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
