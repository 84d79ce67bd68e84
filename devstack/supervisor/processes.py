"""Which processes belong to a stack, and ending every one of them."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

import psutil

from devstack.supervisor.paths import StackPaths
from devstack.supervisor.state import StackState, Supervisor

STACK_VARIABLE = "PALMARES_STACK_ID"
"""In the environment of every process of a stack, the jobs that an agent runs included."""


@dataclass(frozen=True, slots=True)
class Memory:
    """Memory of one process, its shared pages divided among their users."""

    pid: int
    command: str
    pss_bytes: int


def supervisor_process(state: StackState) -> psutil.Process | None:
    """The stack's living supervisor, or None; never another process that got its number."""
    if state.supervisor is None:
        return None
    try:
        process = psutil.Process(state.supervisor.pid)
        is_alive = process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return None
    return process if is_alive and _is_same(process, state.supervisor) else None


def _is_same(process: psutil.Process, supervisor: Supervisor) -> bool:
    return abs(process.create_time() - supervisor.create_time) < 1


def stack_processes(paths: StackPaths, state: StackState) -> list[psutil.Process]:
    """Every living process of the stack, its supervisor included.

    A process belongs when its environment carries the stack's id; or, for those that rewrote their
    environment (setproctitle writes a long title over it), when it is in the supervisor's session and works
    in the state folder; or when it is a PostgreSQL server on the stack's data.
    """
    marker = f"{STACK_VARIABLE}={state.stack_id}".encode()
    session = _session_of(state.supervisor)
    found = []
    for process in psutil.process_iter():
        if process.pid == os.getpid():
            continue
        with contextlib.suppress(psutil.Error, OSError):
            if process.status() == psutil.STATUS_ZOMBIE:
                continue
            if (
                _carries(process, marker)
                or (
                    session is not None
                    and os.getsid(process.pid) == session
                    and _works_in(process, paths.home)
                )
                or (process.name() == "postgres" and _works_in(process, paths.postgres_data))
            ):
                found.append(process)
    return found


def _session_of(supervisor: Supervisor | None) -> int | None:
    # A session's number is not given away while it has members; its leader may be dead, or a zombie of ours.
    if supervisor is None:
        return None
    try:
        is_reused = not _is_same(psutil.Process(supervisor.pid), supervisor)
    except psutil.NoSuchProcess:
        is_reused = False
    return None if is_reused else supervisor.pid


def _carries(process: psutil.Process, marker: bytes) -> bool:
    # Not psutil's environ(): it stops at the first entry that has no "=".
    try:
        entries = Path(f"/proc/{process.pid}/environ").read_bytes().split(b"\0")
    except FileNotFoundError:  # no such process, or no /proc on this system
        key, _, value = marker.decode().partition("=")
        return process.environ().get(key) == value
    except PermissionError:
        return False
    return marker in entries


def _works_in(process: psutil.Process, folder: Path) -> bool:
    return Path(process.cwd()).is_relative_to(folder.resolve())


def kill_all(processes: Iterable[psutil.Process], *, grace_s: float = 3.0) -> list[psutil.Process]:
    """Terminate, then kill; return those that survive even that."""
    remaining = list(processes)
    for process in remaining:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.terminate()
    remaining = wait_for_end(remaining, timeout_s=grace_s)
    for process in remaining:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    return wait_for_end(remaining, timeout_s=5)


def wait_for_end(processes: Collection[psutil.Process], *, timeout_s: float) -> list[psutil.Process]:
    """Wait until processes have ended, and return the others; a zombie, whose parent is slow, has ended."""
    deadline = time.monotonic() + timeout_s
    while remaining := [one for one in processes if _is_running(one)]:
        if time.monotonic() > deadline:
            break
        time.sleep(0.02)
    return remaining


def _is_running(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def memory_of(processes: Iterable[psutil.Process]) -> list[Memory]:
    """Proportional set size of each process, largest first."""
    measured = []
    for process in processes:
        with contextlib.suppress(psutil.Error, AttributeError):
            full = process.memory_full_info()
            command = " ".join(process.cmdline())[:120].strip() or process.name()
            measured.append(Memory(pid=process.pid, command=command, pss_bytes=full.pss))
    return sorted(measured, key=lambda one: -one.pss_bytes)
