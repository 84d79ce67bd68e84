"""What the routes share: who asks, what is sent, and the addresses in answers."""

from __future__ import annotations

import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import parse_qsl, urlencode

from pydantic import BaseModel, ValidationError
from starlette.convertors import Convertor, register_url_convertor
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from devstack.servers.hub.commits import Committer
from devstack.servers.hub.history import History
from devstack.servers.hub.refusals import Refusal, bad_request, decoded, repo_not_found, too_large
from devstack.servers.hub.repositories import Kind, Renamed, Repositories, Repository
from devstack.servers.hub.storage import Database, ObjectStore

MAX_JSON_BYTES = 16 * 1024 * 1024

Model = TypeVar("Model", bound=BaseModel)


class _KindConvertor(Convertor[str]):
    """Matches the API's two words for types of repository."""

    regex = "|".join(Kind)

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


register_url_convertor("kind", _KindConvertor())


@dataclass(frozen=True, slots=True, kw_only=True)
class Hub:
    """The server's parts, as routes use them."""

    database: Database
    objects: ObjectStore
    repositories: Repositories
    history: History
    committer: Committer
    tokens: Mapping[str, str]


class RawPath:
    """Routes on the path as it was sent: a revision such as ``refs%2Fpr%2F1`` is one part of it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            raw = scope.get("raw_path") or scope["path"].encode()
            # An endpoint that was given with a trailing slash makes //api/….
            path = "/" + raw.decode("latin-1").lstrip("/")
            scope = {**scope, "path": path, "root_path": ""}
        await self._app(scope, receive, send)


def hub_of(request: Request) -> Hub:
    hub: Hub = request.app.state.hub
    return hub


def part(request: Request, name: str) -> str:
    """Return a decoded part of the path."""
    return decoded(request.path_params[name])


def user_of(request: Request) -> str | None:
    """Return who asks; None: anonymous.

    Raises:
        Refusal: 401: there is a token, and it is not one of ours.
    """
    header = request.headers.get("authorization")
    if header is None:
        return None
    scheme, _, token = header.partition(" ")
    if scheme.lower() == "bearer":
        for known, user in hub_of(request).tokens.items():
            if hmac.compare_digest(known.encode(), token.strip().encode("utf-8", "surrogateescape")):
                return user
    # These words keep the client from reading the answer as "repository not found".
    raise Refusal(401, "Invalid credentials in Authorization header")


def writer_of(request: Request) -> str:
    """Return who asks, who must have a token.

    Raises:
        Refusal: 401.
    """
    user = user_of(request)
    if user is None:
        raise Refusal(401, "A token is needed to write")
    return user


def repository_of(request: Request, *, kind: Kind | None = None) -> Repository:
    """Return the repository that the path names, if who asks may know of it."""
    if kind is None:
        kind = Kind(request.path_params["kind"])
    user = user_of(request)
    return hub_of(request).repositories.visible(kind, part(request, "ns"), part(request, "name"), user=user)


def writable_repository_of(request: Request) -> tuple[Repository, str]:
    """Return the repository and who writes; a stranger to a private one learns nothing of it."""
    repository = repository_of(request)
    return repository, writer_of(request)


async def read_body(request: Request, *, limit: int = MAX_JSON_BYTES) -> bytes:
    """Return the body.

    Raises:
        Refusal: 413: more than *limit* bytes.
    """
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise too_large(f"The request has more than {limit} bytes")
    return bytes(body)


async def read_model(request: Request, model: type[Model]) -> Model:
    """Parse the JSON body.

    Raises:
        Refusal: 400: not JSON, or not of that shape.
    """
    body = await read_body(request)
    try:
        return model.model_validate_json(body or b"{}")
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise bad_request(f"Malformed body: {where} {first['msg']}".strip()) from error


async def read_form(request: Request) -> list[tuple[str, str]]:
    """Return the pairs of a form, or of a JSON object whose values may be lists."""
    body = await read_body(request)
    if "json" not in request.headers.get("content-type", ""):
        try:
            return parse_qsl(body.decode(), keep_blank_values=True, errors="strict", max_num_fields=100_000)
        except ValueError as error:
            raise bad_request("Malformed form") from error
    try:
        data = json.loads(body)
        return [
            (str(key), str(value))
            for key, values in dict(data).items()
            for value in (values if isinstance(values, list) else [values])
        ]
    except (ValueError, TypeError, RecursionError) as error:
        raise bad_request("Malformed body: not a JSON object") from error


def base_url(request: Request) -> str:
    """Return the server's address as the client knows it: it refuses answers that name another host."""
    return f"{request.url.scheme}://{request.headers.get('host') or request.url.netloc}"


def number(request: Request, name: str, default: int, *, highest: int) -> int:
    """Return a non-negative whole number of the query."""
    text = request.query_params.get(name)
    if not text:
        return default
    if not text.isascii() or not text.isdigit() or len(text) > 12:
        raise bad_request(f"{name} must be a whole number, not {text[:40]!r}")
    return min(int(text), highest)


def page(request: Request, items: list[Any], *, cursor: str, following: int | None) -> JSONResponse:
    """Answer a page of a list, with the absolute address of the next one, if there is one."""
    response = JSONResponse(items)
    if following is not None:
        query = [(key, value) for key, value in request.query_params.multi_items() if key != cursor]
        query.append((cursor, str(following)))
        # Not the decoded path: parts such as refs%2Fpr%2F1 must stay one part.
        address = f"{base_url(request)}{request.scope['path']}?{urlencode(query)}"
        response.headers["Link"] = f'<{address}>; rel="next"'
    return response


def refused(_request: Request, error: Exception) -> JSONResponse:
    """Answer a refusal with its headers."""
    assert isinstance(error, Refusal)
    headers = {
        **error.headers,
        "X-Error-Message": error.message.encode("ascii", "replace")
        .decode()
        .replace("\r", " ")
        .replace("\n", " ")[:1000],
    }
    if error.code:
        headers["X-Error-Code"] = error.code
    return JSONResponse({"error": error.message, **error.body}, status_code=error.status, headers=headers)


def passed_on(request: Request, error: Exception) -> Response:
    """Answer a call to a repository's old name: the same call, method and body included, to the new one."""
    assert isinstance(error, Renamed)
    if "name" not in request.path_params:  # it is deleted or renamed by the name it has
        return refused(request, repo_not_found())
    old = f"/{request.path_params['ns']}/{request.path_params['name']}"
    before, _, after = request.scope["path"].partition(old)
    query = f"?{request.url.query}" if request.url.query else ""
    address = f"{base_url(request)}{before}/{error.repository.repo_id}{after}{query}"
    return Response(status_code=307, headers={"Location": address})


def lost(request: Request, _error: Exception) -> JSONResponse:
    """Answer a path or a method that no route has."""
    path = request.scope["path"]
    if path.startswith(("/api/models/", "/api/datasets/")) or "/resolve/" in path:
        return refused(request, repo_not_found())
    return refused(request, Refusal(404, "Not found"))
