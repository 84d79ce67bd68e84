"""How one attempt is ended by us: at its limits, cancelled with all its nodes, or adopted as completed."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from clearml_provider import api
from clearml_provider.exceptions import ClearMLConfigError, ClearMLMovedError, ClearMLNotFoundError
from clearml_provider.flows import create, nodes
from clearml_provider.models import ENQUEUED_AT, WAITER, TaskInfo, TaskStatus
from clearml_provider.outcomes import (
    CAUSE_CHILD,
    CAUSE_DEADLINE,
    CAUSE_NODE_LOST,
    CAUSE_OVERTIME,
    STOP_CAUSE,
    STOP_REASON,
)
from clearml_provider.transport import Flow, Pause

log = logging.getLogger(__name__)

TAKEN_S = 5.0
"""An agent that has taken a task out of its queue starts it within this time, even one that was stopped."""
RUN_LIMIT_S = "run_limit_s"
"""User property: seconds that an attempt may be in progress; it goes before the operator's argument."""
CAUSES: Mapping[str, str] = {
    "lost": CAUSE_NODE_LOST,
    "deadline": CAUSE_DEADLINE,
    "overtime": CAUSE_OVERTIME,
    "child_ended": CAUSE_CHILD,
}
"""Status of a trigger's event → why the job is stopped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """One attempt's limits; None: none."""

    deadline_s: float | None
    """Seconds from its enqueueing."""
    deadline: float | None
    """The same as a moment, in seconds since the epoch: waiting again does not renew it."""
    run_limit_s: float | None
    """Seconds in progress."""
    lost_after_s: float | None
    """Seconds without a sign of life."""

    @classmethod
    def of(
        cls,
        task: TaskInfo,
        *,
        deadline_s: float | str | None,
        run_limit_s: float | str | None,
        lost_after_s: float | str | None,
    ) -> Self:
        """The limits of *task*'s current attempt, from an operator's arguments and the task's own.

        Raises:
            ClearMLConfigError: One is not a number.
        """
        may_take_s = seconds(deadline_s, "deadline_s")
        own = task.user_properties.get(RUN_LIMIT_S)
        if own:
            may_run_s = seconds(own, f"User property {RUN_LIMIT_S} of ClearML task {task.id}")
        else:
            may_run_s = seconds(run_limit_s, "run_limit_s")
        enqueued_at = task.user_properties.get(ENQUEUED_AT, "")
        since = float(enqueued_at) if enqueued_at.isdecimal() else time.time()
        return cls(
            deadline_s=may_take_s,
            deadline=None if may_take_s is None else since + may_take_s,
            run_limit_s=may_run_s,
            lost_after_s=seconds(lost_after_s, "lost_after_s"),
        )


def cancel(
    task_id: str,
    *,
    attempt: int,
    cause: str,
    reason: str,
    waiter: str | None = None,
    grace_s: float = 30.0,
    poll_s: float = 1.0,
) -> Flow[bool]:
    """Stop one attempt with all its nodes, and free what it holds: ask the agents, then declare it stopped.

    ``tasks.stop`` is sent once: repeating it renews ``last_update``, and a dead node's job seems alive. Only
    an agent that had just taken the task out of its queue is asked again: it starts it whatever its status.
    A job that completes meanwhile stays completed. Nodes that an ended master left running are stopped too.

    Args:
        task_id: Which task; one that was deleted needs nothing.
        attempt: Nothing is done when another attempt is current.
        cause: Identifier kept in the user property ``stop_cause``.
        reason: Sentence kept in the user property ``stop_reason`` (ClearML overwrites its own).
        waiter: Fencing token of the try that waits; nothing is done if the task has another. None: any.
        grace_s: Seconds that the agents have, all of them together.
        poll_s: Seconds between polls.

    Returns:
        Whether this call ended it; False: not ours, in no queue, deleted, or over already.
    """
    try:
        task = yield from api.get_task(task_id)
        if not _is_ours(task, attempt, waiter):
            return False
        if not nodes.is_live(task):
            yield from _Cancelling(task, cause, reason, waiter, nodes_only=True).see_it_end(grace_s, poll_s)
            return False
        properties = {STOP_CAUSE: f"{attempt}:{cause}", STOP_REASON: reason}
        yield from create.edit_hyperparams(task_id, properties=properties)
        is_still_ours = yield from _Cancelling(task, cause, reason, waiter).see_it_end(grace_s, poll_s)
        task = yield from api.get_task(task_id)
        if is_still_ours and task.status.is_success:
            log.info("ClearML task %s completed before it could be stopped", task_id)
            yield from create.edit_hyperparams(task_id, properties={STOP_CAUSE: "", STOP_REASON: ""})
            return False
        return is_still_ours and task.status.is_terminal
    except ClearMLNotFoundError:
        log.info("ClearML task %s: deleted meanwhile, there is nothing to cancel", task_id)
        return False


