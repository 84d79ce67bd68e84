"""Airflow's part, played without its scheduler: the real DAG's tasks are run, deferred, resumed and retried.

What is Airflow's own is imitated as far as the tasks notice it: arguments are rendered from XComs, a task
that raises is run again up to its ``retries`` (at once, not after ``retry_delay``), AirflowFailException and
AirflowSkipException are final, a deferred task's trigger is made from its serialized form, callbacks follow.
A task may run in a forked process of its own, as Airflow runs all of them, so that it can be killed.
"""

from __future__ import annotations

import copy
import json
import os
import pickle
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal

ROOT = Path(__file__).parents[2]
GROUP = "evaluate_model."
STEPS = ("plan_resources", "enqueue", "poll_status", "fetch_results", "post_process", "publish")

HURRY = {"poll_interval": 0.2, "stop_grace_s": 1.0, "queue_check_s": 0.3}
"""Set on operators and triggers, where the DAG waits for longer."""

State = Literal["success", "failed", "skipped", "upstream_failed"]


class TaskProcessKilledError(Exception):
    """The task's process died of a signal."""


class HarnessError(BaseException):
    """The scenario itself does not come to its end: never taken for a task's failure."""


class MarkedFailedError(Exception):
    """A person marked the task failed: no retry, no callback."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deferral:
    """What the triggerer gets, and which method resumes the task."""

    trigger: str
    kwargs: dict[str, Any]
    method: str


@cache
def sweep_dag() -> Any:
    """The DAG as a DAG processor loads it."""
    path = ROOT / "dags" / "evaluate_submissions.py"
    spec = spec_from_file_location("faults_evaluate_submissions", path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module.evaluate_submissions()


@dataclass(slots=True)
class Run:
    """One DAG run with one model: its XComs, and how its tasks went."""

    run_id: str
    params: dict[str, Any]
    xcoms: dict[str, dict[str, Any]] = field(default_factory=dict)
    states: dict[str, State] = field(default_factory=dict)
    tries: dict[str, int] = field(default_factory=dict)
    errors: dict[str, list[str]] = field(default_factory=dict)
    """What each unsuccessful try of a task raised."""

    def admit(self) -> dict[str, Any]:
        """Run the tasks before the group; returns the only submission that was claimed."""
        self.run_task("list_requests")
        self.run_task("admit_submissions")
        claimed = self.xcoms["admit_submissions"]["return_value"]
        assert len(claimed) == 1, f"claimed {len(claimed)} submissions: {self.errors}"
        submission: dict[str, Any] = claimed[0]
        return submission

    def summarize(self) -> None:
        self.run_task("summarize")

    def run_task(self, task_id: str, process: Callable[[Attempt], Any] | None = None) -> State:
        """Run a task with its retries.

        Args:
            task_id: With its group.
            process: Carries out one try; by default `Attempt.run`, in this process.

        Returns:
            Its final state, which `states` keeps as well.
        """
        from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

        task = sweep_dag().get_task(task_id)
        state: State = "failed"
        error: BaseException | None = None
        for number in range(1, task.retries + 2):
            self.tries[task_id] = number
            self.xcoms[task_id] = {}
            attempt = Attempt(self, task_id, number)
            try:
                result = (process or Attempt.run)(attempt)
            except MarkedFailedError:
                self.states[task_id] = "failed"
                return "failed"
            except AirflowSkipException as raised:
                state, error = "skipped", raised
                break
            except AirflowFailException as raised:
                self._note(task_id, raised)
                error = raised
                break
            except Exception as raised:  # noqa: BLE001 - whatever a task raises is a try lost
                self._note(task_id, raised)
                error = raised
            else:
                state, error = "success", None
                self._push(task, task_id, result)
                break
        self.states[task_id] = state
        callbacks = {"success": task.on_success_callback, "failed": task.on_failure_callback}.get(state)
        for callback in callbacks or []:
            callback(attempt.context(error))
        return state

    def _note(self, task_id: str, error: BaseException) -> None:
        self.errors.setdefault(task_id, []).append(f"{type(error).__name__}: {error}")

    def _push(self, task: Any, task_id: str, result: Any) -> None:
        if result is None:
            return
        plain = json.loads(json.dumps(result))  # XCom carries JSON only
        self.xcoms[task_id]["return_value"] = plain
        if getattr(task, "multiple_outputs", False):
            self.xcoms[task_id] |= plain


class TaskInstance:
    """The part of Airflow's task instance that tasks and callbacks use."""

    map_index = 0

    def __init__(self, run: Run, task_id: str, try_number: int) -> None:
        self.task_id, self.try_number, self._run = task_id, try_number, run
        self.run_id = run.run_id

    def xcom_pull(self, task_ids: str | None = None, *, key: str = "return_value", **_: Any) -> Any:
        return self._run.xcoms.get(task_ids or self.task_id, {}).get(key)

    def xcom_push(self, key: str, value: Any) -> None:
        self._run.xcoms[self.task_id][key] = json.loads(json.dumps(value))


