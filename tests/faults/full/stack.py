"""A whole stack of its own: the embedded services, Airflow's components, real agents, a supervisor."""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
from palmares.steps.services import Services

from devstack.demo.seed import MODELS_DIRECTORY, REQUESTS_REPO
from devstack.supervisor.paths import StackPaths
from devstack.supervisor.ports import option
from devstack.supervisor.processes import STACK_VARIABLE, stack_processes
from devstack.supervisor.state import PORT_NAMES, StackState, load_state
from devstack.supervisor.supervision import SupervisorClient
from tests.faults.jobs import wait_for
from tests.faults.observe import Place
from tests.faults.rest import EmbeddedRest
from tests.faults.servers import free_port
from tests.faults.world import unhurried_configuration

if TYPE_CHECKING:
    from huggingface_hub import HfApi

ROOT = Path(__file__).parents[3]
MODEL_ID = "palmares-demo/petit"
REQUEST_PATH = f"{MODEL_ID}_eval_request_False_bfloat16_Original.json"
JOB_SCRIPT = "clearml_job.py"
LOST_AFTER_S = 60
"""The least that settings take; the demo's cluster waits for two minutes."""


@dataclass(slots=True, kw_only=True)
class FullStack:
    """A running stack, and handles to look into it."""

    paths: StackPaths
    state: StackState
    rest: EmbeddedRest
    services: Services
    api: HfApi

    @property
    def place(self) -> Place:
        return Place(services=self.services, api=self.api, call=self.rest.call)

    def part(self, name: str) -> psutil.Process:
        """The process of one part, e.g. ``airflow-triggerer``; waits while it is started again."""
        client = SupervisorClient(self.paths, self.state)

        def running() -> psutil.Process | None:
            pids = [part.pid for part in client.parts() if part.name == name and part.state == "RUNNING"]
            return psutil.Process(pids[0]) if pids else None

        process: psutil.Process = wait_for(running, f"{name} runs", 90)
        return process

    def processes(self, command_end: str) -> list[psutil.Process]:
        """The stack's processes whose command line ends so."""
        found = []
        for process in stack_processes(self.paths, self.state):
            try:
                command = " ".join(process.cmdline()).rstrip()
            except psutil.Error:
                continue
            if command.endswith(command_end):
                found.append(process)
        return found

    def job_processes(self) -> list[psutil.Process]:
        """The evaluations that run; the agent's shells around them are left out."""
        marker = f"{STACK_VARIABLE}={self.state.stack_id}".encode()
        found = []
        for process in psutil.process_iter(["name", "cmdline"]):
            name, command = process.info["name"] or "", process.info["cmdline"] or []
            if name.startswith("python") and command and command[-1].endswith(JOB_SCRIPT):
                with contextlib.suppress(OSError):
                    if marker in Path(f"/proc/{process.pid}/environ").read_bytes().split(b"\0"):
                        found.append(process)
        return found

    def wait_until_whole(self) -> None:
        """Every part runs and answers."""
        from devstack.supervisor.health import check_parts
        from devstack.supervisor.programs import agent_names

        def whole() -> bool:
            return all(health.healthy for health in check_parts(self.state).values())

        for name in agent_names(self.state):
            self.part(name)
        wait_for(whole, "every part is healthy", 120)


@contextmanager
def running_stack(home: Path) -> Iterator[FullStack]:
    """``palmares up`` with faults allowed, and one model to evaluate; ``palmares down`` at the end."""
    token = secrets.token_hex(16)
    environment = {
        **os.environ,
        "PALMARES_HOME": str(home),
        "PALMARES_FAULTS_TOKEN": token,
        "PALMARES_CONFIG_DIR": str(_configuration(home.parent / "config")),
        "COLUMNS": "80",
    }
    paths = StackPaths.locate(home)
    try:
        # Not the usual ports: another stack that starts in the same moment may want those.
        ports = [part for name in PORT_NAMES for part in (option(name), str(free_port()))]
        _palmares(environment, "up", "--detach", *ports)
        state = load_state(paths)
        assert state is not None
        with _opened(paths, state, token) as stack:
            yield stack
    finally:
        _palmares(environment, "down")
    left = stack_processes(paths, state)
    assert left == [], f"palmares down left {left}"


def _palmares(environment: dict[str, str], *arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "palmares.cli.main", *arguments],
        env=environment,
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, f"palmares {' '.join(arguments)}: {done.returncode}\n{done.stdout}"


def _configuration(folder: Path) -> Path:
    """Ours, but a silent job counts as lost sooner."""
    unhurried_configuration(folder)
    clusters = folder / "clusters.yaml"
    text, changed = re.subn(r"lost_after_s: 120\b", f"lost_after_s: {LOST_AFTER_S}", clusters.read_text())
    assert changed == 1, "clusters.yaml: the demo's cluster is no longer lost after 120 s"
    clusters.write_text(text)
    return folder


@contextmanager
def _opened(paths: StackPaths, state: StackState, token: str) -> Iterator[FullStack]:
    from huggingface_hub import HfApi

    rest = EmbeddedRest(
        {name: state.url(name) for name in PORT_NAMES},
        access_key=state.keys.clearml_access_key,
        secret_key=state.keys.clearml_secret_key,
        faults_token=token,
    )
    api = HfApi(endpoint=state.url("hub"), token=state.keys.hub_token)
    _seed(api)
    with Services.at(
        hub_endpoint=state.url("hub"),
        hub_token=state.keys.hub_token,
        store_url=state.database_url("palmares"),
    ) as services:
        yield FullStack(paths=paths, state=state, rest=rest, services=services, api=api)
    rest.close()


def _seed(api: HfApi) -> None:
    """One model, and a settled request for it, which no sweep but a forced one takes."""
    from huggingface_hub import CommitOperationAdd

    api.create_repo(MODEL_ID)
    files = [
        CommitOperationAdd(path_in_repo=path.name, path_or_fileobj=path)
        for path in sorted((MODELS_DIRECTORY / "petit").iterdir())
    ]
    api.create_commit(MODEL_ID, files, commit_message="The model")
    request = {
        "model": MODEL_ID,
        "base_model": "",
        "revision": "main",
        "precision": "bfloat16",
        "weight_type": "Original",
        "status": "CANCELLED",
        "submitted_time": "2026-01-06T17:03:55Z",
    }
    api.create_repo(REQUESTS_REPO, repo_type="dataset")
    api.create_commit(
        REQUESTS_REPO,
        [CommitOperationAdd(REQUEST_PATH, json.dumps(request, indent=2).encode())],
        commit_message="A request",
        repo_type="dataset",
    )
