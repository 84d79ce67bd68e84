"""Wait for a ClearML task without holding a worker, and make its next attempt on Airflow's retry."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NoReturn, cast
from uuid import uuid4

from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from clearml_provider.endings import (
    CAUSE_DEADLINE,
    CAUSE_KILLED,
    CAUSE_NODE_LOST,
    Classifier,
    Ending,
    NextAttempt,
    classify_by_status,
    ended_task,
    load_function,
    same_again,
    stop_cause,
    was_reported,
)
from clearml_provider.exceptions import ClearMLConfigError, ClearMLTaskFailedError
from clearml_provider.hook import ClearMLHook
from clearml_provider.operators.base import ClearMLOperator

if TYPE_CHECKING:
    from airflow.sdk import Context, XComArg

    from clearml_provider.models import TaskInfo


class ClearMLWaitOperator(ClearMLOperator):
    """Wait for a ClearML task in the triggerer, say what its ending means, and retry with a next attempt.

    Policy comes from the caller. *classify* turns an ending into succeeded, retry, fail, skip or cancelled.
    A *retry* raises `ClearMLTaskFailedError`; Airflow's next try asks *next_attempt* what to change, writes
    it and the attempt's number to the same ClearML task, enqueues that again, and waits on. So a task needs
    as many Airflow ``retries`` as attempts may fail. An ending is never charged twice: what Airflow was told
    is kept on the ClearML task.

    Returns ``{"task_id", "attempt", "status", "failure_class", "reason"}`` of the attempt that succeeded.

    Args:
        clearml_task_id: Usually the output of `ClearMLEnqueueOperator`.
        poll_interval: Seconds between polls.
        deadline_s: Seconds that an attempt may take, counted from when it was enqueued; then it is
            cancelled. None: no limit.
        lost_after_s: Seconds without a sign of life after which a running job is cancelled as lost. Sound
            from 180 on (agents report each 30 to 60 s); larger where long silent uploads exist. None: never.
        stop_grace_s: Seconds that an agent has to stop its job before the task is stopped by force.
        classify: Function or dotted path, `EndedTask` → `Ending`; the default goes by status.
        next_attempt: Function or dotted path, (`EndedTask`, `Ending`) → `AttemptEdit`, or None to give
            up; the default changes nothing.
        classify_log_lines: How many of the console's last lines *classify* gets to see after a failure.
        log_tail: How many of them are copied to Airflow's log after a failure. 0 by default: consoles may
            quote data that must not leave.
        clearml_conn_id: The connection.
    """

    template_fields: Sequence[str] = ("clearml_task_id", "deadline_s", "lost_after_s", "clearml_conn_id")
    ui_color = "#dceefb"

    def __init__(
        self,
        *,
        clearml_task_id: str | XComArg,
        poll_interval: float = 5.0,
        deadline_s: float | str | XComArg | None = None,
        lost_after_s: float | str | XComArg | None = 300.0,
        stop_grace_s: float = 30.0,
        classify: Classifier | str = classify_by_status,
        next_attempt: NextAttempt | str = same_again,
        classify_log_lines: int = 200,
        log_tail: int = 0,
        clearml_conn_id: str = ClearMLHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.clearml_task_id = cast("str", clearml_task_id)
        self.poll_interval = poll_interval
        self.deadline_s = cast("float | str | None", deadline_s)
        self.lost_after_s = cast("float | str | None", lost_after_s)
        self.stop_grace_s = stop_grace_s
        self.classify = classify
        self.next_attempt = next_attempt
        self.classify_log_lines = classify_log_lines
        self.log_tail = log_tail
        self.clearml_conn_id = clearml_conn_id

    def execute(self, context: Context) -> dict[str, Any]:
        """Start the next attempt if this one's ending is old news; then wait, or judge what has ended."""
        task = self._read()
        if task.status.is_terminal and not was_reported(task) and stop_cause(task) != CAUSE_KILLED:
            return self._judge(task)
        return self._go_on(task)

    def execute_complete(self, context: Context, event: dict[str, Any]) -> dict[str, Any]:
        """Act on the trigger's event; what counts is the task as it is now."""
        from clearml_provider import lifecycle

        task = self._read()
        status, attempt = event["status"], event["attempt"]
        if attempt != task.attempt:
            self.log.info("An event of attempt %d came, but attempt %d is current", attempt, task.attempt)
            return self._go_on(task)
        if status in {"lost", "deadline"} and not task.status.is_terminal:
            cause = CAUSE_NODE_LOST if status == "lost" else CAUSE_DEADLINE
            reason = self._why(task, cause)
            self.log.warning("ClearML task %s, attempt %d: %s", task.id, attempt, reason)
            self.hook.run(
                lifecycle.cancel(
                    task.id, attempt=attempt, cause=cause, reason=reason, grace_s=self.stop_grace_s
                )
            )
            task = self._read()
            if not task.status.is_terminal and cause == CAUSE_DEADLINE:
                raise AirflowFailException(
                    f"ClearML task {task.id}: {reason}; it is {task.status} and in no queue. "
                    f"Enqueue it by clearing the task before this one."
                )
        if task.status.is_terminal and stop_cause(task) != CAUSE_KILLED:
            return self._judge(task)
        return self._go_on(task)

    def _go_on(self, task: TaskInfo) -> NoReturn:
        """Enqueue the next attempt if this one is over, and wait."""
        if task.status.is_terminal:
            task = self._start_next_attempt(task)
        self._wait(task)

    def _wait(self, task: TaskInfo) -> NoReturn:
        from clearml_provider import lifecycle
        from clearml_provider.triggers import ClearMLTaskTrigger

        waiter = uuid4().hex
        self.hook.run(lifecycle.take_over(task, waiter))
        self.hook.close()
        self.log.info(
            "ClearML task %s: %s, attempt %d; waiting", self.clearml_task_url, task.status, task.attempt
        )
        trigger = ClearMLTaskTrigger(
            clearml_task_id=task.id,
            attempt=task.attempt,
            waiter=waiter,
            poll_interval=self.poll_interval,
            deadline=self._deadline(task),
            lost_after_s=_seconds(self.lost_after_s, "lost_after_s"),
            clearml_conn_id=self.clearml_conn_id,
        )
        self.defer(trigger=trigger, method_name="execute_complete")

    def _judge(self, task: TaskInfo) -> dict[str, Any]:
        """Classify an ending, note on the task that it was told, and tell it to Airflow."""
        from clearml_provider import lifecycle

        ending = self._classify(task)
        if ending.outcome == "succeeded":
            self.log.info("ClearML task %s, attempt %d: succeeded", task.id, task.attempt)
            return {
                "task_id": task.id,
                "attempt": task.attempt,
                "status": task.status.value,
                "failure_class": ending.failure_class,
                "reason": ending.reason,
            }
        self._show_log(task)
        self.hook.run(lifecycle.record_ending(task, ending))
        message = (
            f"ClearML task {task.id}, attempt {task.attempt}: {ending.failure_class} "
            f"({ending.reason or 'no reason given'}). Console: {self.clearml_log_url}"
        )
        if ending.outcome == "skip":
            raise AirflowSkipException(message)
        if ending.outcome == "retry":
            raise ClearMLTaskFailedError(message, failure_class=ending.failure_class)
        raise AirflowFailException(message)

    def _start_next_attempt(self, task: TaskInfo) -> TaskInfo:
        from clearml_provider import calls, lifecycle

        ended = ended_task(task)
        ending = self._classify(task)
        edit = load_function(self.next_attempt)(ended, ending)
        if edit is None:
            raise AirflowFailException(
                f"ClearML task {task.id}: no further attempt after attempt {task.attempt} "
                f"({ending.failure_class}: {ending.reason or 'no reason given'}). "
                f"Console: {self.clearml_log_url}"
            )
        if edit.queue is not None:
            queue_id = self.hook.run(calls.resolve_queue(edit.queue)).id
        elif task.queue_id is not None:
            queue_id = task.queue_id
        else:
            raise ClearMLConfigError(
                f"ClearML task {task.id} was in no queue so far: name one in the next attempt's edit."
            )
        self.log.info("Attempt %d ended as %s: %s", task.attempt, ending.failure_class, ending.reason)
        attempt = self.hook.run(lifecycle.start_attempt(task, queue_id=queue_id, edit=edit))
        self.log.info("Attempt %d is enqueued%s", attempt, f": {edit.note}" if edit.note else "")
        return self._read()

    def _classify(self, task: TaskInfo) -> Ending:
        from clearml_provider import calls

        lines: list[str] = []
        if not task.status.is_success:
            lines = self.hook.run(calls.get_log_tail(task.id, lines=self.classify_log_lines))
        ending = load_function(self.classify)(ended_task(task, tuple(lines)))
        if not isinstance(ending, Ending):
            raise ClearMLConfigError(f"{self.classify!r} returned {type(ending).__name__}, expected Ending.")
        return ending

    def _read(self) -> TaskInfo:
        task = self.hook.task(self.clearml_task_id)
        self._remember_links(task)
        return task

    def _show_log(self, task: TaskInfo) -> None:
        if self.log_tail > 0:
            for line in self.hook.log_tail(task.id, lines=self.log_tail):
                self.log.info("ClearML console | %s", line)

    def _why(self, task: TaskInfo, cause: str) -> str:
        if cause == CAUSE_NODE_LOST:
            return f"no sign of life from {task.last_worker or 'its worker'} for {task.silent_s or 0:.0f} s"
        return f"not done {_seconds(self.deadline_s, 'deadline_s') or 0:.0f} s after it was enqueued"

    def _deadline(self, task: TaskInfo) -> float | None:
        """Absolute, from when this attempt was enqueued: running `execute` again does not renew it."""
        from clearml_provider.lifecycle import ENQUEUED_AT

        deadline_s = _seconds(self.deadline_s, "deadline_s")
        if deadline_s is None:
            return None
        enqueued_at = task.user_properties.get(ENQUEUED_AT, "")
        return (float(enqueued_at) if enqueued_at.isdecimal() else time.time()) + deadline_s


def _seconds(value: float | str | None, name: str) -> float | None:
    """A number of seconds that may come from a template; empty or ``None`` is no limit."""
    if value is None or str(value) in {"", "None"}:
        return None
    try:
        return float(value)
    except (TypeError, ValueError) as error:
        raise ClearMLConfigError(f"{name} is {value!r}, expected seconds, or None for no limit.") from error
