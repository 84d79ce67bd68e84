"""The embedded services as one process: ports, signals, credentials, and what survives a kill."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import httpx2
import pytest
from huggingface_hub import CommitOperationAdd, HfApi

import tests.fixtures.hub_server  # noqa: F401 - no proxy, no telemetry

pytestmark = pytest.mark.stack

_ROOT = Path(__file__).parents[3]
_SERVICES = ("clearml-api", "clearml-files", "clearml-web", "hub")
_SECRETS = {
    "PALMARES_CLEARML_ACCESS_KEY": "access",
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


def _free_ports() -> dict[str, int]:
    with ExitStack() as stack:
        sockets = {name: stack.enter_context(socket.socket()) for name in _SERVICES}
        for each in sockets.values():
            each.bind(("127.0.0.1", 0))
        return {name: each.getsockname()[1] for name, each in sockets.items()}


def _start(state_dir: Path, ports: dict[str, int], **environment: str) -> subprocess.Popen[str]:
    options = [part for name in _SERVICES for part in (f"--{name}-port", str(ports[name]))]
    return subprocess.Popen(
        [sys.executable, "-m", "include.embedded.serve", "--state-dir", str(state_dir), *options],
        cwd=_ROOT,
        env={**os.environ, **_SECRETS, **environment},
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


@contextmanager
def _served(state_dir: Path) -> Iterator[Served]:
    ports = _free_ports()
    process = _start(state_dir, ports)
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


def test_all_services_answer(tmp_path):
    with _served(tmp_path) as served:
        for port in served.ports.values():
            assert httpx.get(f"http://127.0.0.1:{port}/").status_code < 500
        assert served.hub.whoami()["name"] == "palmares-demo"
    assert {"clearml", "hub"} <= {path.name for path in tmp_path.iterdir()}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_it_at_once_though_clients_stay_connected(tmp_path, number):
    with _served(tmp_path) as served, httpx.Client() as client:
        client.get(f"http://127.0.0.1:{served.ports['hub']}/healthz")
        started = time.monotonic()
        served.process.send_signal(number)
        assert served.process.wait(timeout=10) == 0
        assert time.monotonic() - started < 2
        _, errors = served.process.communicate()
        assert "Traceback" not in errors
        assert "hf_of_the_test" not in errors


@pytest.mark.parametrize("service", _SERVICES)
def test_a_taken_port_is_named_in_one_line(tmp_path, service):
    ports = _free_ports()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", ports[service]))
        taken.listen()
        process = _start(tmp_path, ports)
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 1
    assert errors.count("\n") == 1
    assert str(ports[service]) in errors
    assert list(tmp_path.iterdir()) == []


def test_a_missing_credential_is_named_in_one_line(tmp_path):
    process = _start(tmp_path, _free_ports(), PALMARES_HUB_TOKEN="")
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 1
    assert errors.count("\n") == 1
    assert "PALMARES_HUB_TOKEN" in errors


def test_a_kill_in_the_midst_of_writing_loses_no_acknowledged_commit(tmp_path):
    acknowledged: list[str] = []

    def write(hub: HfApi) -> None:
        # Until the process is gone.
        with contextlib.suppress(httpx2.TransportError):
            for number in itertools.count():
                operation = CommitOperationAdd(f"f{number}.json", str(number).encode() * 10_000)
                made = hub.create_commit(
                    "demo/durable", [operation], commit_message=f"{number}", repo_type="dataset"
                )
                acknowledged.append(made.oid)

    with _served(tmp_path) as served, ThreadPoolExecutor(1) as pool:
        served.hub.create_repo("demo/durable", repo_type="dataset")
        writer = pool.submit(write, served.hub)
        deadline = time.monotonic() + 30
        while len(acknowledged) < 10:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        served.process.kill()
        writer.result(timeout=60)
    with _served(tmp_path) as served:
        commits = served.hub.list_repo_commits("demo/durable", repo_type="dataset")
        oids = [commit.commit_id for commit in commits][:-1][::-1]
        assert oids[: len(acknowledged)] == acknowledged
        # The last one may have been applied without its answer.
        assert len(oids) - len(acknowledged) in {0, 1}
        for number in (0, len(oids) - 1):
            url = f"{served.hub.endpoint}/datasets/demo/durable/resolve/main/f{number}.json"
            assert httpx.get(url).content == str(number).encode() * 10_000


def test_a_commit_whose_answer_a_kill_took_can_be_sent_again(tmp_path):
    with _served(tmp_path) as served:
        served.hub.create_repo("demo/again", repo_type="dataset")
        parent = served.hub.dataset_info("demo/again").sha
        operation = CommitOperationAdd("f.json", b"1")
        made = served.hub.create_commit(
            "demo/again", [operation], commit_message="Once", repo_type="dataset", parent_commit=parent
        )
        served.process.kill()
    with _served(tmp_path) as served:
        again = served.hub.create_commit(
            "demo/again",
            [CommitOperationAdd("f.json", b"1")],
            commit_message="Once",
            repo_type="dataset",
            parent_commit=parent,
        )
        assert again.oid == made.oid
