"""How one attempt is brought to its end by us: cancelled, with all its nodes, or adopted as completed."""

from __future__ import annotations

import logging

from clearml_provider import calls, children, creation
from clearml_provider.endings import STOP_CAUSE, STOP_REASON
from clearml_provider.exceptions import ClearMLMovedError, ClearMLNotFoundError
from clearml_provider.models import TaskInfo
from clearml_provider.wire import Flow, Pause

log = logging.getLogger(__name__)

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

    ``tasks.stop`` is sent once: repeating it renews ``last_update``, and a dead node's job looks alive. A job
    that completes meanwhile stays completed. Nodes that a master which had ended left running are stopped
    too.

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
        was_live = children.is_live(task)
        if was_live:
            properties = {STOP_CAUSE: f"{attempt}:{cause}", STOP_REASON: reason}
            yield from creation.edit_hyperparams(task_id, properties=properties)
            yield from children.ignoring_races(calls.stop(task_id, reason=reason))
        return (yield from _see_it_end(task, was_live, cause, reason, waiter, grace_s, poll_s))
    except ClearMLNotFoundError:
        log.info("ClearML task %s: deleted meanwhile, there is nothing to cancel", task_id)
        return False


def _see_it_end(
    task: TaskInfo, was_live: bool, cause: str, reason: str, waiter: str | None, grace_s: float, poll_s: float
) -> Flow[bool]:
    """Wait for the master and its nodes, those too that it launched to the last moment; then by force."""
    task_id, attempt = task.id, task.attempt
    asked: set[str] = set()
    waited_s = 0.0
    while True:
        if was_live:
            task = yield from calls.get_task(task_id)
            if not _is_ours(task, attempt, waiter):
                return False
        nodes = yield from children.children_of_attempt(task_id, attempt)
        live = [node for node in nodes if children.is_live(node)]
        for node in live:
            if node.id not in asked:
                asked.add(node.id)
                yield from children.ask_to_stop(node, cause=cause, reason=f"Its job was stopped: {reason}")
        if not children.is_live(task) and not live:
            break
        if waited_s >= grace_s:
            yield from _force(task, live, reason, grace_s)
            break
        yield Pause(min(poll_s, grace_s - waited_s))
        waited_s += poll_s
    if not was_live:
        return False
    task = yield from calls.get_task(task_id)
    if task.status.is_success and task.attempt == attempt:
        log.info("ClearML task %s completed before it could be stopped", task_id)
        yield from creation.edit_hyperparams(task_id, properties={STOP_CAUSE: "", STOP_REASON: ""})
        return False
    return task.status.is_terminal


def _force(task: TaskInfo, live: list[TaskInfo], reason: str, grace_s: float) -> Flow[None]:
    who = ", ".join([*(["its agent"] if children.is_live(task) else []), *map(children.describe, live)])
    log.warning("ClearML task %s: %s did not stop it within %g s, ending it by force", task.id, who, grace_s)
    for each in [*([task] if children.is_live(task) else []), *live]:
        yield from children.end_by_force(each.id, reason=reason)


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
