"""Starting and stopping a whole stack in order, from any state it may have been left in."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from palmares.cli.interrupts import checkpoint
from palmares.leaderboard.errors import StackError

from devstack.supervisor import health, postgres, settings
from devstack.supervisor.lock import stack_lock
from devstack.supervisor.paths import StackPaths
from devstack.supervisor.ports import choose_ports
from devstack.supervisor.processes import kill_all, stack_processes, supervisor_process, wait_for_end
from devstack.supervisor.programs import AIRFLOW_PARTS, EMBEDDED, POSTGRES, SITE, agent_names, stack_programs
from devstack.supervisor.running import Job, run_jobs, tail
from devstack.supervisor.state import (
    Elsewhere,
    PortName,
    StackState,
    load_state,
    prepare_home,
    remove_stale_temporaries,
)
from devstack.supervisor.supervision import PartStatus, SupervisorClient, launch

log = logging.getLogger(__name__)

Report = Callable[[str], None]
LOCK_DEADLINE_S = 180.0
STALLED_S = 120.0
"""A start may take as long as its parts work: it is given up when nothing worked for so long."""
SLOW_S = 30.0
"""After so long, and each time again, a person reads what is waited for."""
POLL_S = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class StartOptions:
    """What a person may choose at a start; the stack remembers it."""

    agents: int | None = None
    """None: as remembered, else 2."""
    ports: Mapping[PortName, int | None] = field(default_factory=dict)
    elsewhere: Elsewhere | None = None
    """Services to use instead of the embedded ones, for this start only; None: all are embedded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """A healthy stack."""

    state: StackState
    was_running: bool


def start_stack(paths: StackPaths, options: StartOptions, report: Report) -> Started:
    """Bring the whole stack up and wait until it is healthy; nothing is left of a start that fails.

    Raises:
        StackError: A part does not start, with its log's last lines.
        Interrupted: Asked to end; everything that was started is stopped.
    """
    prepare_home(paths)
    with stack_lock(paths, deadline_s=LOCK_DEADLINE_S, on_wait=_waiting(report)):
        remove_stale_temporaries(paths.home)
        state = load_state(paths) or StackState()
        if is_whole(paths, state):
            if options.elsewhere not in (None, state.elsewhere):
                raise StackError("The stack is up with other addresses. Stop it first: palmares down")
            return Started(state=state, was_running=True)
        recover(paths, state, report)
        state, moved = choose_ports(state, options.ports)
        state = state.model_copy(update={"elsewhere": options.elsewhere or Elsewhere()})
        if options.agents is not None:
            state = state.model_copy(update={"agents": options.agents})
        state.save(paths)
        for name, (old, new) in moved.items():
            report(f"Port {old} is taken: {name} moves to {new}")
        try:
            state = _start_parts(paths, state, report)
        except BaseException:
            with contextlib.suppress(OSError):  # a closed pipe may be what broke the start
                report("Stopping what was started")
            _stop_parts(paths, load_state(paths) or state)
            raise
        return Started(state=state, was_running=False)


def stop_stack(paths: StackPaths, report: Report) -> bool:
    """Stop everything; False when nothing ran.

    Raises:
        StackError: A process survives even SIGKILL.
    """
    if not paths.state_file.exists():
        return False
    with stack_lock(paths, deadline_s=LOCK_DEADLINE_S, on_wait=_waiting(report)):
        state = load_state(paths)
        if state is None or not stack_processes(paths, state):
            return False
        _stop_parts(paths, state)
        return True


def is_whole(paths: StackPaths, state: StackState) -> bool:
    """Whether a supervisor runs with every part wanted by it running."""
    if supervisor_process(state) is None:
        return False
    client = SupervisorClient(paths, state)
    try:
        parts = client.parts()
    except StackError:
        return False
    return bool(parts) and not any(part.is_stopped for part in parts)


def recover(paths: StackPaths, state: StackState, report: Report) -> None:
    """End what an earlier run left behind, after SIGKILL of its supervisor or of its command."""
    if leftovers := stack_processes(paths, state):
        report(f"Ending {len(leftovers)} processes that an earlier run left behind")
        _stop_parts(paths, state)


def _waiting(report: Report) -> Callable[[str], None]:
    return lambda holder: report(f"Waiting for another palmares command (process {holder})")


def _start_parts(paths: StackPaths, state: StackState, report: Report) -> StackState:
    report("Preparing PostgreSQL")
    server = postgres.find_server(paths)
    postgres.ensure_cluster(paths, state, server)
    postgres.remove_stale_lock(paths)
    settings.write_settings(paths, state)
    programs = stack_programs(paths, state, server)
    state = launch(paths, state, programs)
    client = SupervisorClient(paths, state)

    report("Starting PostgreSQL and the embedded services")
    client.start([POSTGRES, EMBEDDED])
    wait = Wait(paths, state, client, report)
    wait.until([POSTGRES], lambda: "" if postgres.is_ready(state) else "PostgreSQL does not answer yet")
    postgres.ensure_databases(state)
    fingerprint = schema_fingerprint(paths, state)
    if state.migrated != fingerprint:
        report("Migrating the databases")
        _migrate(paths, state)
        state = state.model_copy(update={"migrated": fingerprint})
        state.save(paths)

    report("Starting Airflow")
    client.start(AIRFLOW_PARTS)
    wait.until([EMBEDDED], lambda: health.embedded_health(state).detail)
    health.ensure_queue(state)
    agents = agent_names(state)
    client.start([*agents, SITE])
    wait.until(AIRFLOW_PARTS, lambda: _unhealthy(health.airflow_health(state, timeout_s=SLOW_S)))
    health.ensure_pools(paths, state)
    wait.until(agents, lambda: _unhealthy(health.agents_health(state)))
    wait.until([SITE], lambda: health.site_health(state).detail)
    return state


