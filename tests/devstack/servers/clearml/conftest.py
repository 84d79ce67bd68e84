"""A running server for the tests, REST calls to it, and the environment of its real clients."""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

from devstack.servers.clearml.app import create_api_app, create_files_app, create_web_app

ACCESS_KEY, SECRET_KEY, JWT_SECRET = "test-access", "test-secret", "test-jwt-secret-of-at-least-32-bytes"
PYTHON = Path(__file__).parents[4] / ".venv/bin/python"
EVALUATOR_BIN = Path(__file__).parents[4] / ".venv-evaluator/bin"


@dataclass
class Api:
    """REST calls with a token, at one base address."""

    http: httpx.Client
    unknown: set[str] = field(default_factory=set)
    """Endpoints that clients asked for in vain."""

    def post(self, endpoint: str, /, version: str = "2.23", **body: Any) -> httpx.Response:
        return self.http.post(f"/v{version}/{endpoint}", json=body)

    def call(self, endpoint: str, /, version: str = "2.23", **body: Any) -> Any:
        response = self.post(endpoint, version, **body)
        assert response.status_code == 200, response.text
        return response.json()["data"]

    def status(self, task: str) -> str:
        return str(self.call("tasks.get_all", id=[task], only_fields=["status"])["tasks"][0]["status"])

    def new_task(self, **fields: Any) -> str:
        return str(self.call("tasks.create", **({"name": "a task", "type": "training"} | fields))["id"])

    def new_queue(self, name: str) -> str:
        return str(self.call("queues.create", name=name)["id"])

    def task_in(self, status: str, queue: str) -> str:
        """A new task, brought to *status* the way that clients do it."""
        task = self.new_task()
        steps = {"created": [], "queued": ["enqueue"], "in_progress": ["started"]}.get(
            status, ["started", {"published": "publish", "closed": "stopped"}.get(status, status)]
        )
        if status == "published":
            steps = ["started", "completed", "publish"]
        if status == "closed":
            steps = ["started", "stopped", "close"]
        for step in steps:
            self.call(f"tasks.{step}", task=task, **({"queue": queue} if step == "enqueue" else {}))
        return task


def wait_for(condition: Callable[[], Any], what: str, seconds: float = 30) -> Any:
    """Poll until *condition* gives something true."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if result := condition():
            return result
        time.sleep(0.05)
    raise AssertionError(f"Not within {seconds} s: {what}")


@contextlib.contextmanager
def serving(app: Any) -> Iterator[str]:
    """Serve *app* on a free port of loopback from a thread; give its address."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        wait_for(lambda: server.started or not thread.is_alive(), "the server starts")
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(timeout=10)
        listener.close()


def log_in(address: str) -> httpx.Client:
    answer = httpx.post(f"{address}/auth.login", auth=(ACCESS_KEY, SECRET_KEY)).raise_for_status()
    token = answer.json()["data"]["token"]
    return httpx.Client(base_url=address, headers={"Authorization": f"Bearer {token}"}, timeout=30)


@dataclass(frozen=True)
class Stack:
    """API, files and pages on one state, and what a client needs in its environment."""

    state_dir: Path
    api: Api
    api_host: str
    files_host: str
    web_host: str

    def environment(self, home: Path) -> dict[str, str]:
        """For a process of the real SDK or agent: loopback only, nothing of the caller's own settings."""
        home.mkdir(parents=True, exist_ok=True)
        config = home / "clearml.conf"
        config.write_text(
            "api { http { retries { connect: 3, total: 10 } } }\n"
            "sdk { development { detect_with_pip_freeze: false, report_use_subprocess: false,\n"
            "  worker { log_stdout: true, ping_period_sec: 10 } } }\n"
            "agent { disable_agent_update_check: true }\n"
        )
        return {
            "HOME": str(home),
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "CLEARML_CONFIG_FILE": str(config),
            "CLEARML_API_HOST": self.api_host,
            "CLEARML_FILES_HOST": self.files_host,
            "CLEARML_WEB_HOST": self.web_host,
            "CLEARML_API_ACCESS_KEY": ACCESS_KEY,
            "CLEARML_API_SECRET_KEY": SECRET_KEY,
            "CLEARML_CACHE_DIR": str(home / "cache"),
            # SDK and agent ask a public server for updates: nothing leaves this machine.
            "HTTP_PROXY": "http://127.0.0.1:9",
            "HTTPS_PROXY": "http://127.0.0.1:9",
            "NO_PROXY": "127.0.0.1,localhost",
            "TMPDIR": str(home),
        }


class _Unknown(logging.Handler):
    """Collects the names in the server's log lines about unknown endpoints."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        if isinstance(record.args, tuple) and record.args[1:2] == (404,):
            self.names.add(str(record.args[0]))


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    state = tmp_path_factory.mktemp("clearml")
    refusals = _Unknown()
    server_log = logging.getLogger("devstack.servers.clearml.app")
    server_log.setLevel(logging.INFO)
    server_log.addHandler(refusals)
    api_app = create_api_app(state, access_key=ACCESS_KEY, secret_key=SECRET_KEY, jwt_secret=JWT_SECRET)
    with (
        serving(api_app) as api_host,
        serving(create_files_app(state, jwt_secret=JWT_SECRET)) as files_host,
        serving(create_web_app(state)) as web_host,
        log_in(api_host) as http,
    ):
        yield Stack(state, Api(http, refusals.names), api_host, files_host, web_host)
    server_log.removeHandler(refusals)


@pytest.fixture(scope="session")
def api(stack: Stack) -> Api:
    return stack.api


@pytest.fixture(scope="session")
def queue(api: Api) -> str:
    return api.new_queue("shared queue")
