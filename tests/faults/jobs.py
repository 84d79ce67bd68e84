"""The evaluator's machine: real job processes, and the hand of the agent that pulls and starts them."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import httpx

from tests.faults.servers import Servers

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".venv-evaluator" / "bin" / "python"
HOLD, EVALUATING = "hold", "evaluating"

Fate = Literal["finishes", "SIGKILL", "SIGTERM", "node lost", "agent lost", "agent lost before the start"]
"""What becomes of one job: its process gets a signal; its node dies with process and agent; its agent dies
and leaves the process alone; its agent dies between taking the entry and starting it."""


@dataclass(slots=True)
class Job:
    """One process on the evaluator's machine."""

    task_id: str
    folder: Path
    pid: int = 0
    exit_code: int | None = None
    started: threading.Event = field(default_factory=threading.Event)
    ended: threading.Event = field(default_factory=threading.Event)

    @property
    def is_evaluating(self) -> bool:
        return (self.folder / EVALUATING).exists()

    def let_go(self) -> None:
        (self.folder / HOLD).unlink(missing_ok=True)

    def send(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)


class JobHost:
    """`job_host.py` in the evaluator's environment, and the jobs that it forked."""

    def __init__(self, home: Path, servers: Servers, *, results: Path) -> None:
        self._home = home
        self._results = results
        self.jobs: list[Job] = []
        self._waiting: queue.SimpleQueue[Job] = queue.SimpleQueue()
        if not PYTHON.exists():
            raise AssertionError(f"{PYTHON} is missing: `make setup` makes the evaluator's environment.")
        self._log = (home / "host.log").open("wb")
        self._process = subprocess.Popen(
            [PYTHON, "-m", "tests.faults.job_host"],
            cwd=ROOT,
            env=_environment(home, servers),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._ready = threading.Event()
        self._reader.start()

    def wait_until_ready(self) -> None:
        assert self._ready.wait(60), f"the job host did not start, see {self._home / 'host.log'}"

    def start(self, task_id: str, *, hold: bool) -> Job:
        folder = self._home / f"job-{len(self.jobs)}"
        folder.mkdir()
        if hold:
            (folder / HOLD).touch()
        job = Job(task_id, folder)
        self.jobs.append(job)
        self._waiting.put(job)
        request = {"task_id": task_id, "folder": str(folder), "results": str(self._results)}
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(request).encode() + b"\n")
        self._process.stdin.flush()
        assert job.started.wait(20), "the job host forked nothing"
        return job

    def _read(self) -> None:
        assert self._process.stdout is not None
        by_pid: dict[int, Job] = {}
        for line in self._process.stdout:
            said = json.loads(line)
            if "ready" in said:
                self._ready.set()
            elif "started" in said:
                job = self._waiting.get()
                job.pid = said["started"]
                by_pid[job.pid] = job
                job.started.set()
            else:
                job = by_pid[said["ended"]]
                job.exit_code = said["exit_code"]
                job.ended.set()

    def close(self) -> None:
        for job in self.jobs:
            if not job.ended.is_set():
                job.send(signal.SIGKILL)
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join(5)
        self._log.close()


def _environment(home: Path, servers: Servers) -> dict[str, str]:
    """For jobs of the real SDK: loopback only, nothing of the caller's own settings."""
    config = home / "clearml.conf"
    config.write_text("api { http { retries { connect: 5, total: 20, backoff_factor: 0.1 } } }\n")
    return {
        "HOME": str(home),
        "PATH": os.defpath,
        "PYTHONPATH": f"{ROOT}:{ROOT / 'include'}",
        "PYTHONWARNINGS": "ignore",
        "TMPDIR": str(home),
        "CLEARML_CONFIG_FILE": str(config),
        "CLEARML_CACHE_DIR": str(home / "cache"),
        "CLEARML_LOG_TASK_TO_BACKEND": "0",
        "DATASETS_DIRECTORY": str(ROOT / "devstack" / "demo" / "datasets"),
        "HTTP_PROXY": "http://127.0.0.1:9",
        "HTTPS_PROXY": "http://127.0.0.1:9",
        "NO_PROXY": "127.0.0.1,localhost",
        **servers.sdk_environment(),
    }


