"""The scenarios with everything real: Airflow's components, real agents, the whole evaluation."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import psutil

from tests.faults.full.drive import Drive
from tests.faults.jobs import wait_for
from tests.faults.rest import Service
from tests.faults.scenario import Row, Signal, Step

KILL, TERM = signal.SIGKILL, signal.SIGTERM
IN_PROGRESS = "while ClearML said in_progress and poll_status was deferred"


@dataclass(frozen=True, slots=True, kw_only=True)
class FullScenario(Row):
    """One in a whole stack."""

    act: Callable[[Drive], Drive | None]
    """What is done, from the moment when the run was triggered; returns another run, if that one counts."""
    run: str = "success"
    """The DAG run's final state."""


def _job_dies(times: int, number: signal.Signals, drive: Drive) -> None:
    for count in range(1, times + 1):
        job = drive.job()
        drive.end(job, number, f"the job's process of attempt {count}, {_command(job)}", IN_PROGRESS)


def _node_dies(drive: Drive) -> None:
    """Agent and job at once: the job first, or its agent would tell."""
    job = drive.job()
    name = drive.agent()
    agent = drive.stack.part(name)
    agent.suspend()
    children = agent.children(recursive=True)
    drive.end(agent, KILL, f"{name}, {_command(agent)}", IN_PROGRESS)
    for child in children:
        if child.is_running():
            child.kill()
    wait_for(lambda: not job.is_running() or job.status() == psutil.STATUS_ZOMBIE, "the job ends", 30)
    drive.said.append(f"with it its job's process {job.pid} and what was between them")


def _agent_drained(drive: Drive) -> None:
    drive.job()
    name = drive.agent()
    agent = drive.stack.part(name)
    drive.end(agent, TERM, f"{name}, {_command(agent)}", IN_PROGRESS)


def _agent_dies_alone(drive: Drive) -> None:
    job = drive.job()
    name = drive.agent()
    agent = drive.stack.part(name)
    drive.end(agent, KILL, f"{name}, {_command(agent)}", IN_PROGRESS)
    assert job.is_running(), "the job died with its agent"
    drive.said.append(f"its job's process {job.pid} went on")


def _part_ends(name: str, number: signal.Signals, drive: Drive) -> None:
    drive.job()
    process = drive.stack.part(name)
    drive.end(process, number, f"{name}, {_command(process)}", IN_PROGRESS)


def _task_ends(step: Step, service: Service, endpoint: str, number: signal.Signals, drive: Drive) -> None:
    if step == "fetch_results":
        drive.wait_for_state("poll_status", "success")  # the job reads its upload back, too
    drive.inject(service, {"endpoint": endpoint, "kind": "latency", "seconds": 4})
    drive.wait_until_injected()
    process = drive.task_process(step)
    drive.end(process, number, f"{step}, {_command(process)}", f"while {service} had its {endpoint}")
    told = drive.wait_for_state(step, "success", "up_for_retry", "scheduled", "queued")
    drive.said.append(f"Airflow then called try {told['try_number']} of it {told['state']}")


def _scheduler_ends_during_a_task(number: signal.Signals, drive: Drive) -> None:
    drive.wait_for_state("poll_status", "success")  # the job reads its upload back, too
    drive.inject("clearml_files", {"endpoint": "GET *results*", "kind": "latency", "seconds": 4})
    drive.wait_until_injected()
    process = drive.stack.part("airflow-scheduler")
    drive.end(process, number, f"airflow-scheduler, {_command(process)}", "while fetch_results downloaded")


def _scheduler_ends_in_a_transaction(drive: Drive) -> None:
    """Its idle workers were forked with its connections, which they hold open when it is dead."""
    drive.job()
    process = drive.stack.part("airflow-scheduler")
    drive.stop_in_transaction(process)
    moment = "while it held the run's row locked in PostgreSQL"
    drive.end(process, KILL, f"airflow-scheduler, {_command(process)}", moment)


def _server_crashes(service: Service, endpoint: str, drive: Drive) -> None:
    drive.inject(service, {"endpoint": endpoint, "kind": "crash_after"})
    with drive.server_death(f"after {endpoint} was done and before it was answered"):
        pass


def _marked_failed(drive: Drive) -> None:
    job = drive.job()
    drive.mark_failed("poll_status")
    wait_for(lambda: not job.is_running() or job.status() == psutil.STATUS_ZOMBIE, "the job is ended", 60)
    drive.said.append(f"the job's process {job.pid} was ended")


def _marked_failed_unheard(drive: Drive) -> None:
    job = drive.job()
    triggerer = drive.stack.part("airflow-triggerer")
    triggerer.suspend()
    drive.mark_failed("poll_status")
    drive.end(triggerer, KILL, f"airflow-triggerer, {_command(triggerer)}", "before it heard of that")
    drive.wait_until_over()
    assert job.is_running(), "somebody ended the job"
    drive.said.append(f"the run was over, and the job's process {job.pid} still ran")
    drive.reconcile()
    wait_for(lambda: not job.is_running() or job.status() == psutil.STATUS_ZOMBIE, "the job is ended", 60)


def _cleared(drive: Drive) -> None:
    drive.job()
    drive.clear("poll_status")


