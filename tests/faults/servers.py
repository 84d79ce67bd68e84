"""The embedded services as a process that may die and is started again; their faults, and REST calls."""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import httpx

from tests.faults.rest import START_DEADLINE_S, EmbeddedRest

ROOT = Path(__file__).parents[2]
SERVICES = ("clearml_api", "clearml_files", "clearml_web", "hub")


class Servers(EmbeddedRest):
    """``python -m devstack.servers.serve`` on ports of its own; restarted when it dies, as the stack does."""

    def __init__(self, state_dir: Path) -> None:
        self._state_dir = state_dir
        self._ports = {name: free_port() for name in SERVICES}
        super().__init__(
            {name: f"http://127.0.0.1:{port}" for name, port in self._ports.items()},
            access_key="FAULTS",
            secret_key=secrets.token_hex(16),
            faults_token=secrets.token_hex(16),
        )
        self.hub_token = f"hf_{secrets.token_hex(16)}"
        self._environment = {
            "PATH": os.defpath,
            "PYTHONPATH": f"{ROOT}:{ROOT / 'include'}",
            "PALMARES_CLEARML_ACCESS_KEY": self._access_key,
            "PALMARES_CLEARML_SECRET_KEY": self._secret_key,
            "PALMARES_JWT_SECRET": secrets.token_hex(32),
            "PALMARES_HUB_TOKEN": self.hub_token,
            "PALMARES_FAULTS_TOKEN": self._faults_token,
        }
        self.deaths: list[str] = []
        """Each death of the process: its id and how it ended."""
        self._over = threading.Event()
        self._process = self._start()
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self.wait_until_ready()
        self._watcher.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    def _start(self) -> subprocess.Popen[bytes]:
        ports = [
            part
            for name, port in self._ports.items()
            for part in (f"--{name.replace('_', '-')}-port", str(port))
        ]
        self._state_dir.mkdir(parents=True, exist_ok=True)
        with (self._state_dir / "serve.log").open("ab") as log:
            return subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "devstack.servers.serve",
                    "--state-dir",
                    str(self._state_dir),
                    *ports,
                ],
                cwd=ROOT,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def _watch(self) -> None:
        while not self._over.wait(0.02):
            code = self._process.poll()
            if code is not None:
                self.deaths.append(f"process {self._process.pid} (devstack.servers.serve) ended with {code}")
                self._process = self._start()

    def wait_until_ready(self) -> None:
        deadline = time.monotonic() + START_DEADLINE_S
        while True:
            try:
                httpx.get(f"{self.url('hub')}/api/models", timeout=5, trust_env=False)
                httpx.post(f"{self.url('clearml_api')}/debug.ping", timeout=5, trust_env=False)
            except httpx.TransportError:
                if time.monotonic() > deadline:
                    log = (self._state_dir / "serve.log").read_text()[-2000:]
                    raise AssertionError(f"the embedded services did not start:\n{log}") from None
                time.sleep(0.02)
            else:
                return

    def sdk_environment(self) -> dict[str, str]:
        """For the real SDK."""
        return {
            "CLEARML_API_HOST": self.url("clearml_api"),
            "CLEARML_FILES_HOST": self.url("clearml_files"),
            "CLEARML_WEB_HOST": self.url("clearml_web"),
            "CLEARML_API_ACCESS_KEY": self._access_key,
            "CLEARML_API_SECRET_KEY": self._secret_key,
            "HF_ENDPOINT": self.url("hub"),
            "HF_TOKEN": self.hub_token,
        }

    def airflow_connection(self, *, timeout_s: float = 30.0) -> dict[str, Any]:
        """Airflow's connection ``clearml_default``."""
        return {
            "conn_type": "clearml",
            "host": self.url("clearml_api"),
            "login": self._access_key,
            "password": self._secret_key,
            "extra": {
                "files_host": self.url("clearml_files"),
                "web_host": self.url("clearml_web"),
                "timeout_s": timeout_s,
            },
        }

    def close(self) -> None:
        self._over.set()
        self._watcher.join(5)
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        super().close()


def free_port() -> int:
    """One that the kernel gives to nobody else for a while."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
