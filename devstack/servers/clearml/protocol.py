"""ClearML's protocol: the envelope, the errors, and what a request is once its endpoint is known."""

from __future__ import annotations

import re
import sqlite3
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from palmares.leaderboard.errors import LeaderboardError
from pydantic import BaseModel, ConfigDict

_TEXTS = {
    (400, 0): "The browser (or proxy) sent a request that this server could not understand.",
    (400, 10): "Invalid object id",
    (400, 11): "Missing required fields",
    (400, 12): "Validation error",
    (400, 14): "Lookup error (probably an invalid field name or unsupported nested field)",
    (400, 16): "Invalid value for fields",
    (400, 17): "Batch request contains no items",
    (400, 21): "Malformed regular expression",
    (400, 101): "Invalid task id",
    (400, 110): "Invalid task status",
    (400, 121): "Failed changing task status. probably someone changed it before you",
    (400, 123): "Task cannot be deleted",
    (400, 131): "Events not added",
    (400, 201): "Invalid model id",
    (400, 401): "Invalid project id",
    (400, 402): "Project has associated tasks",
    (400, 701): "Invalid queue id",
    (400, 702): "Queue is not empty",
    (400, 703): "Invalid queue id or task not in queue",
    (400, 706): "Failed adding task to queue since task is already queued",
    (400, 707): "No queue is tagged as the default queue for this company",
    (400, 800): "Data validation error",
    (400, 801): "Value combination already exists",
    (401, 10): "Unauthorized (bad authentication header type)",
    (401, 20): "Unauthorized (missing credentials)",
    (401, 22): "Unauthorized (invalid credentials)",
    (401, 30): "Invalid token",
    (403, 20): "Forbidden (not allowed for role)",
    (404, 0): "Unable to find endpoint",
    (413, 0): "Request is too large",
    (500, 1): "Internal server error",
    (500, 100): "General data error",
    (507, 0): "Insufficient storage",
}


class ApiError(LeaderboardError):
    """What the server answers when it refuses: ``text (why): key=value, …``.

    Attributes:
        code: HTTP status, also the envelope's ``result_code``.
        subcode: ClearML's finer number, e.g. 706.
        values: What the text shows; also the ``data`` of an error within a list of them.
        is_stored: What the handler wrote before it refused is kept.
    """

    is_stored = False

    def __init__(self, code: int, subcode: int, why: str = "", **values: Any) -> None:
        self.code = code
        self.subcode = subcode
        self.values = values
        message = _TEXTS[code, subcode]
        if why:
            message += f" ({why})"
        if values:
            message += ": " + ", ".join(f"{key}={_shown(value)}" for key, value in values.items())
        super().__init__(message)


class UnknownEndpointError(ApiError):
    """No such endpoint; the text is the real server's."""

    def __init__(self, name: str, version: str) -> None:
        super().__init__(404, 0)
        self.args = (f"Unable to find endpoint for name {name} and version {version}",)


class BadPathError(ApiError):
    """The path has not the form of an endpoint's."""

    def __init__(self, path: str) -> None:
        super().__init__(400, 0)
        self.args = (f"Invalid request path {path}",)


class LookupFieldError(ApiError):
    """``only_fields`` or ``order_by`` names a field that documents of this kind do not have."""

    def __init__(self, field: str) -> None:
        super().__init__(400, 14, err=f'Cannot resolve field "{field}"')


class EventsNotAddedError(ApiError):
    """No event of a batch was taken; the text counts them by reason."""

    def __init__(self, reasons: Mapping[str, int]) -> None:
        super().__init__(400, 131)
        counts = ", ".join(f"{reason}={count}" for reason, count in reasons.items())
        self.args = (f"{self.args[0]}: {counts}",)


class AlreadyQueuedError(ApiError):
    """The queue holds the task; what its handler stored stays, as on the real server."""

    is_stored = True

    def __init__(self, task_id: str) -> None:
        super().__init__(400, 706, task=task_id)


