"""What goes into a ClearML task, and what is read from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from clearml_provider.exceptions import ClearMLUnknownStatusError
from clearml_provider.redaction import shown_reason

PROPERTIES = "properties"
"""Section of the hyperparameters that ClearML shows as user properties."""
RESERVED_PROPERTIES = frozenset(
    {
        "attempt", "attempt_note", "attempt_queue", "endings", "enqueue_intent", "enqueued_at",
        "idempotency_key", "last_outcome", "stop_cause", "stop_reason", "waiter",
    }
)  # fmt: skip
"""User properties by which the provider keeps attempts apart."""
KEY_TAG_PREFIX = "key:"
ATTEMPT = "attempt"
"""User property: number of the current attempt, from 1."""
ENQUEUED_AT = "enqueued_at"
"""User property: when the attempt was enqueued, in seconds since the epoch; deadlines count from it."""
WAITER = "waiter"
"""User property: token of the Airflow try that waits now; only that one may cancel."""
MULTI_NODE_TAG = "multi_node_instance"
"""System tag of the clones that ``launch_multi_node`` makes."""
STATUS_FIELDS = (
    "id", "name", "status", "status_reason", "status_message", "status_changed", "created", "started",
    "completed", "last_update", "last_worker", "last_worker_report", "project", "parent", "tags",
    "system_tags", "execution.queue", f"hyperparams.{PROPERTIES}",
)  # fmt: skip
"""``only_fields`` that `TaskInfo` needs, but for artifacts: a row of about 600 bytes."""
TaskType = Literal[
    "training", "testing", "inference", "data_processing", "application", "monitor", "controller",
    "optimizer", "service", "qc", "custom",
]  # fmt: skip


class TaskStatus(StrEnum):
    """ClearML's task status, as the API spells it; ``StrEnum``, so that comparing with a string works."""

    CREATED = "created"
    QUEUED = "queued"
    IN_PROGRESS = "in_progress"
    STOPPED = "stopped"
    COMPLETED = "completed"
    FAILED = "failed"
    CLOSED = "closed"
    PUBLISHING = "publishing"
    PUBLISHED = "published"
    UNKNOWN = "unknown"
    """ClearML's own value for a status that the server does not know. Never terminal."""

    @classmethod
    def parse(cls, value: str, *, task_id: str) -> TaskStatus:
        """Read a status from an answer.

        Raises:
            ClearMLUnknownStatusError: *value* is none that this version knows; guessing whether it is
                an end would either wait for ever or give up a live job.
        """
        try:
            status = cls(value)
        except ValueError:
            status = cls.UNKNOWN
        if status is cls.UNKNOWN:
            raise ClearMLUnknownStatusError(
                f"ClearML task {task_id}: unknown status {value!r}, known are "
                f"{sorted(s.value for s in cls if s is not cls.UNKNOWN)}. Update the ClearML provider."
            )
        return status

    @property
    def is_terminal(self) -> bool:
        """Whether the job is over: nothing more will happen unless the task is enqueued again."""
        return self in _TERMINAL

    @property
    def is_success(self) -> bool:
        return self in _SUCCESS


_SUCCESS = frozenset({TaskStatus.COMPLETED, TaskStatus.CLOSED, TaskStatus.PUBLISHING, TaskStatus.PUBLISHED})
_TERMINAL = _SUCCESS | {TaskStatus.STOPPED, TaskStatus.FAILED}


