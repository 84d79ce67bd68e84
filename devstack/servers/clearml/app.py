"""The three applications: API, files and pages; this one takes requests apart and puts answers together."""

from __future__ import annotations

import json
import logging
import math
import re
import sqlite3
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from pydantic import BaseModel, Field, ValidationError
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from devstack.servers.clearml import events, projects, queues, tasks, transitions, workers
from devstack.servers.clearml.auth import COOKIE, Keys, authorize
from devstack.servers.clearml.database import Database, database_path
from devstack.servers.clearml.documents import COMPANY, COMPANY_NAME, USER, USER_NAME, stamp
from devstack.servers.clearml.files import create_files_app
from devstack.servers.clearml.protocol import (
    API_VERSION,
    SERVER_VERSION,
    ApiError,
    Body,
    Call,
    Endpoint,
    Registry,
    UnknownEndpointError,
    envelope,
    parse_path,
    version_pair,
)
from devstack.servers.clearml.query import Query
from devstack.servers.clearml.queues import create_queue
from devstack.servers.clearml.transitions import has_non_responsive, stop_non_responsive
from devstack.servers.clearml.web import create_web_app

__all__ = ["create_api_app", "create_files_app", "create_web_app", "database_path"]

logger = logging.getLogger(__name__)
Model = TypeVar("Model", bound=BaseModel)

_LINES_TYPE = "application/json-lines"
_MAX_BODY_BYTES = 64 * 1024 * 1024
_STARTED = stamp()
"""The only user is made anew with the process."""
_MODULES = (events, projects, queues, tasks, transitions, workers)
endpoint = Registry()


@endpoint("server.info")
def info(call: Call, __: Body) -> dict[str, Any]:
    version = {"version": SERVER_VERSION, "build": "", "commit": ""}
    return version if call.version < (2, 8) else version | {"api_version": API_VERSION}


@endpoint("users.get_current_user")
def get_current_user(_: Call, __: Body) -> dict[str, Any]:
    company = {"id": COMPANY, "name": COMPANY_NAME}
    user = {"id": USER, "name": USER_NAME, "role": "user", "company": company, "created": _STARTED}
    help_texts = {
        "agentName": "clearml",
        "configure": "clearml-init",
        "install": "pip install clearml",
        "packageName": "clearml",
    }
    return {"user": user, "getting_started": help_texts, "settings": {"max_download_items": 50_000}}


@endpoint("models.get_all", Query)
def get_all_models(_: Call, __: Query) -> dict[str, Any]:
    """None: this server keeps no models, and has no endpoint that would make one."""
    return {"models": []}


_REGISTRIES = (endpoint, *(module.endpoint for module in _MODULES))
ENDPOINTS: Mapping[str, Endpoint] = MappingProxyType(
    {name: found for registry in _REGISTRIES for name, found in registry.endpoints.items()}
)


class LoginBody(Body):
    expiration_sec: int | None = Field(default=None, ge=0)


class Api:
    """The API behind one application: state, keys, and the watchdog of silent tasks."""

    def __init__(self, database: Database, keys: Keys, non_responsive_after: timedelta) -> None:
        self._database = database
        self._keys = keys
        self._threshold = non_responsive_after
        # As on the real server the first look comes a while after the start: agents that outlived a
        # restart get the time to report before they are taken for dead.
        self._patience_s = min(900.0, non_responsive_after.total_seconds() / 8)
        self._next_look = time.monotonic() + self._patience_s
        self._watchdog = threading.Lock()

    def answer(self, request: Request, body: bytes) -> Response:
        """Everything between the body's last byte and the answer's first, in a thread of the pool."""
        name, version = "", None
        try:
            name, version = parse_path(request.url.path)
            data, headers = self._dispatch(request, name, version, body)
            return _json(200, envelope(name=name, version=version, data=data), headers)
        except ApiError as e:
            logger.info("%s: %s/%s %s", name or request.url.path, e.code, e.subcode, e)
            return _json(e.code, envelope(name=name, version=version, error=e))
        except sqlite3.OperationalError as e:
            # A full disk, most likely; nothing was stored, and the client may try again.
            logger.exception("%s: the database refused", name)
            error = ApiError(500, 100, str(e))
            return _json(500, envelope(name=name, version=version, error=error))

    def _dispatch(
        self, request: Request, name: str, version: str | None, body: bytes
    ) -> tuple[dict[str, Any], dict[str, str]]:
        header = request.headers.get("authorization")
        if name == "debug.ping":
            return {"msg": "ClearML server"}, {}
        authorize(header, self._keys, basic_only=name == "auth.login")
        if name == "auth.login":
            life_s = _validate(LoginBody, _parse(body)).expiration_sec
            token = self._keys.new_token(life_s)
            return {"token": token}, {"set-cookie": f"{COOKIE}={token}; Path=/; HttpOnly; SameSite=Strict"}
        if name == "auth.validate_token":
            # For the real server's own parts, which have a role of their own; no user's key may ask.
            raise ApiError(403, 20, role="user", allowed=("system", "root"))
        endpoint = ENDPOINTS.get(name)
        if endpoint is None:
            raise UnknownEndpointError(name, ".".join(map(str, version_pair(version))))
        if endpoint.batch:
            if request.headers.get("content-type") != _LINES_TYPE:
                raise ApiError(400, 0)
            arguments = _validate(endpoint.model, {"items": _parse_lines(body)})
        else:
            arguments = _validate(endpoint.model, _parse(body))
        if name.startswith("tasks."):
            self._stop_silent_tasks()
        with self._database.transaction(write=endpoint.writes) as db:
            call = Call(
                db=db,
                version=version_pair(version),
                user_name=USER_NAME,
                client_address=request.client.host if request.client else "",
            )
            try:
                return endpoint.handler(call, arguments), {}
            except ApiError as e:
                if not e.is_stored:
                    raise
                refusal = e
        raise refusal

    def _stop_silent_tasks(self) -> None:
        """The real server's watchdog, asked before each look at tasks instead of by a clock of its own."""
        with self._watchdog:
            if time.monotonic() < self._next_look:
                return
            self._next_look = time.monotonic() + min(self._patience_s, 1.0)
            with self._database.transaction(write=False) as db:
                silent = has_non_responsive(db, threshold=self._threshold)
            if silent:
                with self._database.transaction(write=True) as db:
                    for task_id in stop_non_responsive(db, threshold=self._threshold):
                        logger.warning("Task %s: not heard of for %s, stopped", task_id, self._threshold)


