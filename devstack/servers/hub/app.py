"""The Hub-compatible application, for the unmodified ``huggingface_hub`` client."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from devstack.servers.hub import api, pages
from devstack.servers.hub.commits import Committer
from devstack.servers.hub.history import History
from devstack.servers.hub.http import Hub, RawPath, lost, passed_on, refused
from devstack.servers.hub.refusals import Refusal
from devstack.servers.hub.repositories import Renamed, Repositories
from devstack.servers.hub.storage import Database, ObjectStore


def _health(_request: Request) -> Response:
    return JSONResponse({"status": "ok"})


def _lost(request: Request, error: Exception) -> Response:
    """Answer a path or a method that no route has: a page for a browser, else as the API does."""
    if "text/html" in request.headers.get("accept", ""):
        return pages.missing(404, "There is no such page.")
    return lost(request, error)


def create_app(state_dir: Path, *, tokens: Mapping[str, str]) -> Starlette:
    """Make the application.

    Args:
        state_dir: Folder of the state, made if missing; the only one that uses it.
        tokens: Bearer token to user name. Each token reads and writes every repository, but downloads
            from a gated one only if the user's name is its namespace, or the user was granted access.

    Returns:
        An ASGI application.
    """
    database = Database(state_dir / "hub.sqlite3")
    objects = ObjectStore(database)
    history = History(database, objects)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        yield
        database.close()

    app = Starlette(
        routes=[Route("/healthz", _health), *api.ROUTES, *pages.ROUTES],
        middleware=[Middleware(RawPath)],
        exception_handlers={Refusal: refused, Renamed: passed_on, 404: _lost, 405: _lost},
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False
    app.state.hub = Hub(
        database=database,
        objects=objects,
        repositories=Repositories(database),
        history=history,
        committer=Committer(database, objects, history),
        tokens=dict(tokens),
    )
    return app
