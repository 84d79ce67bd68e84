"""Wait for a ClearML task without holding a worker."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from clearml_provider.exceptions import ClearMLError, may_pass
from clearml_provider.flows.read import TaskOrError
from clearml_provider.models import TaskInfo, TaskStatus
from clearml_provider.poller import PollResult, TaskPoller

KILL_GRACE_S = 15.0
"""Seconds that the agent has on a kill; the triggerer's own limit for on_kill is 30 s."""
LOST, DEADLINE, OVERTIME = "lost", "deadline", "overtime"
SUPERSEDED, CHILD_ENDED = "superseded", "child_ended"
FIRST_POLL_S = 60.0
"""How long a deadline that is over already waits for the first poll, which may show that the job is done."""
_MISSED_POLLS = 2
"""An agent that has just taken a task has not reported it yet: only the second poll of the queues counts."""


class ClearMLTaskTrigger(BaseTrigger):
    """Fire when a ClearML task's attempt is over, lost, late, or no longer current.

    All triggers of a triggerer that use one connection share one poller: 500 tasks a request. The event is
    ``{"task_id", "attempt", "status"}``; status is a ClearML status that ends a task, or

    - ``created``: a person reset the task or took it out of its queue, and no agent will run it;
    - ``superseded``: another attempt is current;
    - ``lost``: no sign of life for *lost_after_s*;
    - ``overtime``: in progress for longer than *run_limit_s*;
    - ``deadline``: *deadline* has come;
    - ``child_ended``: a further node of a multi-node job failed, was stopped or lost while the master runs;
      ``child_id`` and ``child_status`` (``failed``, ``stopped``, ``lost``) name it and how it ended.

    Args:
        clearml_task_id: The task. (Not ``task_id``: the triggerer sets that to Airflow's own.)
        attempt: The attempt waited for.
        waiter: Fencing token of the Airflow try that waits; on_kill cancels only while the task carries it.
        poll_interval: Seconds between polls.
        deadline: Absolute, in seconds since the epoch, because a restarted triggerer starts `run` from
            zero; None: wait for ever.
        run_limit_s: Seconds in progress, on the server's clock; time in the queue is not counted. None: no
            limit.
        lost_after_s: Seconds in progress without a sign of life (task update or worker report, on the
            server's clock) after which the node counts as lost; None: never.
        watch_children: Whether the job is a multi-node one, whose further nodes are watched too.
        queue_check_s: Seconds between polls of the queues for a task that is ``queued``. One that is in
            none at two polls in a row (its agent died before it reported that it started) is requeued. None:
            never polled for.
        max_outage_s: Seconds that the API may be away before the trigger fails, and Airflow's retry goes on.
        clearml_conn_id: The connection.
    """

    def __init__(
        self,
        *,
        clearml_task_id: str,
        attempt: int,
        waiter: str,
        poll_interval: float = 15.0,
        deadline: float | None = None,
        run_limit_s: float | None = None,
        lost_after_s: float | None = None,
        watch_children: bool = False,
        queue_check_s: float | None = 60.0,
        max_outage_s: float = 1800.0,
        clearml_conn_id: str = "clearml_default",
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.clearml_task_id = clearml_task_id
        self.attempt = attempt
        self.waiter = waiter
        self.poll_interval = poll_interval
        self.deadline = deadline
        self.run_limit_s = run_limit_s
        self.lost_after_s = lost_after_s
        self.watch_children = watch_children
        self.queue_check_s = queue_check_s
        self.max_outage_s = max_outage_s
        self.clearml_conn_id = clearml_conn_id

    def serialize(self) -> tuple[str, dict[str, Any]]:
        return (
            f"{type(self).__module__}.{type(self).__qualname__}",
            {
                "clearml_task_id": self.clearml_task_id,
                "attempt": self.attempt,
                "waiter": self.waiter,
                "poll_interval": self.poll_interval,
                "deadline": self.deadline,
                "run_limit_s": self.run_limit_s,
                "lost_after_s": self.lost_after_s,
                "watch_children": self.watch_children,
                "queue_check_s": self.queue_check_s,
                "max_outage_s": self.max_outage_s,
                "clearml_conn_id": self.clearml_conn_id,
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait until there is something to report; log each change of status once.

        Raises:
            ClearMLUnavailableError: The API was away longer than *max_outage_s*.
            ClearMLNotFoundError: The task was deleted.
            ClearMLAuthError: The keys were refused, also after the connection was read again.
            ClearMLUnknownStatusError: The task has a status that this version does not know.
        """
        payload = await self._wait()
        yield TriggerEvent(payload)  # type: ignore[no-untyped-call]

    async def _wait(self) -> dict[str, Any]:
        from clearml_provider.exceptions import ClearMLConfigError
        from clearml_provider.poller import Subscription, shared_poller
        from clearml_provider.triggers import DEADLINE, Waiting

        if not self.clearml_task_id:
            raise ClearMLConfigError("An empty ClearML task id: did the task that enqueues return one?")
        if self.poll_interval <= 0:
            raise ClearMLConfigError(f"poll_interval is {self.poll_interval}, expected seconds above 0.")
        waiting = Waiting(
            task_id=self.clearml_task_id,
            attempt=self.attempt,
            deadline=self.deadline,
            run_limit_s=self.run_limit_s,
            lost_after_s=self.lost_after_s,
            max_outage_s=self.max_outage_s,
        )
        subscription = Subscription(
            self.clearml_task_id,
            interval_s=self.poll_interval,
            judge=waiting.judge,
            children=self.watch_children,
            queue_check_s=self.queue_check_s,
        )
        async with shared_poller(self.clearml_conn_id) as poller:
            with poller.subscribed(subscription):
                while True:
                    try:
                        async with asyncio.timeout(waiting.patience_s()):
                            update = await subscription.next_update()
                    except TimeoutError:
                        if waiting.is_late():
                            return waiting.event(DEADLINE)
                    else:
                        await self._act(update, poller)
                        if update.payload is not None:
                            return update.payload

    async def _act(self, update: Update, poller: TaskPoller) -> None:
        from clearml_provider.triggers import own_copy

        for line in update.lines:
            self.log.info("%s", line)
        if update.warning is not None:
            self.log.warning("%s", update.warning)
        if update.error is not None:
            raise own_copy(update.error)
        if update.requeue:
            await self._requeue(poller)

    async def _requeue(self, poller: TaskPoller) -> None:
        from clearml_provider.exceptions import ClearMLUnavailableError
        from clearml_provider.flows import enqueue

        try:
            done = await poller.run(
                lambda: enqueue.requeue(self.clearml_task_id, attempt=self.attempt, waiter=self.waiter)
            )
        except ClearMLUnavailableError as error:
            self.log.warning(
                "ClearML task %s is queued, but in no queue; it could not be requeued yet: %s",
                self.clearml_task_id,
                error,
            )
            return
        if done:
            self.log.warning(
                "ClearML task %s, attempt %d, was queued, but in no queue (its agent died before it started "
                "it): requeued",
                self.clearml_task_id,
                self.attempt,
            )

    async def on_kill(self) -> None:
        """A person marked the task failed or succeeded, or cleared it: cancel this attempt, if it is ours.

        After a *clear* the new try may have taken the job over before this runs; the task then carries
        that try's token, and nothing is done.
        """
        from clearml_provider.flows.cancel import cancel
        from clearml_provider.outcomes import CAUSE_KILLED
        from clearml_provider.poller import shared_poller

        async with shared_poller(self.clearml_conn_id) as poller:
            cancelled = await poller.run(
                lambda: cancel(
                    self.clearml_task_id,
                    attempt=self.attempt,
                    waiter=self.waiter,
                    cause=CAUSE_KILLED,
                    reason="Cancelled from Airflow: the waiting task was marked or cleared by a person",
                    grace_s=KILL_GRACE_S,
                )
            )
        if cancelled:
            self.log.info("ClearML task %s, attempt %d: cancelled", self.clearml_task_id, self.attempt)
        else:
            self.log.info(
                "ClearML task %s: nothing to cancel, attempt %d is over or another try owns it",
                self.clearml_task_id,
                self.attempt,
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """What the trigger has to do, in this order."""

    lines: tuple[str, ...] = ()
    """For the log."""
    warning: str | None = None
    requeue: bool = False
    """The task is queued, but fell out of its queue."""
    error: Exception | None = None
    """To be raised."""
    payload: dict[str, Any] | None = None
    """The event: waiting is over."""


@dataclass(slots=True, kw_only=True)
class Waiting:
    """One attempt that is waited for; the arguments are those of `ClearMLTaskTrigger`."""

    task_id: str
    attempt: int
    deadline: float | None
    run_limit_s: float | None
    lost_after_s: float | None
    max_outage_s: float

    _polled: bool = False
    _reachable_at: float | None = None
    _away: bool = False
    _shown: tuple[int, str] | None = None
    _shown_children: dict[str, str] | None = None
    _missed: int = 0

    def patience_s(self) -> float | None:
        """Seconds until something must happen even without an update; None: no limit."""
        if self.deadline is None:
            return None
        return max(self.deadline - time.time(), 0.0 if self._polled else FIRST_POLL_S)

    def is_late(self) -> bool:
        return self.deadline is not None and time.time() >= self.deadline

    def judge(self, result: PollResult) -> Update | None:
        """Judge a poll; None: nothing to do."""
        self._polled = True
        if isinstance(result.task, Exception):
            return self._judge_problem(result.task)
        self._reachable_at = time.monotonic()
        lines = [*self._back(), *self._changes(result.task, result.children)]
        unknown = next((child for child in result.children if isinstance(child, Exception)), None)
        if unknown is not None:
            return Update(lines=tuple(lines), error=unknown)
        payload = self._event_of(result.task, result.children)
        requeue = payload is None and self._fell_out(result.task, result.in_queue)
        if lines or payload or requeue:
            return Update(lines=tuple(lines), requeue=requeue, payload=payload)
        return None

    def event(self, status: str, **more: str) -> dict[str, Any]:
        return {"task_id": self.task_id, "attempt": self.attempt, "status": status, **more}

    def _judge_problem(self, problem: Exception) -> Update | None:
        if not may_pass(problem):
            return Update(error=problem)
        now = time.monotonic()
        if self._reachable_at is None:
            self._reachable_at = now
        if self.is_late():
            return Update(payload=self.event(DEADLINE))
        if now - self._reachable_at > self.max_outage_s:
            return Update(error=problem)
        if self._away:
            return None
        self._away = True
        return Update(warning=f"ClearML is away, waiting on for up to {self.max_outage_s:g} s: {problem}")

    def _back(self) -> list[str]:
        if not self._away:
            return []
        self._away = False
        return ["ClearML is back"]

    def _changes(self, task: TaskInfo, children: Sequence[TaskOrError]) -> list[str]:
        lines = []
        if self._shown != (task.attempt, task.status):
            self._shown = (task.attempt, task.status)
            lines.append(f"ClearML task {task.id}, attempt {task.attempt}: {describe(task)}")
        shown = self._shown_children = self._shown_children or {}
        for child in children:
            if isinstance(child, TaskInfo) and shown.get(child.id) != child.status:
                shown[child.id] = child.status
                lines.append(f"Node {child.id} of ClearML task {task.id}: {describe(child)}")
        return lines

    def _event_of(self, task: TaskInfo, children: Sequence[TaskOrError]) -> dict[str, Any] | None:
        """The event's payload; None: wait on."""
        if task.attempt != self.attempt:
            return self.event(SUPERSEDED)
        if task.status.is_terminal:
            return self.event(task.status.value)
        if task.status is TaskStatus.CREATED:  # a person reset or dequeued it: no agent will run it
            return self.event(task.status.value)
        if self._is_lost(task):
            return self.event(LOST)
        if self.run_limit_s is not None and (task.running_s or 0.0) > self.run_limit_s:
            return self.event(OVERTIME)
        if self.is_late():
            return self.event(DEADLINE)
        for child in children:
            # Children of an earlier attempt may be left: a job that runs again clones itself again.
            if not isinstance(child, TaskInfo) or child.attempt != self.attempt:
                continue
            if child.status in {TaskStatus.FAILED, TaskStatus.STOPPED} or self._is_lost(child):
                status = child.status.value if child.status.is_terminal else LOST
                return self.event(CHILD_ENDED, child_id=child.id, child_status=status)
        return None

    def _is_lost(self, task: TaskInfo) -> bool:
        silent_s = task.silent_s
        return self.lost_after_s is not None and silent_s is not None and silent_s > self.lost_after_s

    def _fell_out(self, task: TaskInfo, in_queue: bool | None) -> bool:
        """Whether the task was seen ``queued`` and in no queue often enough in a row."""
        if task.status is not TaskStatus.QUEUED or in_queue:
            self._missed = 0
        elif in_queue is False:
            self._missed += 1
            if self._missed >= _MISSED_POLLS:
                self._missed = 0  # should it fall out again, it is requeued again
                return True
        return False


def describe(task: TaskInfo) -> str:
    """Status, worker and reason in a line."""
    worker = f" on {task.last_worker}" if task.last_worker and not task.status.is_terminal else ""
    return f"{task.status}{worker}{f' ({task.reason})' if task.reason else ''}"


def own_copy(error: Exception) -> Exception:
    """The same error for one more to raise: one object raised by a thousand collects all their tracebacks."""
    twin = type(error).__new__(type(error), *error.args)
    twin.__dict__.update(error.__dict__)
    twin.__cause__ = error if isinstance(error, ClearMLError) else error.__cause__
    return twin


class ClearMLStatusTrigger(BaseTrigger):
    """Fire when a task is in one of *states*; what becomes of the waiting Airflow task never touches the job.

    The event's payload is ``{"task_id", "status"}``.

    Args:
        clearml_task_id: The task.
        states: ClearML's names of the states waited for.
        poll_interval: Seconds between polls, which all triggers of a connection share.
        max_outage_s: Seconds that the API may be away before the trigger fails.
        clearml_conn_id: The connection.
    """

    def __init__(
        self,
        *,
        clearml_task_id: str,
        states: list[str],
        poll_interval: float = 60.0,
        max_outage_s: float = 1800.0,
        clearml_conn_id: str = "clearml_default",
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.clearml_task_id = clearml_task_id
        self.states = states
        self.poll_interval = poll_interval
        self.max_outage_s = max_outage_s
        self.clearml_conn_id = clearml_conn_id

    def serialize(self) -> tuple[str, dict[str, Any]]:
        return (
            f"{type(self).__module__}.{type(self).__qualname__}",
            {
                "clearml_task_id": self.clearml_task_id,
                "states": self.states,
                "poll_interval": self.poll_interval,
                "max_outage_s": self.max_outage_s,
                "clearml_conn_id": self.clearml_conn_id,
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait until the task is in one of the states; log each change of status once.

        Raises:
            ClearMLUnavailableError: The API was away longer than *max_outage_s*.
            ClearMLNotFoundError: The task was deleted.
        """
        from clearml_provider.poller import Subscription, shared_poller

        statuses = _Statuses(self.max_outage_s)
        subscription = Subscription(self.clearml_task_id, interval_s=self.poll_interval, judge=statuses.judge)
        async with shared_poller(self.clearml_conn_id) as poller:
            with poller.subscribed(subscription):
                while (status := await subscription.next_update()) not in self.states:
                    self.log.info("ClearML task %s: %s", self.clearml_task_id, status)
        payload = {"task_id": self.clearml_task_id, "status": status}
        yield TriggerEvent(payload)  # type: ignore[no-untyped-call]


class _Statuses:
    """Makes updates of polls: each new status once, and an outage when it has lasted too long."""

    def __init__(self, max_outage_s: float) -> None:
        self._max_outage_s = max_outage_s
        self._reached_at = time.monotonic()
        self._last: str | None = None

    def judge(self, result: PollResult) -> str | None:
        from clearml_provider.exceptions import ClearMLUnavailableError
        from clearml_provider.models import TaskInfo
        from clearml_provider.triggers import own_copy

        seen = result.task
        if not isinstance(seen, TaskInfo):
            away_s = time.monotonic() - self._reached_at
            if isinstance(seen, ClearMLUnavailableError) and away_s <= self._max_outage_s:
                return None
            raise own_copy(seen)
        self._reached_at = time.monotonic()
        if seen.status.value == self._last:
            return None
        self._last = seen.status.value
        return self._last