@dataclass(slots=True)
class _Cancelling:
    """One attempt on its way out: a master and its nodes, those too that it launches to the last moment."""

    master: TaskInfo
    cause: str
    reason: str
    waiter: str | None
    nodes_only: bool = False
    _asked: dict[str, TaskStatus] = field(default_factory=dict)
    """Id → the status in which it was asked to stop."""
    _watch_until_s: float = 0.0
    """An agent has taken one of them out of its queue, and may start it yet."""

    def see_it_end(self, grace_s: float, poll_s: float) -> Flow[bool]:
        """Ask all to stop, and see that they do; False: the attempt is not ours any more."""
        waited_s = 0.0
        while True:
            live = yield from self._live()
            if live is None:
                return False
            to_ask = [each for each in live if self._is_to_be_asked(each)]
            for each in to_ask:
                if (yield from self._ask(each)):
                    self._watch_until_s = waited_s + min(TAKEN_S, grace_s)
            if to_ask:
                continue  # what was queued has stopped by now
            if waited_s >= grace_s or (not live and waited_s >= self._watch_until_s):
                break
            yield Pause(min(poll_s, grace_s - waited_s))
            waited_s += poll_s
        if live:
            who = ", ".join("its agent" if e.id == self.master.id else nodes.describe(e) for e in live)
            log.warning(
                "ClearML task %s: %s did not stop it within %g s, ending it by force",
                self.master.id,
                who,
                grace_s,
            )
        for each in live:
            yield from nodes.end_by_force(each.id, reason=self.reason)
        return True

    def _live(self) -> Flow[list[TaskInfo] | None]:
        attempt = self.master.attempt
        further = yield from nodes.children_of_attempt(self.master.id, attempt)
        if self.nodes_only:
            return [node for node in further if nodes.is_live(node)]
        master = yield from api.get_task(self.master.id)
        if not _is_ours(master, attempt, self.waiter):
            return None
        return [each for each in (master, *further) if nodes.is_live(each)]

    def _is_to_be_asked(self, each: TaskInfo) -> bool:
        """Once; again if it was queued then, but in an agent's hands, which started it all the same."""
        return self._asked.get(each.id) not in {each.status, TaskStatus.IN_PROGRESS}

    def _ask(self, each: TaskInfo) -> Flow[bool]:
        """Ask one to stop; True: an agent may start it yet."""
        is_taken = False
        if each.status is TaskStatus.QUEUED:
            is_taken = each.queue_id is None or not (yield from api.withdraw(each.id, each.queue_id))
        self._asked[each.id] = each.status
        if each.id == self.master.id:
            yield from nodes.ignoring_races(api.stop(each.id, reason=self.reason))
        else:
            reason = f"Its job was stopped: {self.reason}"
            yield from nodes.ask_to_stop(each, cause=self.cause, reason=reason)
        return is_taken


