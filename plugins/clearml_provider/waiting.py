"""What one waiting trigger makes of each look: nothing, a line for its log, something to do, or an ending."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from clearml_provider.exceptions import ClearMLError
from clearml_provider.looks import Seen, may_pass
from clearml_provider.models import TaskInfo
from clearml_provider.poller import Look
from clearml_provider.status import TaskStatus

LOST, DEADLINE, OVERTIME = "lost", "deadline", "overtime"
SUPERSEDED, CHILD_ENDED = "superseded", "child_ended"

FIRST_LOOK_S = 60.0
"""How long a deadline that is over already waits for the first look, which may show that the job is done."""
_MISSED_LOOKS = 2
"""An agent that has just taken a task has not said so yet: only the second look into the queues counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """What the trigger has to do, in this order."""

    lines: tuple[str, ...] = ()
    """For the log."""
    warning: str | None = None
    put_back: bool = False
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

    _looked: bool = False
    _reachable_at: float | None = None
    _away: bool = False
    _shown: tuple[int, str] | None = None
    _shown_children: dict[str, str] | None = None
    _missed: int = 0

    def patience_s(self) -> float | None:
        """Seconds until something must happen even if there are no news; None: no limit."""
        if self.deadline is None:
            return None
        return max(self.deadline - time.time(), 0.0 if self._looked else FIRST_LOOK_S)

    def is_late(self) -> bool:
        return self.deadline is not None and time.time() >= self.deadline

    def see(self, look: Look) -> News | None:
        """Judge a look; None: nothing to tell."""
        self._looked = True
        if isinstance(look.seen, Exception):
            return self._see_problem(look.seen)
        self._reachable_at = time.monotonic()
        lines = [*self._back(), *self._changes(look.seen, look.children)]
        unknown = next((child for child in look.children if isinstance(child, Exception)), None)
        if unknown is not None:
            return News(lines=tuple(lines), error=unknown)
        payload = self._judge(look.seen, look.children)
        put_back = payload is None and self._fell_out(look.seen, look.in_queue)
        if lines or payload or put_back:
            return News(lines=tuple(lines), put_back=put_back, payload=payload)
        return None

    def event(self, status: str, **more: str) -> dict[str, Any]:
        return {"task_id": self.task_id, "attempt": self.attempt, "status": status, **more}

    def _see_problem(self, problem: Exception) -> News | None:
        if not may_pass(problem):
            return News(error=problem)
        now = time.monotonic()
        if self._reachable_at is None:
            self._reachable_at = now
        if self.is_late():
            return News(payload=self.event(DEADLINE))
        if now - self._reachable_at > self.max_outage_s:
            return News(error=problem)
        if self._away:
            return None
        self._away = True
        return News(warning=f"ClearML is away, waiting on for up to {self.max_outage_s:g} s: {problem}")

    def _back(self) -> list[str]:
        if not self._away:
            return []
        self._away = False
        return ["ClearML is back"]

    def _changes(self, task: TaskInfo, children: Sequence[Seen]) -> list[str]:
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

    def _judge(self, task: TaskInfo, children: Sequence[Seen]) -> dict[str, Any] | None:
        """The event's payload; None: wait on."""
        if task.attempt != self.attempt:
            return self.event(SUPERSEDED)
        if task.status.is_terminal:
            return self.event(task.status.value)
        if task.status is TaskStatus.CREATED:  # a person reset or dequeued it: nobody will run it
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
            if self._missed >= _MISSED_LOOKS:
                self._missed = 0  # should it fall out again, it is put back again
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