class InternalError(ApiError):
    """The real server's answer where it stumbles: HTTP 500 with the text of an exception."""

    def __init__(self, text: str) -> None:
        super().__init__(500, 100)
        self.args = (text,)


class PathCollisionError(ApiError):
    """``only_fields`` names a field together with its own sub-field: MongoDB refuses the projection."""

    def __init__(self, field: str) -> None:
        super().__init__(500, 1)
        text = f"Path collision at {field}"
        full = {"ok": 0.0, "errmsg": text, "code": 31250, "codeName": "Location31250"}
        self.args = (f"Internal server error: err={text}, full error: {full}",)


def not_unique(**values: Any) -> ApiError:
    """The refusal of a second document of one name."""
    return ApiError(400, 801, "unique field already contains this value", **values)


def _shown(value: Any) -> str:
    return f"({', '.join(map(str, value))})" if isinstance(value, (list, tuple)) else str(value)


API_VERSION = "2.34"
SERVER_VERSION = "2.3.0"

_PATH = re.compile(r"^/?(?:v(?P<version>\d+(?:\.\d+)?)/)?(?P<name>[A-Za-z_]+\.[A-Za-z_0-9]+)/?$")


class Body(BaseModel):
    """Base of request models: unknown keys are ignored, as the SDK sends a few of its own.

    Attributes:
        missing_subcode: Of the error when a required key is absent.
        database_fields: Keys that the real server leaves to its database to check: sub-code 800, not 12.
    """

    model_config = ConfigDict(extra="ignore", protected_namespaces=())

    missing_subcode: ClassVar[int] = 12
    database_fields: ClassVar[frozenset[str]] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request within its transaction."""

    db: sqlite3.Connection
    version: tuple[int, int]
    """What the client asked for, the newest where it did not say."""
    user_name: str
    client_address: str


Handler = Callable[[Call, Any], dict[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One method of the API, e.g. ``tasks.enqueue``."""

    name: str
    model: type[BaseModel]
    handler: Handler
    writes: bool
    batch: bool
    """The body is NDJSON and *model* is validated by the handler, item by item."""


class Registry:
    """The endpoints of one module, filled by its decorators."""

    def __init__(self) -> None:
        self.endpoints: dict[str, Endpoint] = {}

    def __call__(
        self, name: str, model: type[BaseModel] = Body, *, writes: bool = False, batch: bool = False
    ) -> Callable[[Handler], Handler]:
        def register(handler: Handler) -> Handler:
            self.endpoints[name] = Endpoint(
                name=name, model=model, handler=handler, writes=writes, batch=batch
            )
            return handler

        return register


def parse_path(path: str) -> tuple[str, str | None]:
    """Endpoint name and version of ``/v2.13/tasks.get_all``; the version may be missing.

    Raises:
        ApiError: 400/0, the path names no endpoint.
    """
    match = _PATH.match(path)
    if match is None:
        raise BadPathError(path)
    return match["name"], match["version"]


def version_pair(version: str | None) -> tuple[int, int]:
    major, _, minor = (version or API_VERSION).partition(".")
    return int(major), int(minor or 0)


def new_id() -> str:
    return uuid.uuid4().hex


def envelope(
    *, name: str, version: str | None, data: dict[str, Any] | None = None, error: ApiError | None = None
) -> dict[str, Any]:
    """The answer's JSON: ``meta`` and ``data``."""
    request = new_id()
    return {
        "meta": {
            "id": request,
            "trx": request,
            "endpoint": {
                "name": name,
                "requested_version": version or API_VERSION,
                "actual_version": "1.0" if error is None else None,
            },
            "result_code": 200 if error is None else error.code,
            "result_subcode": 0 if error is None else error.subcode,
            "result_msg": "OK" if error is None else str(error),
            "error_stack": None if error is None else "",
            "error_data": {},
        },
        "data": data if data is not None else {},
    }