def adopt(task: TaskInfo, *, reason: str) -> Flow[TaskInfo]:
    """Declare an attempt completed whose results are there, though its agent never reported it.

    Args:
        task: As just read.
        reason: What shows that it is done; kept as the task's status reason after ``adopted:``.

    Raises:
        ClearMLMovedError: Another attempt is current by now.
    """
    now = yield from api.get_task(task.id)
    if now.attempt != task.attempt:
        raise ClearMLMovedError(
            f"ClearML task {task.id}: attempt {task.attempt} has results, but attempt {now.attempt} is "
            f"current. They came too late."
        )
    if not now.status.is_success:
        yield from api.completed(task.id, reason=f"adopted: {reason}")
    log.info("ClearML task %s, attempt %d: was %s, adopted as completed", task.id, task.attempt, now.status)
    return (yield from api.get_task(task.id, fields=api.FULL_FIELDS))


def stop_for(event: Mapping[str, Any], task: TaskInfo, limits: Limits, *, grace_s: float) -> Flow[bool]:
    """Stop *task*'s attempt for what the trigger's *event* reports, and write the reason on the task.

    Returns:
        As `cancel`.
    """
    cause = CAUSES[event["status"]]
    reason = _why(cause, task, limits)
    if cause == CAUSE_CHILD:
        further = yield from nodes.children_of_attempt(task.id, task.attempt)
        node = next((n for n in further if n.id == event.get("child_id")), None)
        reason = _why_node(event, node)
        if node is not None and event.get("child_status") == "lost" and not node.status.is_terminal:
            yield from nodes.mark(node, cause=CAUSE_NODE_LOST, reason=_silence(node))
    log.warning("ClearML task %s, attempt %d: %s", task.id, task.attempt, reason)
    return (yield from cancel(task.id, attempt=task.attempt, cause=cause, reason=reason, grace_s=grace_s))


def seconds(value: float | str | None, name: str) -> float | None:
    """A number of seconds that may come from a template; empty or ``None`` is no limit.

    Raises:
        ClearMLConfigError: It is something else.
    """
    if value is None or str(value) in {"", "None"}:
        return None
    try:
        return float(value)
    except (TypeError, ValueError) as error:
        raise ClearMLConfigError(f"{name} is {value!r}, expected seconds, or None for no limit.") from error


def flag(value: bool | str | None, name: str) -> bool:
    """A yes or no that may come from a template.

    Raises:
        ClearMLConfigError: It is neither.
    """
    meanings = {"true": True, "1": True, "false": False, "0": False, "": False, "none": False}
    try:
        return meanings[str(value).lower()]
    except KeyError:
        raise ClearMLConfigError(f"{name} is {value!r}, expected True or False.") from None


def _why(cause: str, task: TaskInfo, limits: Limits) -> str:
    if cause == CAUSE_NODE_LOST:
        return _silence(task)
    if cause == CAUSE_OVERTIME:
        return f"in progress for {task.running_s or 0:.0f} s, allowed are {limits.run_limit_s or 0:.0f} s"
    return f"not done {limits.deadline_s or 0:.0f} s after it was enqueued"


def _why_node(event: Mapping[str, Any], node: TaskInfo | None) -> str:
    status = event.get("child_status")
    if node is None:
        return f"node {event.get('child_id')} is {status}, and is deleted"
    if status == "lost":
        return f"{nodes.describe(node)} is lost: {_silence(node)}"
    reason = node.user_properties.get(STOP_REASON) or node.reason
    return f"{nodes.describe(node)} {status}: {reason or 'no reason given'}"


def _silence(task: TaskInfo) -> str:
    return f"no sign of life from {task.last_worker or 'its worker'} for {task.silent_s or 0:.0f} s"


def _is_ours(task: TaskInfo, attempt: int, waiter: str | None) -> bool:
    return task.attempt == attempt and (waiter is None or task.user_properties.get(WAITER) == waiter)
