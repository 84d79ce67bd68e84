"""What may keep the stack from starting, each with what to do about it."""

from __future__ import annotations

from palmares.leaderboard.errors import StackError

from devstack.supervisor.checks.environments import installs
from devstack.supervisor.checks.finding import Finding
from devstack.supervisor.checks.leftovers import (
    leftover_postgres,
    ports,
    stack_file,
    stale_stack,
    state_folder,
)
from devstack.supervisor.checks.machine import disk, docker, python_version
from devstack.supervisor.paths import StackPaths
from devstack.supervisor.state import PORT_NAMES, PortName, StackState, load_state


def examine(paths: StackPaths, *, chosen_ports: dict[PortName, int | None] | None = None) -> list[Finding]:
    """Run every check.

    Args:
        paths: The stack to look at.
        chosen_ports: Ports that a person sets in this command, instead of the remembered ones.
    """
    findings = [python_version(), *installs(paths), state_folder(paths), disk(paths), stack_file(paths)]
    if findings[-1].level == "ok":
        state = load_state(paths) or StackState()
        findings += [stale_stack(paths, state), leftover_postgres(paths, state)]
        findings += ports(paths, _with_ports(state, chosen_ports or {}))
    return [*findings, docker()]


def refuse_if_broken(paths: StackPaths, *, chosen_ports: dict[PortName, int | None] | None = None) -> None:
    """Raise on the first finding that keeps the stack from starting.

    Raises:
        StackError: With what is wrong and what to do.
    """
    for finding in examine(paths, chosen_ports=chosen_ports):
        if finding.level == "error":
            raise StackError(f"{finding.message} {finding.fix}")


def _with_ports(state: StackState, chosen: dict[PortName, int | None]) -> StackState:
    wanted = {name: port for name in PORT_NAMES if (port := chosen.get(name))}
    return state.model_copy(
        update={"ports": state.ports | wanted, "pinned_ports": (*state.pinned_ports, *wanted)}
    )
