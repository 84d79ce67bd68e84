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

ACCESS_KEY, SECRET_KEY, JWT_SECRET = "access-key", "secret-key", "jwt-secret-of-at-least-32-characters"


@pytest.fixture(scope="session")
def clearml_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str, Faults]]:
    """Addresses of API and file server, and the faults that the API may be told to have."""
    from devstack.servers.clearml.app import create_api_app, create_files_app
    from tests.plugins.clearml_provider.workplace import Faults

    state_dir: Path = tmp_path_factory.mktemp("clearml")
    api = create_api_app(state_dir, access_key=ACCESS_KEY, secret_key=SECRET_KEY, jwt_secret=JWT_SECRET)
    files = create_files_app(state_dir, jwt_secret=JWT_SECRET)
    faults = Faults(api)
    with _served(faults) as api_url, _served(files) as files_url:
        yield api_url, files_url, faults


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
