"""Which ports a stack uses: set by a person, remembered, or the usual one, or any free one."""

from __future__ import annotations

import random
import socket
from collections.abc import Mapping

import psutil
from palmares.leaderboard.errors import StackError

from devstack.supervisor.state import PORT_NAMES, PortName, StackState

USUAL_PORTS: dict[PortName, int] = {
    "airflow": 8080,
    "clearml_api": 8008,
    "clearml_files": 8081,
    "clearml_web": 8082,
    "hub": 8083,
    "site": 8084,
    "postgres": 5433,
}
OTHER_PORTS = range(20000, 32000)
"""Below the range that the kernel takes outgoing connections from (32768 and up on Linux)."""


def is_free(port: int) -> bool:
    """Whether a server could listen on this loopback port now."""
    with socket.socket() as probe:
        # As servers do: a port whose last connections are in TIME_WAIT is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def who_listens(port: int) -> str:
    """Name and id of the process that holds *port*, as far as this user may see."""
    try:
        for connection in psutil.net_connections(kind="tcp"):
            if connection.laddr and connection.laddr.port == port and connection.status == psutil.CONN_LISTEN:
                if connection.pid is None:
                    break
                return f"{psutil.Process(connection.pid).name()} (process {connection.pid})"
    except psutil.Error:
        pass
    return "another user's process"


def choose_ports(
    state: StackState, wanted: Mapping[PortName, int | None]
) -> tuple[StackState, dict[PortName, tuple[int, int]]]:
    """Settle every port of a stack that does not run.

    Args:
        state: The stack as remembered.
        wanted: Ports that a person sets now; None or absent: no wish.

    Returns:
        The stack with all ports, and the remembered ones that had to move, as (old, new).

    Raises:
        StackError: A port that a person set is taken, or set twice.
    """
    pinned = {name: port for name in PORT_NAMES if (port := wanted.get(name))}
    pinned = {name: state.ports[name] for name in state.pinned_ports if name in state.ports} | pinned
    if len(set(pinned.values())) < len(pinned):
        raise StackError(f"One port is set twice: {pinned}. Give each part a port of its own.")
    for name, port in pinned.items():
        if not is_free(port):
            raise StackError(
                f"Port {port}, set for {name}, is used by {who_listens(port)}. "
                f"Stop that, or set another: palmares up {option(name)} PORT"
            )
    ports: dict[PortName, int] = dict(pinned)
    moved: dict[PortName, tuple[int, int]] = {}
    for name in PORT_NAMES:
        if name in ports:
            continue
        remembered = state.ports.get(name)
        ports[name] = _first_free(remembered or USUAL_PORTS[name], taken=set(ports.values()))
        if remembered and remembered != ports[name]:
            moved[name] = (remembered, ports[name])
    return state.model_copy(update={"ports": ports, "pinned_ports": tuple(pinned)}), moved


def option(name: PortName) -> str:
    """The command-line option that sets a port."""
    return f"--port-{name.replace('_', '-')}"


def _first_free(preferred: int, *, taken: set[int]) -> int:
    # Random, so that two stacks that start at the same time do not race for the same next number.
    candidates = [preferred, *random.sample(OTHER_PORTS, 200)]
    for port in candidates:
        if port not in taken and is_free(port):
            return port
    raise StackError(f"No free port among {len(candidates)} tried on 127.0.0.1. Close some programs.")
