"""What is done to a whole stack at some moment: who is killed, and what a person does."""

from __future__ import annotations

import signal

import psutil

from tests.faults.full.drive import Drive
from tests.faults.jobs import wait_for
from tests.faults.rest import Service
from tests.faults.scenario import Step

KILL, TERM = signal.SIGKILL, signal.SIGTERM
IN_PROGRESS = "while ClearML said in_progress and poll_status was deferred"


def job_dies(times: int, number: signal.Signals, drive: Drive) -> None:
    for count in range(1, times + 1):
        job = drive.job()
        drive.end(job, number, f"the job's process of attempt {count}, {_command(job)}", IN_PROGRESS)


def node_dies(drive: Drive) -> None:
    """Agent and job at once; the agent is halted first, or it would tell how the job ended."""
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


def agent_drained(drive: Drive) -> None:
    drive.job()
    name = drive.agent()
    agent = drive.stack.part(name)
    drive.end(agent, TERM, f"{name}, {_command(agent)}", IN_PROGRESS)


def agent_dies_alone(drive: Drive) -> None:
    job = drive.job()
    name = drive.agent()
    agent = drive.stack.part(name)
    drive.end(agent, KILL, f"{name}, {_command(agent)}", IN_PROGRESS)
    assert job.is_running(), "the job died with its agent"
    drive.said.append(f"its job's process {job.pid} went on")


def part_ends(name: str, number: signal.Signals, drive: Drive) -> None:
    drive.job()
    process = drive.stack.part(name)
    drive.end(process, number, f"{name}, {_command(process)}", IN_PROGRESS)


def task_ends(step: Step, service: Service, endpoint: str, number: signal.Signals, drive: Drive) -> None:
    if step == "fetch_results":
        drive.wait_for_state("poll_status", "success")  # the job reads its upload back, too
    drive.inject(service, {"endpoint": endpoint, "kind": "latency", "seconds": 4})
    drive.wait_until_injected()
    process = drive.task_process(step)
    drive.end(process, number, f"{step}, {_command(process)}", f"while {service} had its {endpoint}")
    told = drive.wait_for_state(step, "success", "up_for_retry", "scheduled", "queued")
    drive.said.append(f"Airflow then called try {told['try_number']} of it {told['state']}")


def scheduler_ends_during_a_task(number: signal.Signals, drive: Drive) -> None:
    drive.wait_for_state("poll_status", "success")  # the job reads its upload back, too
    drive.inject("clearml_files", {"endpoint": "GET *results*", "kind": "latency", "seconds": 4})
    drive.wait_until_injected()
    process = drive.stack.part("airflow-scheduler")
    drive.end(process, number, f"airflow-scheduler, {_command(process)}", "while fetch_results downloaded")


def scheduler_ends_in_a_transaction(drive: Drive) -> None:
    """Its idle workers were forked with its connections, which they hold open when it is dead."""
    drive.job()
    process = drive.stack.part("airflow-scheduler")
    drive.stop_in_transaction(process)
    moment = "while it held the run's row locked in PostgreSQL"
    drive.end(process, KILL, f"airflow-scheduler, {_command(process)}", moment)


def server_crashes(service: Service, endpoint: str, drive: Drive) -> None:
    drive.inject(service, {"endpoint": endpoint, "kind": "crash_after"})
    with drive.server_death(f"after {endpoint} was done and before it was answered"):
        pass


def marked_failed(drive: Drive) -> None:
    job = drive.job()
    drive.mark_failed("poll_status")
    wait_for(lambda: not job.is_running() or job.status() == psutil.STATUS_ZOMBIE, "the job is ended", 60)
    drive.said.append(f"the job's process {job.pid} was ended")


def cleared(drive: Drive) -> None:
    drive.job()
    drive.clear("poll_status")


def forced(drive: Drive) -> Drive:
    """Another run asks for a new result; this one's is given up."""
    drive.job()
    key = drive.job_key
    second = drive.another(f"{drive.run_id}-again")
    second.trigger()
    drive.said.append(f"a second run {second.run_id} asked for a new result (force)")
    assert second.job_key != key
    assert second.wait_until_over() == "success"
    evaluation = drive.stack.services.store.evaluations.get(key)
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
