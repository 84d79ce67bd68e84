"""Checks of the state folder: whether it can be written, and what an earlier run left in it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress

import psutil
from palmares.leaderboard.errors import StackError

from devstack.supervisor import postgres
from devstack.supervisor.checks.finding import Finding, broken, fine, warning
from devstack.supervisor.checks.machine import existing_parent
from devstack.supervisor.lifecycle import is_whole
from devstack.supervisor.paths import StackPaths
from devstack.supervisor.ports import is_free, option, who_listens
from devstack.supervisor.processes import stack_processes, supervisor_process
from devstack.supervisor.state import StackState, load_state


def state_folder(paths: StackPaths) -> Finding:
    """Whether files can be made in the state folder, or the folder itself."""
    name = "state-folder"
    folder = existing_parent(paths.home)
    fix = "Make it writable, or point PALMARES_HOME at a folder that is."
    if not folder.is_dir():
        return broken(
            name, f"{folder} is in the way: it is not a folder.", "Move it away, or set PALMARES_HOME."
        )
    probe = folder / f".palmares-{os.getpid()}"
    try:
        # access(2) says yes to root on read-only file systems: try.
        probe.mkdir()
        probe.rmdir()
    except OSError as error:
        return broken(name, f"{folder} cannot be written: {error.strerror}.", fix)
    return fine(name, str(paths.home))


def stack_file(paths: StackPaths) -> Finding:
    """Whether ``stack.json`` can be read."""
    name = "stack-file"
    try:
        state = load_state(paths)
    except (StackError, OSError) as error:
        return broken(name, str(error).partition(". ")[0] + ".", "Restore it, or start afresh: make clean")
    return fine(name, f"stack {state.stack_id}" if state else "no stack was made yet")


def stale_stack(paths: StackPaths, state: StackState) -> Finding:
    """Whether an earlier run ended without stopping its parts, or before it had started all."""
    name = "stale-stack"
    if is_whole(paths, state):
        return fine(name, "the stack is up")
    supervisor = supervisor_process(state)
    processes = [one for one in stack_processes(paths, state) if one != supervisor]
    if supervisor is None and processes:
        return warning(
            name,
            f"The supervisor is dead, and {len(processes)} of its processes live on.",
            "palmares up ends them first; to end them only: palmares down",
        )
    if supervisor is not None:
        return warning(
            name, "The stack runs only in part.", "palmares up starts it afresh; to stop it: palmares down"
        )
    if state.supervisor is not None:
        return warning(
            name,
            f"The stack was not stopped in order: its supervisor (process {state.supervisor.pid}) is gone.",
            "palmares up carries on from it",
        )
    return fine(name, "the stack is down")


def leftover_postgres(paths: StackPaths, state: StackState) -> Finding:
    """Whether a PostgreSQL server of a dead stack runs, or its lock names a process of somebody else."""
    name = "leftover-postgres"
    with suppress(OSError):
        pid = postgres.lock_owner(paths)
        if pid is None:
            return fine(name, "no server")
        server = postgres.server_process(paths, pid)
        if server is None:
            whose = _describe(pid)
            return warning(
                name,
                f"{paths.postgres_data / 'postmaster.pid'}: left by a killed server; process {pid} {whose}.",
                "palmares up removes it",
            )
        if supervisor_process(state) is None:
            return warning(
                name,
                f"A PostgreSQL server of a dead stack is running (process {pid}).",
                "palmares up ends it first; to end it only: palmares down",
            )
        return fine(name, f"the stack's own server (process {pid})")
    return fine(name, "no server")


def _describe(pid: int) -> str:
    try:
        return f"is now {psutil.Process(pid).name()}"
    except psutil.Error:
        return "is gone"


def ports(paths: StackPaths, state: StackState) -> Iterator[Finding]:
    """Whether the ports that the stack will use are free; nothing to say about one that runs."""
    name = "ports"
    if stack_processes(paths, state):
        yield fine(name, "in use by the stack")
        return
    taken = {part: port for part, port in state.ports.items() if not is_free(port)}
    for part, port in taken.items():
        if part in state.pinned_ports:
            yield broken(
                name,
                f"Port {port}, set for {part}, is used by {who_listens(port)}.",
                f"Stop that, or set another: palmares up {option(part)} PORT",
            )
        else:
            yield warning(
                name,
                f"Port {port}, last used for {part}, is taken by {who_listens(port)}.",
                "palmares up takes another by itself",
            )
    if not taken:
        yield fine(name, "free")