class _Spec(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Script(_Spec):
    """What the agent runs: a whole script in ``diff``, or a repository at a commit."""

    entry_point: str
    """File name that the script gets, or the file to run in the repository."""
    diff: str = ""
    """The whole script; with a repository, uncommitted changes on top of it."""
    repository: str = ""
    branch: str = ""
    version_num: str = ""
    """Commit of the repository."""
    working_dir: str = "."
    binary: str = "python3"
    requirements: dict[str, str] = Field(default_factory=lambda: {"pip": ""})

    @model_validator(mode="after")
    def _has_code(self) -> Self:
        if not self.diff and not self.repository:
            raise ValueError("a script needs `diff` (the whole script) or `repository`")
        return self


class Container(_Spec):
    """Image in which an agent in docker mode runs the script."""

    image: str = ""
    arguments: str = ""
    setup_shell_script: str = ""


class Template(_Spec):
    """An existing task to clone, by name: exactly one must match."""

    project: str
    name: str


class TaskSpec(_Spec):
    """What to create: from a script, or as a clone of a template, never both."""

    name: str = Field(min_length=3)
    """ClearML refuses names shorter than 3 characters."""
    project: str | None = Field(default=None, min_length=3)
    """Project name (``a/b`` nests), created when missing; None: no project, or the template's."""
    type: TaskType = "testing"
    script: Script | None = None
    template_task_id: str | None = None
    template: Template | None = None
    hyperparams: dict[str, dict[str, str]] = Field(default_factory=dict)
    """Section → name → value; merged over the template's. ClearML knows strings only."""
    user_properties: dict[str, str] = Field(default_factory=dict)
    tags: list[str] = Field(default_factory=list)
    container: Container | None = None
    comment: str = ""

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        sources = [s for s in ("script", "template_task_id", "template") if getattr(self, s) is not None]
        if len(sources) != 1:
            raise ValueError(
                f"give exactly one of script, template_task_id and template, found {sources or 'none'}"
            )
        if PROPERTIES in self.hyperparams:
            raise ValueError("put user properties into `user_properties`, not into the section `properties`")
        return self


class TaskEdit(_Spec):
    """What to change on an existing task; what is not named stays as it is."""

    hyperparams: dict[str, dict[str, str]] = Field(default_factory=dict)
    """Section → name → value. ClearML knows strings only."""
    user_properties: dict[str, str] = Field(default_factory=dict)
    add_tags: list[str] = Field(default_factory=list)
    remove_tags: list[str] = Field(default_factory=list)
    container: Container | None = None
    """Fields that are given replace the task's."""

    @model_validator(mode="after")
    def _changes_something(self) -> Self:
        if not any(getattr(self, name) for name in type(self).model_fields):
            raise ValueError(f"nothing to change: give one of {', '.join(type(self).model_fields)}")
        if PROPERTIES in self.hyperparams:
            raise ValueError("put user properties into `user_properties`, not into the section `properties`")
        ours = sorted(RESERVED_PROPERTIES & set(self.user_properties))
        if ours:
            raise ValueError(
                f"user properties {ours} number and fence attempts: they are not to be set by hand"
            )
        keys = [tag for tag in (*self.add_tags, *self.remove_tags) if tag.startswith(KEY_TAG_PREFIX)]
        if keys:
            raise ValueError(f"tags {keys} are how a job is found by its key: they are not to be changed")
        return self


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """A file that a task left behind."""

    key: str
    uri: str
    size_bytes: int | None
    sha256: str | None
    """Of the file as uploaded; None: the uploader gave none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskInfo:
    """A task as the server describes it; a field that was not asked for is empty or None."""

    id: str
    name: str
    status: TaskStatus
    status_reason: str
    """As the server has it: it may quote the job's data. `reason` is what may be shown."""
    status_message: str
    created: datetime | None
    started: datetime | None
    completed: datetime | None
    last_update: datetime | None
    status_changed: datetime | None = None
    """When the status was last set, also to what it was: agent and SDK each set ``in_progress``."""
    last_worker: str | None
    last_worker_report: datetime | None
    queue_id: str | None
    project_id: str | None
    parent_id: str | None
    tags: tuple[str, ...]
    system_tags: tuple[str, ...]
    user_properties: Mapping[str, str]
    hyperparams: Mapping[str, Mapping[str, str]]
    """Section → name → value, without the user properties."""
    artifacts: tuple[Artifact, ...]
    server_time: datetime
    """The server's clock when it answered."""
    runtime: Mapping[str, Any] = field(default_factory=dict)
    """What the SDK noted on the task while it ran."""

    @classmethod
    def from_api(cls, row: Mapping[str, Any], *, server_time: datetime | None = None) -> TaskInfo:
        """Read one row of ``tasks.get_all``.

        Raises:
            ClearMLUnknownStatusError: The row's status is none that is known.
        """
        execution = row.get("execution") or {}
        sections = {
            section: {name: str(entry.get("value") or "") for name, entry in entries.items()}
            for section, entries in (row.get("hyperparams") or {}).items()
        }
        return cls(
            id=row["id"],
            name=row.get("name") or "",
            status=TaskStatus.parse(row["status"], task_id=row["id"]),
            status_reason=row.get("status_reason") or "",
            status_message=row.get("status_message") or "",
            created=when(row.get("created")),
            started=when(row.get("started")),
            completed=when(row.get("completed")),
            last_update=when(row.get("last_update")),
            status_changed=when(row.get("status_changed")),
            last_worker=row.get("last_worker"),
            last_worker_report=when(row.get("last_worker_report")),
            queue_id=execution.get("queue"),
            project_id=row.get("project"),
            parent_id=row.get("parent"),
            tags=tuple(row.get("tags") or ()),
            system_tags=tuple(row.get("system_tags") or ()),
            user_properties=sections.pop(PROPERTIES, {}),
            hyperparams=sections,
            artifacts=tuple(
                Artifact(
                    key=a["key"],
                    uri=a.get("uri") or "",
                    size_bytes=a.get("content_size"),
                    sha256=a.get("hash") or None,
                )
                for a in execution.get("artifacts") or ()
            ),
            server_time=server_time or datetime.now(UTC),
            runtime=row.get("runtime") or {},
        )

    @property
    def attempt(self) -> int:
        """Number of the current attempt; 1 for a task that this provider did not create."""
        value = self.user_properties.get("attempt", "")
        return int(value) if value.isdecimal() else 1

    @property
    def reason(self) -> str:
        """Why it has its status, as far as logs and XComs may hold it; see `shown_reason`."""
        return shown_reason(self.status_reason or self.status_message)

    @property
    def node_rank(self) -> int | None:
        """Rank of a multi-node job's node, as `launch_multi_node` notes it; None: none, or not asked for."""
        rank = str(self.runtime.get("launch_multi_node/node_rank", ""))
        return int(rank) if rank.isdecimal() else None

    @property
    def silent_s(self) -> float | None:
        """Seconds without a sign of life while in progress, on the server's clock; None: does not apply."""
        if self.status is not TaskStatus.IN_PROGRESS:
            return None
        signs = [t for t in (self.last_update, self.last_worker_report) if t is not None]
        return (self.server_time - max(signs)).total_seconds() if signs else None

    @property
    def running_s(self) -> float | None:
        """Seconds in progress, without the queue, on the server's clock; None: it is not, or not known.

        The server never moves ``started`` forward: on a task that was enqueued again it is the first
        attempt's, and only ``status_changed`` shows when this one began (to within its installation of
        packages, because the SDK sets the status once more).
        """
        if self.status is not TaskStatus.IN_PROGRESS:
            return None
        ran_before = self.completed and self.started and self.completed >= self.started
        began = self.status_changed if self.attempt > 1 or ran_before else self.started
        began = began or self.started
        return (self.server_time - began).total_seconds() if began else None

    def artifact(self, name: str) -> Artifact | None:
        return next((a for a in self.artifacts if a.key == name), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    id: str
    name: str


def when(value: str | None) -> datetime | None:
    """A moment as the API spells it, always with a time zone."""
    if not value:
        return None
    moment = datetime.fromisoformat(value)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