class AgentHand:
    """What an agent does, said over REST: pull, start, watch, tell how it ended.

    (The full runs have real agents; one job of theirs takes ten seconds longer.) Its calls are repeated until
    they succeed, as the agent's are.

    Args:
        servers: Where it pulls.
        host: Where it starts jobs.
        queue_name: What it serves.
        fates: What becomes of the first jobs, in order; those after them finish.
        hold: Jobs wait until they are let go.
    """

    def __init__(
        self, servers: Servers, host: JobHost, *, queue_name: str, fates: Sequence[Fate], hold: bool = False
    ) -> None:
        self._servers = servers
        self._host = host
        self._fates = list(fates)
        self._hold = hold
        self._over = threading.Event()
        self._worker = f"palmares:hand-{time.monotonic_ns()}"
        self._queue = servers.call("queues.get_all", name=f"^{queue_name}$")["queues"][0]["id"]
        self.pulled: list[Job | None] = []
        """Every task taken from the queue; None: its process was never started."""
        self.told: list[str] = []
        """What was done to processes, with their ids, and when."""
        self.problem: BaseException | None = None
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> AgentHand:
        self._call("workers.register", worker=self._worker, queues=[self._queue])
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join(20)
        self._call("workers.unregister", worker=self._worker)

    @property
    def job(self) -> Job | None:
        """The last that was started."""
        return next((job for job in reversed(self.pulled) if job is not None), None)

    def _serve(self) -> None:
        try:
            while not self._over.wait(0.1):
                entry = (self._call("queues.get_next_task", queue=self._queue) or {}).get("entry")
                if entry:
                    self._work(entry["task"], self._fates.pop(0) if self._fates else "finishes")
        except BaseException as error:  # noqa: BLE001 - told to the test, which raises it
            self.problem = error

    def _work(self, task_id: str, fate: Fate) -> None:
        if fate == "agent lost before the start":
            self.pulled.append(None)
            self.told.append(f"the agent took the entry of {task_id[:8]} and died before tasks.started")
            return
        self._call("tasks.started", task=task_id, force=True, status_message="pulled by agent")
        self._report(task_id)
        job = self._host.start(task_id, hold=self._hold or fate != "finishes")
        self.pulled.append(job)
        if fate != "finishes" and not self._do(fate, job):
            return
        while not job.ended.wait(0.1):
            if self._over.is_set():
                job.send(signal.SIGKILL)
                return
            self._report(task_id)
            shown = self._call("tasks.get_all", id=[task_id], only_fields=["status", "status_message"])
            if shown["tasks"][0].get("status_message") == "stopping":
                job.send(signal.SIGTERM)
                if not job.ended.wait(2):
                    job.send(signal.SIGKILL)
                job.ended.wait(10)
                self._call("tasks.stopped", task=task_id, status_reason="task was stopped by tasks.stop")
                return
        if job.exit_code == 0:
            self._call("tasks.completed", task=task_id, status_reason="worker execution done")
        else:
            reason = f"worker execution exit code {job.exit_code}"
            self._call("tasks.failed", task=task_id, status_reason=reason)

    def _do(self, fate: Fate, job: Job) -> bool:
        """Let *fate* befall the job while it evaluates; whether its agent goes on."""
        wait_for(lambda: job.is_evaluating or job.ended.is_set(), "the job evaluates", 30)
        who = f"job process {job.pid} (clearml_job.py of task {job.task_id[:8]})"
        if fate == "agent lost":
            self.told.append(f"the agent of {who} fell silent while it evaluated; the process went on")
            job.let_go()
            return False
        number = signal.SIGTERM if fate == "SIGTERM" else signal.SIGKILL
        job.send(number)
        assert job.ended.wait(10), f"{who} survived {number.name}"
        self.told.append(
            f"{who} got {number.name} while it evaluated{', its agent died too' * (fate == 'node lost')}"
        )
        return fate != "node lost"

    def _report(self, task_id: str) -> None:
        self._call(
            "workers.status_report",
            worker=self._worker,
            task=task_id,
            queues=[self._queue],
            queue=self._queue,
            timestamp=int(time.time() * 1000),
            machine_stats=None,
        )

    def _call(self, endpoint: str, **payload: Any) -> Any:
        deadline = time.monotonic() + 30
        while True:
            try:
                return self._servers.call(endpoint, **payload)
            except (httpx.TransportError, httpx.HTTPStatusError, ValueError):
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)


def wait_for(condition: Callable[[], Any], what: str, seconds: float = 20, *, every_s: float = 0.02) -> Any:
    """Poll until *condition* gives something true."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if result := condition():
            return result
        time.sleep(every_s)
    raise AssertionError(f"Not within {seconds:g} s: {what}")
