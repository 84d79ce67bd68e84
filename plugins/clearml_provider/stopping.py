"""How one attempt is brought to its end by us: cancelled, with all its nodes, or adopted as completed."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

from clearml_provider import calls, children, creation
from clearml_provider.endings import STOP_CAUSE, STOP_REASON
from clearml_provider.exceptions import ClearMLMovedError, ClearMLNotFoundError
from clearml_provider.models import TaskInfo
from clearml_provider.status import TaskStatus
from clearml_provider.wire import Flow, Pause

log = logging.getLogger(__name__)

TAKEN_S = 5.0
"""An agent that has taken a task out of its queue starts it within this time, even one that was stopped."""

WAITER = "waiter"
"""User property: token of the Airflow try that waits now; only that one may cancel."""


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

    ``tasks.stop`` is sent once: repeating it renews ``last_update``, and a dead node's job looks alive. Only
    an agent that had just taken the task out of its queue is asked again: it starts it whatever its status.
    A job that completes meanwhile stays completed. Nodes that an ended master left running are stopped too.

    Args:
        task_id: Which task; one that was deleted needs nothing.
        attempt: Nothing is done when another attempt is current.
        cause: Identifier kept in the user property ``stop_cause``.
        reason: Sentence kept in the user property ``stop_reason`` (ClearML overwrites its own).
        waiter: Nothing is done when another try waits; None: whoever waits.
        grace_s: Seconds that the agents have, all of them together.
        poll_s: Seconds between looks.

    Returns:
        Whether this call ended it; False: not ours, in no queue, deleted, or over already.
    """
    try:
        task = yield from calls.get_task(task_id)
        if not _is_ours(task, attempt, waiter):
            return False
        if not children.is_live(task):
            yield from _Cancelling(task, cause, reason, waiter, nodes_only=True).see_it_end(grace_s, poll_s)
            return False
        properties = {STOP_CAUSE: f"{attempt}:{cause}", STOP_REASON: reason}
        yield from creation.edit_hyperparams(task_id, properties=properties)
        is_still_ours = yield from _Cancelling(task, cause, reason, waiter).see_it_end(grace_s, poll_s)
        task = yield from calls.get_task(task_id)
        if is_still_ours and task.status.is_success:
            log.info("ClearML task %s completed before it could be stopped", task_id)
            yield from creation.edit_hyperparams(task_id, properties={STOP_CAUSE: "", STOP_REASON: ""})
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
            who = ", ".join("its agent" if e.id == self.master.id else children.describe(e) for e in live)
            log.warning(
                "ClearML task %s: %s did not stop it within %g s, ending it by force",
                self.master.id,
                who,
                grace_s,
            )
        for each in live:
            yield from children.end_by_force(each.id, reason=self.reason)
        return True

    def _live(self) -> Flow[list[TaskInfo] | None]:
        attempt = self.master.attempt
        nodes = yield from children.children_of_attempt(self.master.id, attempt)
        if self.nodes_only:
            return [node for node in nodes if children.is_live(node)]
        master = yield from calls.get_task(self.master.id)
        if not _is_ours(master, attempt, self.waiter):
            return None
        return [each for each in (master, *nodes) if children.is_live(each)]

    def _is_to_be_asked(self, each: TaskInfo) -> bool:
        """Once; again if it was queued then, but in an agent's hands, which started it all the same."""
        return self._asked.get(each.id) not in {each.status, TaskStatus.IN_PROGRESS}

    def _ask(self, each: TaskInfo) -> Flow[bool]:
        """Ask one to stop; True: an agent may start it yet."""
        is_taken = False
        if each.status is TaskStatus.QUEUED:
            is_taken = each.queue_id is None or not (yield from calls.withdraw(each.id, each.queue_id))
        self._asked[each.id] = each.status
        if each.id == self.master.id:
            yield from children.ignoring_races(calls.stop(each.id, reason=self.reason))
        else:
            reason = f"Its job was stopped: {self.reason}"
            yield from children.ask_to_stop(each, cause=self.cause, reason=reason)
        return is_taken


def adopt(task: TaskInfo, *, reason: str) -> Flow[TaskInfo]:
    """Declare an attempt completed whose results are there, though its agent never said so.

    Args:
        task: As just read.
        reason: What shows that it is done; kept as the task's status reason after ``adopted:``.

    Raises:
        ClearMLMovedError: Another attempt is current by now.
    """
    now = yield from calls.get_task(task.id)
    if now.attempt != task.attempt:
        raise ClearMLMovedError(
            f"ClearML task {task.id}: attempt {task.attempt} has results, but attempt {now.attempt} is "
            f"current. They came too late."
        )
    if not now.status.is_success:
        yield from calls.completed(task.id, reason=f"adopted: {reason}")
    log.info("ClearML task %s, attempt %d: was %s, adopted as completed", task.id, task.attempt, now.status)
    return (yield from calls.get_task(task.id, fields=calls.FULL_FIELDS))


def _is_ours(task: TaskInfo, attempt: int, waiter: str | None) -> bool:
    return task.attempt == attempt and (waiter is None or task.user_properties.get(WAITER) == waiter)