def _forced(drive: Drive) -> Drive:
    """Another run asks for a new result; this one's is given up."""
    drive.job()
    key = drive.job_key
    second = drive.another(f"{drive.run_id}-again")
    second.trigger()
    drive.said.append(f"a second run {second.run_id} asked for a new result (force)")
    assert second.job_key != key
    assert second.wait_until_over() == "success"
    evaluation = drive.stack.services.store.get(key)
    assert evaluation is not None
    assert evaluation.state.value == "cancelled", evaluation
    tasks = drive.stack.rest.call("tasks.get_all", tags=[f"key:{key}"])["tasks"]
    assert [task["status"] for task in tasks] == ["stopped"], tasks
    assert drive.wait_until_over() == "failed"
    drive.said.append(f"the first job ended as stopped, its evaluation is {evaluation.state.value}")
    second.said = drive.said
    return second


def _command(process: psutil.Process) -> str:
    words = process.cmdline()
    return " ".join(word.rpartition("/")[2] for word in words[:4]).strip()[:60]


def _jobs_and_agents() -> Iterator[FullScenario]:
    yield FullScenario(
        id="full-job-sigkill",
        step="poll_status",
        what="SIGKILL to the job's process",
        act=partial(_job_dies, 1, KILL),
        endings=("node_lost", "succeeded"),
    )
    yield FullScenario(
        id="full-job-sigkill-twice",
        step="poll_status",
        what="SIGKILL to the job's process, and to the next attempt's",
        act=partial(_job_dies, 2, KILL),
        endings=("node_lost", "node_lost", "succeeded"),
    )
    yield FullScenario(
        id="full-job-sigterm",
        step="poll_status",
        what="SIGTERM to the job's process",
        act=partial(_job_dies, 1, TERM),
        endings=("preempted", "succeeded"),
    )
    yield FullScenario(
        id="full-node-sigkill",
        step="poll_status",
        what="SIGKILL to the agent and to its job's process: the node is gone",
        act=_node_dies,
        endings=("node_lost", "succeeded"),
    )
    yield FullScenario(
        id="full-agent-sigterm",
        step="poll_status",
        what="SIGTERM to the agent while its job runs: the node is drained",
        act=_agent_drained,
        endings=("preempted", "succeeded"),
    )
    yield FullScenario(
        id="full-agent-sigkill",
        step="poll_status",
        what="SIGKILL to the agent; its job goes on and uploads its results",
        act=_agent_dies_alone,
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
            act=partial(_part_ends, part, number),
        )
    yield FullScenario(
        id="full-scheduler-sigkill-in-transaction",
        step="poll_status",
        what="SIGKILL to Airflow's scheduler while it holds the run's row locked; its workers live on",
        act=_scheduler_ends_in_a_transaction,
    )
    yield FullScenario(
        id="full-scheduler-sigkill-in-fetch",
        step="fetch_results",
        what="SIGKILL to Airflow's scheduler, which executes tasks, while one downloads the artifact",
        act=partial(_scheduler_ends_during_a_task, KILL),
    )
    for step, service, endpoint, name in TASK_KILLS:
        yield FullScenario(
            id=f"full-{step.split('_')[0]}-{name.lower()}",
            step=step,
            what=f"{name} to the process of the Airflow task {step} while {service} has its {endpoint}",
            act=partial(_task_ends, step, service, endpoint, signal.Signals[name]),
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
            act=partial(_part_ends, "embedded", number),
        )
    yield FullScenario(
        id="full-server-dies-in-enqueue",
        step="enqueue",
        what="the embedded server ends after tasks.enqueue is done and before it is answered",
        act=partial(_server_crashes, "clearml_api", "tasks.enqueue"),
    )
    yield FullScenario(
        id="full-server-dies-in-commit",
        step="publish",
        what="the embedded server ends after the Hub's commit of the results and before it is answered",
        act=partial(_server_crashes, "hub", COMMIT),
    )


def _people() -> Iterator[FullScenario]:
    yield FullScenario(
        id="full-mark-failed",
        step="poll_status",
        what="a person marks poll_status failed while the job runs",
        act=_marked_failed,
        final="cancelled",
        status="CANCELLED",
        endings=(),  # nobody waits any more, so nobody judges the attempt
        jobs=1,
        run="failed",
    )
    yield FullScenario(
        id="full-mark-failed-unheard",
        step="poll_status",
        what="a person marks poll_status failed while the triggerer hangs, which then gets SIGKILL: "
        "nobody cancels the job, until reconcile_requests runs",
        act=_marked_failed_unheard,
        final="cancelled",
        status="CANCELLED",
        endings=(),
        jobs=1,
        run="failed",
    )
    yield FullScenario(
        id="full-clear",
        step="poll_status",
        what="a person clears poll_status while the job runs",
        act=_cleared,
        or_endings=("cancelled", "succeeded"),
    )
    yield FullScenario(
        id="full-force",
        step="poll_status",
        what="a second run forces a new result while the job runs",
        act=_forced,
    )


FULL: tuple[FullScenario, ...] = (*_jobs_and_agents(), *_airflow(), *_services(), *_people())