def _unhealthy(answers: Mapping[str, health.Health]) -> str:
    return "; ".join(f"{name}: {answer.detail}" for name, answer in answers.items() if not answer.healthy)


def _migrate(paths: StackPaths, state: StackState) -> None:
    environment = settings.airflow_environment(paths, state)
    airflow = str(paths.python_bin / "airflow")
    commands = {
        "airflow db migrate": [airflow, "db", "migrate"],
        "Migrating our database": [sys.executable, "-m", "palmares.store.migrate"],
    }
    run_jobs(
        *(
            Job(
                what=what,
                command=command,
                log=paths.logs / f"migrate-{number}.log",
                env=environment,
                cwd=paths.home,
            )
            for number, (what, command) in enumerate(commands.items(), start=1)
        )
    )


def schema_fingerprint(paths: StackPaths, state: StackState) -> str:
    """What the databases' schemas depend on: Airflow's version, our own migrations, and which they are."""
    digest = hashlib.sha256(importlib.metadata.version("apache-airflow-core").encode())
    digest.update((state.elsewhere.store_url or "").encode())
    for file in sorted((paths.root / "include" / "palmares" / "store" / "migrations").rglob("*.py")):
        digest.update(file.name.encode())
        digest.update(file.read_bytes())
    # A cluster that was removed by hand has to be migrated again, whatever we remember.
    digest.update(_identity(paths.postgres_data))
    return digest.hexdigest()


def _identity(folder: Path) -> bytes:
    return str(folder.stat().st_ino).encode()


class Wait:
    """Waits for parts as long as they work, and says what is slow."""

    def __init__(
        self, paths: StackPaths, state: StackState, client: SupervisorClient, report: Report
    ) -> None:
        self._paths = paths
        self._state = state
        self._client = client
        self._report = report

    def until(self, parts: Iterable[str], missing: Callable[[], str]) -> None:
        """Poll until *missing* gives an empty text.

        Raises:
            StackError: A part gave up, or nothing of the stack worked for `STALLED_S`.
        """
        names = set(parts)
        begin = worked_at = time.monotonic()
        next_report = begin + SLOW_S
        work = self._work()
        while text := missing():
            checkpoint()
            now = time.monotonic()
            statuses = [part for part in self._client.parts() if part.name in names]
            for part in statuses:
                if part.state == "FATAL":
                    raise StackError(f"{part.name} ends again and again. Log: {part.log}\n{tail(part.log)}")
            if now >= next_report:
                next_report = now + SLOW_S
                if (done := self._work()) > work + SLOW_S / 100:  # a hundredth of one core
                    work, worked_at = done, now
                self._report(f"Waiting for {now - begin:.0f} s, {load()}. {text}")
            if now - worked_at > STALLED_S:
                raise StackError(
                    f"Nothing of the stack worked for {STALLED_S:.0f} s, {load()}. {text}. {_logs(statuses)}"
                )
            time.sleep(POLL_S)

    def _work(self) -> float:
        """Seconds of processor time that the stack's processes have used."""
        used = 0.0
        for process in stack_processes(self._paths, self._state):
            with contextlib.suppress(psutil.Error):
                times = process.cpu_times()
                used += times.user + times.system
        return used


def load() -> str:
    """How busy the machine is."""
    return f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"


def _logs(parts: Iterable[PartStatus]) -> str:
    return "".join(f"Log: {part.log} ({part.state})\n{tail(part.log)}\n" for part in parts).rstrip()


def _stop_parts(paths: StackPaths, state: StackState) -> None:
    """Stop in the opposite order of starting, then make sure that nothing of the stack is left."""
    supervisor = supervisor_process(state)
    client = SupervisorClient(paths, state)
    if supervisor is not None and client.is_answering():
        first = [*agent_names(state), SITE, *AIRFLOW_PARTS]
        try:
            known = {part.name for part in client.parts()}
            for names in (first, [EMBEDDED], [POSTGRES]):
                client.stop([name for name in names if name in known], deadline_s=45)
            client.shut_down()
            supervisor.wait(timeout=10)
        except (StackError, psutil.TimeoutExpired) as error:
            log.warning("%s: ending its processes one by one", error)
    _sweep(paths, state)
    paths.socket(state.stack_id).unlink(missing_ok=True)
    state.model_copy(update={"supervisor": None}).save(paths)


def _sweep(paths: StackPaths, state: StackState) -> None:
    survivors: list[psutil.Process] = []
    for _ in range(3):  # a process may be making another while we look
        leftovers = stack_processes(paths, state)
        if not leftovers:
            return
        servers = [one for one in leftovers if _is_postgres(one)]
        survivors = kill_all(one for one in leftovers if one not in servers)
        for server in servers:
            _interrupt(server)  # "fast" shutdown; terminate would wait for clients
        survivors += kill_all(wait_for_end(servers, timeout_s=10))
    if survivors := [one for one in survivors if one.is_running()] or stack_processes(paths, state):
        raise StackError(
            f"Processes {[one.pid for one in survivors]} of the stack cannot be ended. "
            f"Look at them: ps -fp {' '.join(str(one.pid) for one in survivors)}"
        )


def _is_postgres(process: psutil.Process) -> bool:
    try:
        return process.name() == "postgres"
    except psutil.Error:
        return False


def _interrupt(process: psutil.Process) -> None:
    try:
        process.send_signal(signal.SIGINT)
    except psutil.Error:
        log.debug("process %d has ended", process.pid)
