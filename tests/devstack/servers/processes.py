"""The embedded services in a process of their own, for tests that stop, kill or crash it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from huggingface_hub import HfApi

import tests.fixtures.hub_server  # noqa: F401 - no proxy, no telemetry

_ROOT = Path(__file__).parents[3]
SERVICES = ("clearml-api", "clearml-files", "clearml-web", "hub")
SECRETS = {
    "PALMARES_CLEARML_ACCESS_KEY": "AB12CD34EF56GH78IJ90",
    "PALMARES_CLEARML_SECRET_KEY": "secret-of-the-test",
    "PALMARES_JWT_SECRET": "jwt-secret-of-the-test-0123456789abcdef",
    "PALMARES_HUB_TOKEN": "hf_of_the_test",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    process: subprocess.Popen[str]
    ports: dict[str, int]

    @property
    def hub(self) -> HfApi:
        return HfApi(endpoint=f"http://127.0.0.1:{self.ports['hub']}", token="hf_of_the_test")


def free_ports() -> dict[str, int]:
    with ExitStack() as stack:
        sockets = {name: stack.enter_context(socket.socket()) for name in SERVICES}
        for each in sockets.values():
            each.bind(("127.0.0.1", 0))
        return {name: each.getsockname()[1] for name, each in sockets.items()}


def start(state_dir: Path, ports: dict[str, int], **environment: str) -> subprocess.Popen[str]:
    options = [part for name in SERVICES for part in (f"--{name}-port", str(ports[name]))]
    return subprocess.Popen(
        [sys.executable, "-m", "devstack.servers.serve", "--state-dir", str(state_dir), *options],
        cwd=_ROOT,
        env={**os.environ, **SECRETS, **environment},
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


@contextmanager
def served(state_dir: Path, **environment: str) -> Iterator[Served]:
    """The services in a process of their own, on free ports, once they answer; killed at the end."""
    ports = free_ports()
    process = start(state_dir, ports, **environment)
    try:
        deadline = time.monotonic() + 30
        while True:
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline
            try:
                if httpx.get(f"http://127.0.0.1:{ports['hub']}/healthz").status_code == 200:
                    break
            except httpx.TransportError:
                time.sleep(0.05)
        yield Served(process=process, ports=ports)
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()
