"""The whole stack for real, through the command: start, crash, second start, Ctrl-C, SIGTERM."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from devstack.supervisor.paths import StackPaths
from devstack.supervisor.processes import stack_processes
from devstack.supervisor.state import load_state
from tests.fixtures.stack_end import stack_ends_with_this_process

pytestmark = pytest.mark.stack
DEADLINE_S = 600.0
REST_PSS_BYTES = 1.5e9


class Command:
    """A running ``palmares`` whose lines are read as they come."""

    def __init__(self, home: Path, *arguments: str) -> None:
        self.home = home
        self.seen: list[str] = []
        self._lines: queue.Queue[str] = queue.Queue()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "palmares.cli.main", *arguments],
            env={**os.environ, "PALMARES_HOME": str(home)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line)
        self._lines.put("")

    def wait_for(self, text: str) -> str:
        """Return the next line that contains *text*."""
        deadline = time.monotonic() + DEADLINE_S
        while True:
            try:
                line = self._lines.get(timeout=max(deadline - time.monotonic(), 0.01))
            except queue.Empty:
                pytest.fail(f"no {text!r} in {DEADLINE_S} s:\n{''.join(self.seen)}")
            assert line, f"ended without {text!r}:\n{''.join(self.seen)}"
            self.seen.append(line)
            if text in line:
                return line

    def end(self, number: signal.Signals) -> int:
        """Send a signal, and return the exit status."""
        self.process.send_signal(number)
        return self.process.wait(timeout=DEADLINE_S)


def palmares(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "palmares.cli.main", *arguments]
    environment = {**os.environ, "PALMARES_HOME": str(home)}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=DEADLINE_S)


def assert_nothing_is_left(home: Path) -> None:
    paths = StackPaths.locate(home)
    state = load_state(paths)
    assert state is not None
    assert state.supervisor is None
    assert stack_processes(paths, state) == []
    # Looked for another way too: whatever has the folder in its command line or works in it.
    for process in psutil.process_iter(["pid", "cmdline", "cwd"]):
        if process.pid != os.getpid():
            assert str(home) not in " ".join([*(process.info["cmdline"] or []), process.info["cwd"] or ""])
    assert not list(home.rglob("*.partial"))
    assert not list(home.glob(".stack.json.*"))


@pytest.fixture
def home() -> Iterator[Path]:
    with (
        tempfile.TemporaryDirectory(prefix="palmares-test-") as folder,
        stack_ends_with_this_process(Path(folder) / "state"),
    ):
        yield Path(folder) / "state"
        palmares(Path(folder) / "state", "down")


@pytest.mark.parametrize(
    ("moment", "number"),
    [
        ("Preparing PostgreSQL", signal.SIGINT),
        ("Migrating", signal.SIGTERM),
        ("Starting Airflow", signal.SIGINT),
    ],
)
def test_an_interruption_of_the_start_leaves_no_process_and_no_half_file(home, moment, number):
    up = Command(home, "up", "--foreground")
    up.wait_for(moment)
    assert up.end(number) == 128 + number
    assert_nothing_is_left(home)


def test_the_whole_stack_starts_tells_crashes_and_stops(home):
    up = Command(home, "up", "--foreground")
    up.wait_for("The stack is healthy")
    up.wait_for("Ctrl-C")
    deadline = time.monotonic() + 120  # one late answer on a busy machine is no illness
    while not (status := json.loads(palmares(home, "status", "--json", "--memory").stdout))["healthy"]:
        assert time.monotonic() < deadline, [part for part in status["parts"] if not part["healthy"]]
    assert status["running"]
    assert {part["name"] for part in status["parts"]} == {
        "postgres",
        "embedded",
        "site",
        "airflow-api-server",
        "airflow-scheduler",
        "airflow-dag-processor",
        "airflow-triggerer",
        "agent-0",
        "agent-1",
    }
    assert status["memory"]["pss_bytes"] < REST_PSS_BYTES
    assert_all_listen_on_loopback(home)

    again = palmares(home, "up", "--detach")
    assert again.returncode == 0
    assert "up already" in again.stdout

    pids = {part["name"]: part["pid"] for part in status["parts"]}
    for name in ("embedded", "airflow-triggerer", "agent-1"):
        os.kill(pids[name], signal.SIGKILL)
        assert "Log: " in up.wait_for(f"{name} (process {pids[name]}) has ended")
    assert up.end(signal.SIGINT) == 0
    assert_nothing_is_left(home)


def assert_all_listen_on_loopback(home: Path) -> None:
    paths = StackPaths.locate(home)
    state = load_state(paths)
    assert state is not None
    pids = {process.pid for process in stack_processes(paths, state)}
    listening = [one for one in psutil.net_connections(kind="inet") if one.status == psutil.CONN_LISTEN]
    hosts = {one.laddr.ip for one in listening if one.pid in pids and one.laddr}
    assert hosts == {"127.0.0.1"}
