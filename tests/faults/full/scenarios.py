"""The scenarios with everything real: Airflow's components, real agents, the whole evaluation."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from tests.faults.full.acts import (
    KILL,
    TERM,
    agent_dies_alone,
    agent_drained,
    cleared,
    forced,
    job_dies,
    marked_failed,
    node_dies,
    part_ends,
    scheduler_ends_during_a_task,
    scheduler_ends_in_a_transaction,
    server_crashes,
    task_ends,
)
from tests.faults.full.drive import Drive
from tests.faults.rest import Service
from tests.faults.scenario import Row, Signal, Step


@dataclass(frozen=True, slots=True, kw_only=True)
class FullScenario(Row):
    """One in a whole stack."""

    act: Callable[[Drive], Drive | None]
    """What is done, from the moment when the run was triggered; returns another run, if that one counts."""
    run: str = "success"
    """The DAG run's final state."""


def _jobs_and_agents() -> Iterator[FullScenario]:
    yield FullScenario(
        id="full-job-sigkill",
        step="poll_status",
        what="SIGKILL to the job's process",
        act=partial(job_dies, 1, KILL),
        endings=("node_lost", "succeeded"),
    )
    yield FullScenario(
        id="full-job-sigkill-twice",
        step="poll_status",
        what="SIGKILL to the job's process, and to the next attempt's",
        act=partial(job_dies, 2, KILL),
        endings=("node_lost", "node_lost", "succeeded"),
    )
    yield FullScenario(
        id="full-job-sigterm",
        step="poll_status",
        what="SIGTERM to the job's process",
        act=partial(job_dies, 1, TERM),
        endings=("preempted", "succeeded"),
    )
    yield FullScenario(
        id="full-node-sigkill",
        step="poll_status",
        what="SIGKILL to the agent and to its job's process: the node is gone",
        act=node_dies,
        endings=("node_lost", "succeeded"),
    )
    yield FullScenario(
        id="full-agent-sigterm",
        step="poll_status",
        what="SIGTERM to the agent while its job runs: the node is drained",
        act=agent_drained,
        endings=("preempted", "succeeded"),
    )
    yield FullScenario(
        id="full-agent-sigkill",
        step="poll_status",
        what="SIGKILL to the agent; its job goes on and uploads its results",
        act=agent_dies_alone,
    )


def _airflow() -> Iterator[FullScenario]:
    for part, number in (
        ("airflow-triggerer", KILL),
        ("airflow-triggerer", TERM),
        ("airflow-scheduler", KILL),
        ("airflow-scheduler", TERM),
        ("airflow-api-server", KILL),
    ):
        yield FullScenario(
            id=f"full-{part.removeprefix('airflow-')}-{number.name.lower()}",
            step="poll_status",
            what=f"{number.name} to Airflow's {part.removeprefix('airflow-')} while the job runs",
            act=partial(part_ends, part, number),
        )
    yield FullScenario(
        id="full-scheduler-sigkill-in-transaction",
        step="poll_status",
        what="SIGKILL to Airflow's scheduler while it holds the run's row locked; its workers live on",
        act=scheduler_ends_in_a_transaction,
    )
    yield FullScenario(
        id="full-scheduler-sigkill-in-fetch",
        step="fetch_results",
        what="SIGKILL to Airflow's scheduler, which executes tasks, while one downloads the artifact",
        act=partial(scheduler_ends_during_a_task, KILL),
    )
    for step, service, endpoint, name in TASK_KILLS:
        yield FullScenario(
            id=f"full-{step.split('_')[0]}-{name.lower()}",
            step=step,
            what=f"{name} to the process of the Airflow task {step} while {service} has its {endpoint}",
            act=partial(task_ends, step, service, endpoint, signal.Signals[name]),
        )


COMMIT = "POST /api/datasets/*/results/commit/*"
TASK_KILLS: tuple[tuple[Step, Service, str, Signal], ...] = (
    ("enqueue", "clearml_api", "tasks.create", "SIGKILL"),
    ("fetch_results", "clearml_files", "GET *results*", "SIGKILL"),
    ("publish", "hub", COMMIT, "SIGKILL"),
    ("publish", "hub", COMMIT, "SIGTERM"),
)


def _services() -> Iterator[FullScenario]:
    for number in (KILL, TERM):
        yield FullScenario(
            id=f"full-server-{number.name.lower()}",
            step="poll_status",
            what=f"{number.name} to the embedded server (ClearML and Hub) while a trigger polls it",
            act=partial(part_ends, "embedded", number),
        )
    yield FullScenario(
        id="full-server-dies-in-enqueue",
        step="enqueue",
        what="the embedded server ends after tasks.enqueue is done and before it is answered",
        act=partial(server_crashes, "clearml_api", "tasks.enqueue"),
    )
    yield FullScenario(
        id="full-server-dies-in-commit",
        step="publish",
        what="the embedded server ends after the Hub's commit of the results and before it is answered",
        act=partial(server_crashes, "hub", COMMIT),
    )


def _people() -> Iterator[FullScenario]:
    yield FullScenario(
        id="full-mark-failed",
        step="poll_status",
        what="a person marks poll_status failed while the job runs",
        act=marked_failed,
        final="cancelled",
        status="CANCELLED",
        endings=(),  # nobody waits any more, so nobody judges the attempt
        jobs=1,
        run="failed",
    )
    yield FullScenario(
        id="full-clear",
        step="poll_status",
        what="a person clears poll_status while the job runs",
        act=cleared,
        or_endings=("cancelled", "succeeded"),
    )
    yield FullScenario(
        id="full-force",
        step="poll_status",
        what="a second run forces a new result while the job runs",
        act=forced,
    )


FULL: tuple[FullScenario, ...] = (*_jobs_and_agents(), *_airflow(), *_services(), *_people())
