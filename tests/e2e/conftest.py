"""One whole sweep through the real scheduler, triggerer and agents; a job is killed in its midst."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest

from devstack.supervisor.paths import StackPaths
from devstack.supervisor.processes import stack_processes
from devstack.supervisor.state import StackState, load_state
from tests.fixtures.stack_end import stack_ends_with_this_process

SWEEP_DEADLINE_S = 1800.0
JOB_SCRIPT = "clearml_job.py"


@dataclass(kw_only=True)
class FinishedSweep:
    """A stack that still runs, and what its first demo left and said."""

    paths: StackPaths
    state: StackState
    output: str
    board: dict[str, Any]
    killed_pids: list[int] = field(default_factory=list)

    def rows(self, model: str) -> list[dict[str, Any]]:
        return [row for row in self.board["rows"] if row["model"] == model]


def run_palmares(home: Path, *arguments: str, environment: Mapping[str, str] | None = None) -> str:
    """Run the command to its end and return what it printed; a failure shows all of it."""
    done = subprocess.run(
        [sys.executable, "-m", "palmares.cli.main", *arguments],
        env={**os.environ, "PALMARES_HOME": str(home), "COLUMNS": "80", **(environment or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=SWEEP_DEADLINE_S,
        check=False,
    )
    assert done.returncode == 0, f"palmares {' '.join(arguments)}: {done.returncode}\n{done.stdout}"
    return done.stdout


@pytest.fixture(scope="package")  # not longer: an Airflow that idles beside the other tests takes half a core
def sweep() -> Iterator[FinishedSweep]:
    with ExitStack() as context:
        folder = context.enter_context(tempfile.TemporaryDirectory(prefix="palmares-e2e-"))
        home = Path(folder) / "state"
        context.enter_context(stack_ends_with_this_process(home))
        paths = StackPaths.locate(home)
        over = threading.Event()
        killed: list[int] = []
        killer = threading.Thread(target=_kill_one_job, args=(paths, over, killed))
        killer.start()
        try:
            output = run_palmares(home, "demo", "--keep")
            over.set()
            state = load_state(paths)
            assert state is not None
            board = json.loads((paths.demo / "leaderboard.json").read_text(encoding="utf-8"))
            yield FinishedSweep(
                paths=paths, state=state, output=output, board=board, killed_pids=list(killed)
            )
        finally:
            over.set()
            killer.join()
            run_palmares(home, "down")
        assert stack_processes(paths, state) == [], "palmares down left processes"


def _kill_one_job(paths: StackPaths, over: threading.Event, killed: list[int]) -> None:
    """SIGKILL the first evaluation that is seen, as a dying node would."""
    while not over.wait(0.1):
        state = load_state(paths) if paths.state_file.exists() else None
        for process in stack_processes(paths, state) if state else []:
            try:
                if process.name().startswith("python") and process.cmdline()[-1].endswith(JOB_SCRIPT):
                    process.kill()
                    killed.append(process.pid)
                    return
            except (psutil.NoSuchProcess, psutil.AccessDenied, IndexError):
                continue
