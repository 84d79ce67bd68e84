"""The parts that the supervisor runs, and how each is to be stopped."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from devstack.supervisor import postgres, settings
from devstack.supervisor.paths import StackPaths
from devstack.supervisor.state import StackState


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """One part of the stack."""

    name: str
    command: tuple[str, ...]
    environment: dict[str, str]
    directory: Path
    log: Path
    stop_signal: str = "TERM"
    stop_wait_s: int = 10
    """How long it may take to stop by itself before its group is killed."""


AIRFLOW_PARTS = ("airflow-api-server", "airflow-scheduler", "airflow-dag-processor", "airflow-triggerer")
POSTGRES, EMBEDDED, SITE = "postgres", "embedded", "site"


def agent_names(state: StackState) -> list[str]:
    return [f"agent-{number}" for number in range(state.agents)]


def stack_programs(paths: StackPaths, state: StackState, server: postgres.Server) -> list[Program]:
    """Every part, in the order of starting; they stop in the opposite order."""

    def program(name: str, *command: str, **options: object) -> Program:
        defaults: dict[str, object] = {"directory": paths.home, "log": paths.logs / f"{name}.log"}
        return Program(name=name, command=command, **(defaults | options))  # type: ignore[arg-type]

    airflow = str(paths.python_bin / "airflow")
    airflow_environment = settings.airflow_environment(paths, state)
    services = ("clearml_api", "clearml_files", "clearml_web", "hub")
    return [
        program(
            POSTGRES,
            *postgres.serve_command(paths, state, server),
            environment=postgres.environment(state),
            directory=Path("/"),  # it goes to its data by itself, as the user who may
            stop_signal="INT",  # "fast": disconnects clients; TERM would wait for them
            stop_wait_s=30,
        ),
        program(
            EMBEDDED,
            *(sys.executable, "-m", "devstack.servers.serve", "--state-dir", str(paths.embedded)),
            *(
                part
                for name in services
                for part in (f"--{name.replace('_', '-')}-port", str(state.ports[name]))  # type: ignore[index]
            ),
            environment=settings.services_environment(paths, state),
        ),
        program(
            SITE,
            *(sys.executable, "-m", "palmares.site.serve"),
            *("--hub", state.url("hub"), "--port", str(state.ports["site"])),
            environment=settings.site_environment(paths, state),
        ),
        *(
            program(
                name,
                *(airflow, name.removeprefix("airflow-"), *extra),
                environment=airflow_environment,
                # The triggerer takes 2 to 13 s to end by itself; its triggers resume either way.
                stop_wait_s=4 if name == "airflow-triggerer" else 10,
            )
            for name, extra in {
                "airflow-api-server": (),
                # No setting binds their log servers to loopback; the API server reads the files itself.
                "airflow-scheduler": ("--skip-serve-logs",),
                "airflow-dag-processor": (),
                "airflow-triggerer": ("--skip-serve-logs",),
            }.items()
        ),
        *(
            program(
                name,
                *(str(paths.evaluator_bin / "clearml-agent"), "daemon", "--foreground", "--cpu-only"),
                *("--queue", settings.AGENT_QUEUE),
                environment=settings.agent_environment(paths, state, number),
                directory=paths.agent(number),
            )
            for number, name in enumerate(agent_names(state))
        ),
    ]
