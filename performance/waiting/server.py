"""The embedded ClearML server in a process of its own, for benchmarks."""

from __future__ import annotations

import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

ROOT = Path(__file__).resolve().parents[2]


class Server:
    """The embedded ClearML server, and what a test may ask it."""

    def __init__(self, folder: Path) -> None:
        keys = {name: secrets.token_hex(16) for name in ("access", "secret", "jwt", "hub", "faults")}
        self.connection = {"conn_type": "clearml", "login": keys["access"], "password": keys["secret"]}
        environment = {
            "PALMARES_CLEARML_ACCESS_KEY": keys["access"],
            "PALMARES_CLEARML_SECRET_KEY": keys["secret"],
            "PALMARES_JWT_SECRET": keys["jwt"],
            "PALMARES_HUB_TOKEN": keys["hub"],
            "PALMARES_FAULTS_TOKEN": keys["faults"],
        }
        ports = {name: _free_port() for name in ("clearml-api", "clearml-files", "clearml-web", "hub")}
        command = [sys.executable, "-m", "devstack.servers.serve", "--state-dir", str(folder)]
        command += [part for name, port in ports.items() for part in (f"--{name}-port", str(port))]
        self.process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, **environment},
            stdout=subprocess.DEVNULL,
            stderr=(folder / "server.log").open("wb"),
        )
        url = f"http://127.0.0.1:{ports['clearml-api']}"
        self.connection |= {"host": url}
        self._faults = httpx.Client(base_url=url, headers={"Authorization": f"Bearer {keys['faults']}"})
        self._api = httpx.Client(base_url=url, timeout=30)
        wait_until(self._answers, what="the embedded server")
        token = self._api.post("/auth.login", auth=(keys["access"], keys["secret"])).json()["data"]["token"]
        self._api.headers["Authorization"] = f"Bearer {token}"

    def close(self) -> None:
        self._faults.close()
        self._api.close()
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=30)

    def _answers(self) -> bool:
        try:
            return self._faults.get("/_faults").is_success
        except httpx.TransportError:
            return False

    def call(self, endpoint: str, **payload: Any) -> dict[str, Any]:
        response = self._api.post(f"/{endpoint}", json=payload)
        response.raise_for_status()
        data: dict[str, Any] = response.json()["data"]
        return data

    def start_task(self, number: int) -> str:
        """A task in progress, as a waiting operator leaves it."""
        properties = {
            name: {"section": "properties", "name": name, "value": value}
            for name, value in (("attempt", "1"), ("waiter", f"waiter-{number}"))
        }
        name = f"waiting {number}"
        made = self.call("tasks.create", name=name, type="testing", hyperparams={"properties": properties})
        self.call("tasks.started", task=made["id"])
        return str(made["id"])

    def seen(self) -> dict[str, int]:
        """Requests so far, by endpoint."""
        seen: dict[str, int] = self._faults.get("/_faults").json()["seen"]
        return seen


def wait_until(condition: Callable[[], bool], *, what: str, seconds: float = 180.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise SystemExit(f"Waited {seconds:.0f} s in vain for {what}.")
        time.sleep(0.2)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
