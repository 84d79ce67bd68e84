"""Wait for a ClearML task without holding a worker, and make its next attempt on Airflow's retry."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NoReturn, cast
from uuid import uuid4

from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from clearml_provider.console import ShowLine
from clearml_provider.exceptions import ClearMLMovedError, ClearMLTaskFailedError
from clearml_provider.hook import ClearMLHook
from clearml_provider.models import TaskStatus
from clearml_provider.operators.base import ClearMLOperator, fails_for_good
from clearml_provider.outcomes import (
    CAUSE_KILLED,
    AttemptOutcome,
    Classifier,
    NextAttempt,
    OnOutcome,
    Policy,
    Termination,
    attempts_so_far,
    classify_by_status,
    kept_outcome,
    same_again,
    stop_cause,
    termination_of,
    was_reported,
)

if TYPE_CHECKING:
    from airflow.sdk import Context, XComArg

    from clearml_provider.flows.cancel import Limits
    from clearml_provider.models import TaskInfo
    from clearml_provider.transport import Flow

ATTEMPTS_XCOM = "attempts"
"""XCom of the waiting task: what each attempt followed and what was different in it."""


class ClearMLWaitOperator(ClearMLOperator):
    """Wait for a ClearML task in the triggerer, act on its outcome, and retry with a next attempt.

    Policy comes from the caller. *classify* decides: succeeded, retry, fail, skip or cancelled.
    A *retry* raises `ClearMLTaskFailedError`; Airflow's next try asks *next_attempt* what to change, writes
    it and the attempt's number to the same ClearML task, enqueues that again, and waits on. So a task needs
    as many Airflow ``retries`` as attempts may fail. An outcome is never charged twice: what Airflow knows
    is kept on the ClearML task. Where *classify* finds that a job succeeded though ClearML does not know (its
    agent died, its results were uploaded), the ClearML task is declared completed.

    Returns ``{"task_id", "attempt", "status", "failure_class", "reason"}`` of the attempt that succeeded. The
    XCom ``attempts`` shows what a retry changed: ``[{"attempt", "after", "note", "queue", "plan"?}, …]``.

    Args:
        clearml_task_id: Usually the output of `ClearMLEnqueueOperator`.
        poll_interval: Seconds between polls.
        deadline_s: Seconds that an attempt may take, counted from when it was enqueued; then it is
            cancelled. None: no limit.
        run_limit_s: Seconds that an attempt may be in progress, without the queue, on ClearML's clock; then
            it is cancelled. The ClearML task's user property ``run_limit_s`` goes before it: a next attempt
            may have been given more. None: no limit.
        lost_after_s: Seconds without a sign of life after which a running job is cancelled as lost. Sound
            from 180 on (agents report each 30 to 60 s); larger where long silent uploads exist. None: never.
        multi_node: Whether the job launches further nodes (``launch_multi_node``): they are watched, judged,
            cancelled and deleted with their master.
        stop_grace_s: Seconds that an agent has to stop its job before the task is stopped by force.
        classify: Function or dotted path, `Termination` → `AttemptOutcome`; the default goes by status.
        next_attempt: Function or dotted path, (`Termination`, `AttemptOutcome`) → `AttemptEdit`, or None to
            give up; the default changes nothing.
        on_outcome: Function or dotted path, (`Termination`, `AttemptOutcome`) → None: called with each new
            outcome before Airflow learns of it, again if a try dies in between. None: nothing is called.
        classify_log_lines: How many of the console's last lines *classify* gets to see after a failure.
        log_tail: How many of them are copied to Airflow's log after a failure. 0 by default: consoles may
            quote data that must not leave.
        show_line: Function or dotted path, line → the line, a shortened one, or None to withhold it; what is
            withheld is counted. None: every line is copied. Keys are taken out either way.
        clearml_conn_id: The connection.
    """

    template_fields: Sequence[str] = (
        "clearml_task_id", "deadline_s", "run_limit_s", "lost_after_s", "multi_node", "clearml_conn_id",
    )  # fmt: skip

    def __init__(
        self,
        *,
        clearml_task_id: str | XComArg,
        poll_interval: float = 15.0,
        deadline_s: float | str | XComArg | None = None,
        run_limit_s: float | str | XComArg | None = None,
        lost_after_s: float | str | XComArg | None = 300.0,
        multi_node: bool | str | XComArg = False,
        stop_grace_s: float = 30.0,
        classify: Classifier | str = classify_by_status,
        next_attempt: NextAttempt | str = same_again,
        on_outcome: OnOutcome | str | None = None,
        classify_log_lines: int = 200,
        log_tail: int = 0,
        show_line: ShowLine | str | None = None,
        clearml_conn_id: str = ClearMLHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.clearml_task_id = cast("str", clearml_task_id)
        self.poll_interval = poll_interval
        self.deadline_s = cast("float | str | None", deadline_s)
        self.run_limit_s = cast("float | str | None", run_limit_s)
        self.lost_after_s = cast("float | str | None", lost_after_s)
        self.multi_node = cast("bool | str", multi_node)
        self.stop_grace_s = stop_grace_s
        self.classify = classify
        self.next_attempt = next_attempt
        self.on_outcome = on_outcome
        self.classify_log_lines = classify_log_lines
        self.log_tail = log_tail
        self.show_line = show_line
        self.clearml_conn_id = clearml_conn_id

    @fails_for_good
    def execute(self, context: Context) -> dict[str, Any]:
        """Start the next attempt if this one's outcome is known; then wait, or judge what has ended."""
        self._policy.check()
        return self._resume(context, self._read())

    @fails_for_good
    def execute_complete(self, context: Context, event: dict[str, Any]) -> dict[str, Any]:
        """Act on the trigger's event; what counts is the task as it is now."""
        from clearml_provider.flows.cancel import CAUSES, stop_for

        task = self._read()
        attempt = event["attempt"]
        if attempt != task.attempt:
            self.log.info("An event of attempt %d came, but attempt %d is current", attempt, task.attempt)
            return self._resume(context, task)
        if event["status"] in CAUSES and not task.status.is_terminal:
            self.hook.run(stop_for(event, task, self._limits(task), grace_s=self.stop_grace_s))
            task = self._read()
        if task.status.is_terminal and stop_cause(task) != CAUSE_KILLED:
            return self._judge(context, task)
        return self._resume(context, task)

    def _resume(self, context: Context, task: TaskInfo) -> dict[str, Any]:
        """Go on from what the last try left: a half-begun attempt, an unhandled outcome, a live job."""
        from clearml_provider.flows import attempts

        if (queue_id := attempts.intended_queue(task)) is not None:
            task = self._enqueued(context, attempts.finish_start(task, queue_id=queue_id))
        elif task.status.is_terminal:
            if not was_reported(task) and stop_cause(task) != CAUSE_KILLED:
                return self._judge(context, task)
            outcome = kept_outcome(task)
            if outcome is None:  # a person ended it, or its results came late: before anybody began anew
                termination, outcome = self._classified(task)
                if outcome.decision == "succeeded":
                    return self._succeeded(termination, outcome)
            else:
                termination = termination_of(task)
            task = self._start_next_attempt(context, termination, outcome)
        return self._wait(task)

    def _wait(self, task: TaskInfo) -> NoReturn:
        from clearml_provider.flows import attempts
        from clearml_provider.triggers import ClearMLTaskTrigger

        if task.status is TaskStatus.CREATED:
            raise AirflowFailException(
                f"ClearML task {task.id}, attempt {task.attempt}, is a draft and in no queue: a person reset "
                f"or dequeued it in ClearML. Enqueue it by clearing the task before this one."
            )
        limits = self._limits(task)
        waiter = uuid4().hex
        self.hook.run(attempts.acquire(task, waiter))
        self.hook.close()
        self.log.info(
            "ClearML task %s: %s, attempt %d; waiting", self.clearml_task_url, task.status, task.attempt
        )
        trigger = ClearMLTaskTrigger(
            clearml_task_id=task.id,
            attempt=task.attempt,
            waiter=waiter,
            poll_interval=self.poll_interval,
            deadline=limits.deadline,
            run_limit_s=limits.run_limit_s,
            lost_after_s=limits.lost_after_s,
            watch_children=self._is_multi_node,
            clearml_conn_id=self.clearml_conn_id,
        )
        self.defer(trigger=trigger, method_name="execute_complete")

    def _judge(self, context: Context, task: TaskInfo) -> dict[str, Any]:
        """Classify an attempt, keep its outcome on the task, and act on it in Airflow."""
        from clearml_provider.flows import attempts

        termination, outcome = self._classified(task)
        if outcome.decision == "succeeded":
            return self._succeeded(termination, outcome)
        reason = outcome.reason or "no reason given"
        self.log.error(
            "ClearML task %s, attempt %d: %s (%s)", task.id, task.attempt, outcome.failure_class, reason
        )
        self._show_log(termination.log_lines)
        self.hook.run(attempts.record_outcome(task, outcome))
        self._push_attempts(context, task)
        message = (
            f"ClearML task {task.id}, attempt {task.attempt}: {outcome.failure_class} ({reason}). "
            f"Console: {self.clearml_log_url}"
        )
        if outcome.decision == "skip":
            raise AirflowSkipException(message)
        if outcome.decision == "retry":
            raise ClearMLTaskFailedError(message, failure_class=outcome.failure_class)
        raise AirflowFailException(message)

    def _succeeded(self, termination: Termination, outcome: AttemptOutcome) -> dict[str, Any]:
        from clearml_provider.flows.cancel import adopt

        task = termination.info
        if not task.status.is_success:
            self.log.warning("ClearML calls it %s, but it succeeded: %s", task.status, outcome.reason)
            task = self.hook.run(adopt(task, reason=outcome.reason))
        self.log.info("ClearML task %s, attempt %d: succeeded", task.id, task.attempt)
        return {
            "task_id": task.id,
            "attempt": task.attempt,
            "status": task.status.value,
            "failure_class": outcome.failure_class,
            "reason": outcome.reason,
        }

    def _start_next_attempt(
        self, context: Context, termination: Termination, outcome: AttemptOutcome
    ) -> TaskInfo:
        from clearml_provider.flows import attempts

        task = termination.info
        edit = self._policy.edit(termination, outcome)
        if edit is None:
            raise AirflowFailException(
                f"ClearML task {task.id}: no further attempt after attempt {task.attempt} "
                f"({outcome.failure_class}: {outcome.reason or 'no reason given'}). "
                f"Console: {self.clearml_log_url}"
            )
        queue_id = self.hook.run(attempts.queue_of_next(task, edit))
        self.log.info("Attempt %d ended as %s: %s", task.attempt, outcome.failure_class, outcome.reason)
        begin = attempts.start_attempt(task, queue_id=queue_id, edit=edit)
        return self._enqueued(context, begin, note=edit.note)

    def _enqueued(self, context: Context, begin: Flow[int], *, note: str = "") -> TaskInfo:
        """Carry out *begin*, unless another process began an attempt in this moment."""
        try:
            attempt = self.hook.run(begin)
        except ClearMLMovedError as moved:
            task = self._read()
            if task.status.is_terminal:
                raise
            self.log.info("%s Going on with attempt %d.", moved, task.attempt)
            return task
        self.log.info("Attempt %d is enqueued%s", attempt, f": {note}" if note else "")
        task = self._read()
        self._push_attempts(context, task)
        return task

    def _classified(self, task: TaskInfo) -> tuple[Termination, AttemptOutcome]:
        """Classify an ended task, whose further nodes have ended by then too, and publish the outcome."""
        from clearml_provider.flows import nodes

        further: tuple[TaskInfo, ...] = ()
        if self._is_multi_node:
            further = self.hook.run(nodes.settle(task, grace_s=self.stop_grace_s))
        lines: list[str] = []
        if not task.status.is_success:
            wanted = max(self.classify_log_lines, self.log_tail)
            lines = self.hook.log_tail(task.id, lines=wanted)
        termination = termination_of(task, tuple(lines), further)
        outcome = self._policy.outcome(termination)
        self._policy.publish(termination, outcome)
        return termination, outcome

    def _show_log(self, lines: Sequence[str]) -> None:
        if self.log_tail > 0:
            for line in self._policy.shown(lines[-self.log_tail :]):
                self.log.info("ClearML console | %s", line)

    def _push_attempts(self, context: Context, task: TaskInfo) -> None:
        ti = context.get("ti")
        if ti is not None:
            ti.xcom_push(key=ATTEMPTS_XCOM, value=attempts_so_far(task))

    def _read(self) -> TaskInfo:
        task = self.hook.task(self.clearml_task_id)
        self._remember_links(task)
        return task

    @property
    def _policy(self) -> Policy:
        return Policy(
            classify=self.classify,
            next_attempt=self.next_attempt,
            on_outcome=self.on_outcome,
            show_line=self.show_line,
        )

    @property
    def _is_multi_node(self) -> bool:
        from clearml_provider.flows.cancel import flag

        return flag(self.multi_node, "multi_node")

    def _limits(self, task: TaskInfo) -> Limits:
        from clearml_provider.flows.cancel import Limits

        given = {"deadline_s": self.deadline_s, "run_limit_s": self.run_limit_s}
        return Limits.of(task, **given, lost_after_s=self.lost_after_s)