def _parse(body: bytes) -> Any:
    """The request's JSON; no body, ``null`` and ``[]`` are an empty object.

    Raises:
        ApiError: 400/0.
    """
    if not body.strip():
        return {}
    try:
        return json.loads(body, parse_constant=_refuse_constant, parse_float=_finite) or {}
    except (ValueError, RecursionError) as e:
        logger.info("The body is not JSON, %s: %s", type(e).__name__, str(e)[:200])
        raise ApiError(400, 0) from e


def _refuse_constant(constant: str) -> float:
    raise ValueError(f"{constant} is not JSON")


def _finite(text: str) -> float:
    """A number that can be written again: ``1e999`` would come back as ``Infinity``."""
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is out of range")
    return number


def _finite_or_none(text: str) -> float | None:
    number = float(text)
    return number if math.isfinite(number) else None


def _parse_lines(body: bytes) -> list[Any]:
    """A batch: one JSON object a line. A line that is not JSON refuses the batch.

    NaN and Infinity become null: the handler refuses the one scalar, not the batch.
    """
    lines = (line for line in re.split(rb"[\r\n]+", body) if line.strip())
    try:
        return [
            json.loads(line, parse_constant=_finite_or_none, parse_float=_finite_or_none) for line in lines
        ]
    except (ValueError, RecursionError) as e:
        logger.info("A line is not JSON, %s: %s", type(e).__name__, str(e)[:200])
        raise ApiError(400, 0) from e


def _validate(model: type[Model], value: Any) -> Model:
    try:
        return model.model_validate(value)
    except ValidationError as e:
        errors = e.errors(include_url=False, include_input=False, include_context=False)[:5]
        fields = [str(each["loc"][0]) if each["loc"] else "body" for each in errors]
        if all(each["type"] == "missing" and len(each["loc"]) == 1 for each in errors):
            subcode = getattr(model, "missing_subcode", 12)
            if subcode == 11:
                raise ApiError(400, 11, missing=fields) from e
        subcode = 800 if set(fields) <= getattr(model, "database_fields", frozenset()) else 12
        why = "; ".join(f"{'.'.join(map(str, each['loc'])) or 'body'}: {each['msg']}" for each in errors)
        raise ApiError(400, subcode, why) from e


def _json(status: int, content: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Response:
    """ASCII only: stored text may hold lone surrogates, which UTF-8 cannot."""
    return Response(json.dumps(content), status_code=status, media_type="application/json", headers=headers)


async def _read_body(request: Request) -> bytes:
    chunks, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > _MAX_BODY_BYTES:
            raise ApiError(413, 0, f"more than {_MAX_BODY_BYTES} bytes; send smaller batches")
        chunks.append(chunk)
    return b"".join(chunks)


async def _unexpected(request: Request, error: Exception) -> Response:
    """The client gets an envelope; the traceback goes to the log (Starlette raises it again)."""
    return _json(
        500, envelope(name=request.url.path, version=None, error=ApiError(500, 100, type(error).__name__))
    )


def create_api_app(
    state_dir: Path,
    *,
    access_key: str,
    secret_key: str,
    jwt_secret: str,
    non_responsive_after: timedelta = timedelta(hours=2),
    default_queue: str | None = "default",
) -> Starlette:
    """The API server on the state in *state_dir*.

    Args:
        jwt_secret: Signs the tokens; the file server must have the same. At least 32 bytes.
        non_responsive_after: A task in progress that nobody has heard of for longer is stopped.
        default_queue: Created at the first start, tagged as the default; None for none.

    Raises:
        StackError: The state cannot be used.
    """
    database = Database(database_path(state_dir))
    keys = Keys(access_key=access_key, secret_key=secret_key, jwt_secret=jwt_secret)
    with database.transaction(write=True) as db:
        if default_queue and not db.execute("SELECT 1 FROM queues LIMIT 1").fetchone():
            create_queue(db, default_queue, system_tags=["default"])
    api = Api(database, keys, non_responsive_after)

    async def answer(request: Request) -> Response:
        try:
            body = await _read_body(request)
        except ApiError as e:
            return _json(e.code, envelope(name=request.url.path, version=None, error=e))
        except ClientDisconnect:
            return Response(status_code=400)  # nobody is there to read it
        return await run_in_threadpool(api.answer, request, body)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        database.close()

    handlers: dict[Any, Callable[[Request, Exception], Awaitable[Response]]] = {Exception: _unexpected}
    route = Route("/{path:path}", answer, methods=["GET", "POST", "PUT"])
    return Starlette(routes=[route], exception_handlers=handlers, lifespan=lifespan)
