"""One forced evaluation in a running stack: where it is, which processes it has, and what is done to them."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import httpx
import psutil
import psycopg

from devstack.supervisor.health import airflow_client
from tests.faults.full.stack import MODEL_ID, REQUEST_PATH, FullStack
from tests.faults.jobs import wait_for as _wait_for
from tests.faults.observe import Seen
from tests.faults.rest import Service

DAG = "/api/v2/dags/evaluate_submissions"
GROUP = "evaluate_model."
RUN_DEADLINE_S = 400.0
STEP_DEADLINE_S = 180.0
FINISHED = ("success", "failed")


def wait_for(condition: Callable[[], Any], what: str, seconds: float) -> Any:
    """Poll a whole stack, which has better things to do than to answer."""
    return _wait_for(condition, what, seconds, every_s=0.25)


class Drive:
    """A DAG run with one model, followed from outside.

    Args:
        stack: Running.
        client: Airflow's REST API, logged in.
        run_id: Of the run to make.
    """

    def __init__(self, stack: FullStack, client: httpx.Client, run_id: str) -> None:
        self.stack, self.run_id = stack, run_id
        self._client = client
        self.said: list[str] = []
        self._met: set[int] = set()
        self._hub_before = stack.place.heads()
        self._began = time.monotonic()

    def trigger(self) -> None:
        """Start the run: a new result for the model."""
        body = {
            "dag_run_id": self.run_id,
            "logical_date": None,
            "conf": {"models": [MODEL_ID], "force": True},
        }
        self._call("POST", f"{DAG}/dagRuns", json=body)

    def another(self, run_id: str) -> Drive:
        """A second run beside this one."""
        return Drive(self.stack, self._client, run_id)

    @property
    def job_key(self) -> str:
        """Of the model that this run claimed; waits until it has."""
        store = self.stack.services.store

        def claimed() -> str | None:
            found = store.evaluations.find(dag_run_id=self.run_id)
            return found[0].job_key if found else None

        key: str = wait_for(claimed, f"{self.run_id} claims the model", STEP_DEADLINE_S)
        return key

    def instance(self, step: str) -> dict[str, Any] | None:
        """The task instance of a step of the group."""
        answer = self._request("GET", f"{DAG}/dagRuns/{self.run_id}/taskInstances/{GROUP}{step}/0")
        if answer is None or answer.status_code == httpx.codes.NOT_FOUND:
            return None
        found: dict[str, Any] = answer.raise_for_status().json()
        return found

    def wait_for_state(self, step: str, *states: str) -> dict[str, Any]:
        """Wait until a step is in one of *states*."""

        def there() -> dict[str, Any] | None:
            found = self.instance(step)
            return found if found and found["state"] in states else None

        found: dict[str, Any] = wait_for(there, f"{step} is {' or '.join(states)}", STEP_DEADLINE_S)
        return found

    def task(self) -> dict[str, Any] | None:
        """The ClearML task of the key."""
        tasks = self.stack.rest.call("tasks.get_all", tags=[f"key:{self.job_key}"])["tasks"]
        return dict(tasks[0]) if tasks else None

    def job(self) -> psutil.Process:
        """The evaluation's process, once ClearML says in_progress and the waiting is deferred."""

        def running() -> psutil.Process | None:
            task = self.task()
            if task is None or task["status"] != "in_progress":
                return None
            fresh = [one for one in self.stack.job_processes() if one.pid not in self._met]
            return fresh[0] if fresh else None

        process: psutil.Process = wait_for(running, "a job process runs", STEP_DEADLINE_S)
        self.wait_for_state("poll_status", "deferred")
        self._met.add(process.pid)
        return process

    def agent(self) -> str:
        """The part that is the agent of the job: ``agent-0`` for the worker ``palmares:cpu0``."""
        task = self.task()
        assert task is not None
        return f"agent-{task['last_worker'].rpartition('cpu')[2][0]}"

    def task_process(self, step: str) -> psutil.Process:
        """The process in which Airflow executes a step's try."""

        def executing() -> psutil.Process | None:
            found = self.instance(step)
            if found is None or found["state"] != "running":
                return None
            processes = self.stack.processes(f"airflow worker -- {found['id']}")
            return processes[0] if processes else None

        process: psutil.Process = wait_for(executing, f"{step} has a process", STEP_DEADLINE_S)
        return process

    def end(self, process: psutil.Process, number: signal.Signals, who: str, moment: str) -> None:
        """Send a signal and wait until the process is gone."""
        process.send_signal(number)
        self.said.append(f"{_now()} {who} (process {process.pid}) got {number.name} {moment}")
        wait_for(lambda: not _is_running(process), f"{who} ends", 60)

    def stop_in_transaction(self, process: psutil.Process) -> None:
        """Suspend a process of Airflow's at a moment when it has a row of a DAG run locked."""
        query = """
            SELECT 1 FROM pg_stat_activity JOIN pg_locks USING (pid)
            WHERE state = 'idle in transaction' AND client_port = ANY(%s)
              AND relation = 'dag_run'::regclass AND mode = 'RowShareLock'
        """
        with psycopg.connect(self.stack.state.database_url("airflow"), autocommit=True) as connection:

            def caught() -> bool:
                process.suspend()
                ports = [one.laddr.port for one in process.net_connections("tcp")]
                if connection.execute(query, [ports]).fetchone():
                    return True
                process.resume()
                return False

            _wait_for(caught, f"process {process.pid} locks a row", STEP_DEADLINE_S, every_s=0.013)

    def inject(self, service: Service, fault: Mapping[str, Any]) -> None:
        self.stack.rest.inject(service, [fault])

    def wait_until_injected(self) -> None:
        """Until a fault was met."""
        wait_for(self.stack.rest.injected, "the fault is met", STEP_DEADLINE_S)
        self.said += [f"{_now()} {words}" for words in self.stack.rest.injected()]

    @contextmanager
    def server_death(self, moment: str) -> Iterator[None]:
        """Wait until the embedded server of now has died; the supervisor starts another."""
        process = self.stack.part("embedded")
        yield
        wait_for(lambda: not _is_running(process), "the embedded server dies", STEP_DEADLINE_S)
        self.said.append(f"{_now()} embedded server (process {process.pid}) ended itself {moment}")

    def mark_failed(self, step: str) -> None:
        """As a person does in the UI."""
        path = f"{DAG}/dagRuns/{self.run_id}/taskInstances/{GROUP}{step}/0"
        self._call("PATCH", path, json={"new_state": "failed"})
        self.said.append(f"{_now()} a person marked {step} failed")

    def clear(self, step: str) -> None:
        """As a person does in the UI, with what follows."""
        body = {
            "dry_run": False,
            "dag_run_id": self.run_id,
            "task_ids": [[f"{GROUP}{step}", 0]],
            "only_failed": False,
            "include_downstream": True,
        }
        self._call("POST", f"{DAG}/clearTaskInstances", json=body)
        self.said.append(f"{_now()} a person cleared {step} with what follows")

    def wait_until_over(self) -> str:
        """The final state of the run."""

        def over() -> str | None:
            answer = self._request("GET", f"{DAG}/dagRuns/{self.run_id}")
            state = answer.json()["state"] if answer is not None and answer.is_success else None
            return state if state in FINISHED else None

        state: str = wait_for(over, f"run {self.run_id} is over", RUN_DEADLINE_S)
        return state

    def seen(self) -> Seen:
        """For `observe`, after the end."""
        return Seen(
            model_id=MODEL_ID,
            request_path=REQUEST_PATH,
            job_key=self.job_key,
            hub_before=self._hub_before,
            jobs=self._started_jobs(),
            pids=[*self._met, *(process.pid for process in self.stack.job_processes())],
            said=self.said,
            tries=self._tries(),
            seconds=time.monotonic() - self._began,
        )

    def _started_jobs(self) -> int:
        """How often an agent ran the task, by the agents' logs."""
        task = self.task()
        if task is None:
            return 0
        logs = self.stack.paths.logs.glob("agent-*.log*")
        return sum(log.read_text(errors="replace").count(f"Running task '{task['id']}'\n") for log in logs)

    def _tries(self) -> list[str]:
        """The tasks that took more than one try, or failed."""
        answer = self._call("GET", f"{DAG}/dagRuns/{self.run_id}/taskInstances", params={"limit": 100})
        return [
            f"{row['task_id'].removeprefix(GROUP)}: {row['try_number']} tries, {row['state']}"
            for row in answer["task_instances"]
            if row["try_number"] > 1 or row["state"] == "failed"
        ]

    def _request(self, method: str, path: str, **options: Any) -> httpx.Response | None:
        """None while Airflow's API server does not answer."""
        try:
            return self._client.request(method, path, **options)
        except httpx.TransportError:
            return None

    def _call(self, method: str, path: str, **options: Any) -> Any:
        answer = self._client.request(method, path, **options)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text[:500]}"
        return answer.json()


@contextmanager
def airflow(stack: FullStack) -> Iterator[httpx.Client]:
    """Airflow's REST API; the DAG is let run, and the run that this starts is waited for."""
    with airflow_client(stack.state) as client:
        wait_for(lambda: client.get(DAG).is_success, "Airflow has parsed the DAG", 120)
        client.patch(DAG, json={"is_paused": False}).raise_for_status()

        def idle() -> bool:
            runs = client.get(f"{DAG}/dagRuns").raise_for_status().json()["dag_runs"]
            return bool(runs) and all(run["state"] in FINISHED for run in runs)

        wait_for(idle, "the schedule's first run is over", 180)
        yield client


def _is_running(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _now() -> str:
    return datetime.now(UTC).strftime("%H:%M:%S")
