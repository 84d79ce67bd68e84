"""How long an attempt may take, run and be silent, and how it is stopped when it does so for longer."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from clearml_provider import children
from clearml_provider.attempts import ENQUEUED_AT
from clearml_provider.endings import (
    CAUSE_CHILD,
    CAUSE_DEADLINE,
    CAUSE_NODE_LOST,
    CAUSE_OVERTIME,
    STOP_REASON,
)
from clearml_provider.exceptions import ClearMLConfigError
from clearml_provider.models import TaskInfo
from clearml_provider.stopping import cancel
from clearml_provider.wire import Flow

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


def stop_for(event: Mapping[str, Any], task: TaskInfo, limits: Limits, *, grace_s: float) -> Flow[bool]:
    """Stop *task*'s attempt for what the trigger's *event* says of it, and note why in words.

    Returns:
        As `clearml_provider.stopping.cancel`.
    """
    cause = CAUSES[event["status"]]
    reason = _why(cause, task, limits)
    if cause == CAUSE_CHILD:
        nodes = yield from children.children_of_attempt(task.id, task.attempt)
        node = next((n for n in nodes if n.id == event.get("child_id")), None)
        reason = _why_node(event, node)
        if node is not None and event.get("child_status") == "lost" and not node.status.is_terminal:
            yield from children.mark(node, cause=CAUSE_NODE_LOST, reason=_silence(node))
    children.log.warning("ClearML task %s, attempt %d: %s", task.id, task.attempt, reason)
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
    words = {"true": True, "1": True, "false": False, "0": False, "": False, "none": False}
    try:
        return words[str(value).lower()]
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
        return f"{children.describe(node)} is lost: {_silence(node)}"
    words = node.user_properties.get(STOP_REASON) or node.reason
    return f"{children.describe(node)} {status}: {words or 'no reason given'}"


def _silence(task: TaskInfo) -> str:
    return f"no sign of life from {task.last_worker or 'its worker'} for {task.silent_s or 0:.0f} s"
