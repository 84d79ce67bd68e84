"""What there is to say about a stack now: parts, health, addresses, memory."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from devstack.supervisor import health, settings
from devstack.supervisor.lifecycle import is_whole
from devstack.supervisor.paths import StackPaths
from devstack.supervisor.processes import memory_of, stack_processes, supervisor_process
from devstack.supervisor.state import StackState
from devstack.supervisor.supervision import SupervisorClient


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One part, as told to a person or a program."""

    name: str
    state: str
    """Supervisor's word, in small letters."""
    healthy: bool
    detail: str
    pid: int | None
    log: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """A stack now."""

    running: bool
    """Every part runs."""
    healthy: bool
    """Every part runs and works."""
    home: str
    parts: tuple[Part, ...] = ()
    addresses: dict[str, str]
    login: dict[str, str]
    leftovers: int = 0
    """Processes of the stack without a supervisor: `palmares down` ends them."""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def look(paths: StackPaths, state: StackState) -> Overview:
    """Ask the supervisor and every part."""
    addresses = {
        "site": state.url("site"),
        "airflow": state.url("airflow"),
        "clearml": state.url("clearml_web"),
        "clearml_api": state.url("clearml_api"),
        "hub": state.url("hub"),
    }
    login = {"user": settings.ADMIN_USER, "password": state.keys.airflow_admin_password}
    if supervisor_process(state) is None:
        return Overview(
            running=False,
            healthy=False,
            home=str(paths.home),
            addresses=addresses,
            login=login,
            leftovers=len(stack_processes(paths, state)),
        )
    answers = health.check_parts(state)
    parts = []
    for status in SupervisorClient(paths, state).parts():
        runs = status.state == "RUNNING"
        answer = answers.get(status.name, health.HEALTHY) if runs else health.Health(False, "does not run")
        parts.append(
            Part(
                name=status.name,
                state=status.state.lower(),
                healthy=answer.healthy,
                detail=answer.detail,
                pid=status.pid or None,
                log=str(status.log),
            )
        )
    return Overview(
        running=is_whole(paths, state),
        healthy=all(part.healthy for part in parts),
        home=str(paths.home),
        parts=tuple(parts),
        addresses=addresses,
        login=login,
    )


def memory(paths: StackPaths, state: StackState) -> dict[str, Any]:
    """Proportional set sizes in bytes, of all processes and each."""
    processes = memory_of(stack_processes(paths, state))
    return {
        "pss_bytes": sum(one.pss_bytes for one in processes),
        "processes": [asdict(one) for one in processes],
    }
