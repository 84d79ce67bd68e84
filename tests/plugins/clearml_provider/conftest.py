"""A ClearML-compatible server for the provider's tests, with answers that get lost on demand."""

from __future__ import annotations

import atexit
import json
import os
import shutil
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:  # importing it imports Airflow, which reads AIRFLOW_HOME then
    from tests.plugins.clearml_provider.workplace import Faults, Workplace

if "AIRFLOW_HOME" not in os.environ:
    _home = tempfile.mkdtemp(prefix="palmares-airflow-")
    atexit.register(shutil.rmtree, _home, ignore_errors=True)
    os.environ["AIRFLOW_HOME"] = _home

OTHER_SERVER = os.environ.get("PALMARES_TEST_CLEARML", "")
"""The API address of a ClearML server that the tests use instead of the embedded one (make test-clearml)."""
OTHER_FILES = os.environ.get("PALMARES_TEST_CLEARML_FILES", "")
ACCESS_KEY, SECRET_KEY, JWT_SECRET = "access-key", "secret-key", "jwt-secret-of-at-least-32-characters"
if OTHER_SERVER:
    ACCESS_KEY, SECRET_KEY = os.environ["CLEARML_API_ACCESS_KEY"], os.environ["CLEARML_API_SECRET_KEY"]


@pytest.fixture(scope="session")
def clearml_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str, Faults]]:
    """Addresses of API and file server, and the faults that the API may be told to have."""
    from devstack.servers.clearml.app import create_api_app, create_files_app
    from tests.plugins.clearml_provider.workplace import Faults

    if OTHER_SERVER:
        faults = Faults(_passed_on_to(OTHER_SERVER))
        with _served(faults) as api_url:
            yield api_url, OTHER_FILES, faults
        return
    state_dir: Path = tmp_path_factory.mktemp("clearml")
    api = create_api_app(state_dir, access_key=ACCESS_KEY, secret_key=SECRET_KEY, jwt_secret=JWT_SECRET)
    files = create_files_app(state_dir, jwt_secret=JWT_SECRET)
    faults = Faults(api)
    with _served(faults) as api_url, _served(files) as files_url:
        yield api_url, files_url, faults


def _passed_on_to(address: str) -> Callable[..., Any]:
    """An ASGI app that passes every request on to a server, and its answer back."""
    import httpx
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

    async def pass_on(request: Request) -> Response:
        kept = ("authorization", "content-type")
        headers = {name: value for name, value in request.headers.items() if name in kept}
        async with httpx.AsyncClient(base_url=address, timeout=60, trust_env=False) as client:
            answer = await client.request(
                request.method, request.url.path, content=await request.body(), headers=headers
            )
        return Response(answer.content, answer.status_code, media_type=answer.headers.get("content-type"))

    return Starlette(routes=[Route("/{path:path}", pass_on, methods=["GET", "POST"])])


class _served:
    """An ASGI app on a free port of the loopback, in a thread."""

    def __init__(self, app: Callable[..., Any]) -> None:
        import uvicorn

        self._socket = socket.create_server(("127.0.0.1", 0))
        self._server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="on"))
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [self._socket]}, daemon=True
        )

    def __enter__(self) -> str:
        self._thread.start()
        deadline = time.monotonic() + 20
        while not self._server.started:
            assert self._thread.is_alive(), "the server did not start"
            assert time.monotonic() < deadline, "the server took too long to start"
            self._thread.join(0.01)
        return f"http://127.0.0.1:{self._socket.getsockname()[1]}"

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join(10)
        self._socket.close()


@pytest.fixture
def clearml(
    clearml_server: tuple[str, str, Faults], monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[Workplace]:
    """The server, the Airflow connection to it, a queue of this test, and an agent's hand."""
    from tests.plugins.clearml_provider.workplace import Workplace

    api_url, files_url, faults = clearml_server
    connection = {
        "conn_type": "clearml",
        "host": api_url,
        "login": ACCESS_KEY,
        "password": SECRET_KEY,
        "extra": {"files_host": files_url, "web_host": "http://web.test"},
    }
    monkeypatch.setenv("AIRFLOW_CONN_CLEARML_DEFAULT", json.dumps(connection))
    faults.clear()
    workplace = Workplace(faults, name=request.node.name)
    yield workplace
    faults.clear()
    workplace.close()
