"""The parts of a task that clients may set, validated."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, JsonValue

from devstack.servers.clearml.documents import Document
from devstack.servers.clearml.envelope import Body


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
        for artifact in fields.get("execution", {}).get("artifacts") or []:
            artifact.setdefault("mode", "output")
        if self.output_dest is not None:
            fields["output"] = {"destination": self.output_dest}
        return fields
