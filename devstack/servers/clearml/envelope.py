"""The envelope around every answer, and what a request is once its version and endpoint are known."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict

from devstack.servers.clearml.documents import new_id
from devstack.servers.clearml.errors import ApiError

API_VERSION = "2.34"
SERVER_VERSION = "2.3.0"

_PATH = re.compile(r"^/?(?:v(?P<version>\d+(?:\.\d+)?)/)?(?P<name>[A-Za-z_]+\.[A-Za-z_0-9]+)/?$")


class Body(BaseModel):
    """Base of request models: unknown keys are ignored, as the SDK sends a few of its own."""

    model_config = ConfigDict(extra="ignore", protected_namespaces=())


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
        ApiError: 404, the path names no endpoint.
    """
    match = _PATH.match(path)
    if match is None:
        raise ApiError(404, 0, path=path)
    return match["name"], match["version"]


def version_pair(version: str | None) -> tuple[int, int]:
    major, _, minor = (version or API_VERSION).partition(".")
    return int(major), int(minor or 0)


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