@dataclass(slots=True)
class Attempt:
    """One try of a task."""

    run_: Run
    task_id: str
    number: int

    def context(self, error: BaseException | None = None) -> dict[str, Any]:
        run = SimpleNamespace(
            dag_id="evaluate_submissions", run_id=self.run_.run_id, run_type="manual", conf={}
        )
        ti = TaskInstance(self.run_, self.task_id, self.number)
        return {
            "ti": ti,
            "task_instance": ti,
            "dag_run": run,
            "run_id": run.run_id,
            "params": self.run_.params,
            "exception": error,
            "try_number": self.number,
        }

    def run(self) -> Any:
        """Execute in this process; a deferral is returned as `Deferral`."""
        return self._executed(lambda task, context: task.execute(context))

    def resume(self, deferral: Deferral, event: dict[str, Any]) -> Any:
        """Go on where the task deferred."""
        return self._executed(lambda task, context: getattr(task, deferral.method)(context, event))

    def _executed(self, work: Callable[[Any, Any], Any]) -> Any:
        from airflow.sdk.exceptions import TaskDeferred
        from airflow.sdk.execution_time.context import set_current_context

        context: Any = self.context()
        task = copy.copy(sweep_dag().get_task(self.task_id))
        with set_current_context(context):
            if function := getattr(task, "python_callable", None):
                return function(*[self._rendered(argument) for argument in task.op_args])
            for name in task.template_fields:
                setattr(task, name, self._rendered(getattr(task, name)))
            for name, seconds in HURRY.items():
                if name in vars(task):
                    setattr(task, name, seconds)
            try:
                return work(task, context)
            except TaskDeferred as deferred:
                path, kwargs = deferred.trigger.serialize()
                kwargs |= {name: seconds for name, seconds in HURRY.items() if name in kwargs}
                return Deferral(trigger=path, kwargs=kwargs, method=deferred.method_name)

    def _rendered(self, value: Any) -> Any:
        from airflow.sdk.definitions.xcom_arg import PlainXComArg

        if isinstance(value, PlainXComArg):
            return self.run_.xcoms[value.operator.task_id].get(value.key)
        if type(value).__name__ == "MappedArgument":
            return self.run_.xcoms["admit_submissions"]["return_value"][0]
        return value


def in_own_process(work: Callable[[], Any], *, watch: Callable[[int], None]) -> Any:
    """Do *work* in a forked process, as Airflow's executor does with a task.

    Args:
        work: Its result and its exception come back by pickle.
        watch: Called in this process with the child's id; may kill it.

    Raises:
        TaskProcessKilledError: The process died of a signal.
    """
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.close(reader)
            try:
                said = pickle.dumps((True, work()))
            except BaseException as error:  # noqa: BLE001 - carried to the parent
                said = pickle.dumps((False, RuntimeError(f"{type(error).__name__}: {error}")))
            with os.fdopen(writer, "wb") as pipe:
                pipe.write(said)
        finally:
            os._exit(0)
    os.close(writer)
    try:
        watch(pid)
    finally:
        with os.fdopen(reader, "rb") as pipe:
            answer = pipe.read()
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if not answer:
        raise TaskProcessKilledError(f"task process {pid} ended with {status}")
    succeeded, value = pickle.loads(answer)
    if succeeded:
        return value
    raise value
