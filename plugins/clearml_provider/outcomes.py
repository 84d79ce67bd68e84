"""What an ending means and what to try next: the words in which a caller's policy is passed in.

The provider knows lifecycles; which failure deserves another attempt is the caller's business. A
*classifier* takes an `EndedTask` and returns an `Ending`; a *next-attempt function* takes both and returns
an `AttemptEdit`, or None when no further attempt makes sense. Both may be given as dotted paths.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal

from clearml_provider.console import ShowLine, shown
from clearml_provider.exceptions import ClearMLConfigError, ClearMLPolicyError
from clearml_provider.models import TaskStatus

if TYPE_CHECKING:
    from clearml_provider.models import TaskInfo


log = logging.getLogger(__name__)

Outcome = Literal["succeeded", "retry", "fail", "skip", "cancelled"]
CAUSE_NODE_LOST = "node_lost"
"""No sign of life for too long."""
CAUSE_DEADLINE = "deadline"
"""Not done in time, counted from its enqueueing."""
CAUSE_OVERTIME = "overtime"
"""Ran for longer than it may."""
CAUSE_CHILD = "child_ended"
"""A node of a multi-node job ended badly, so the whole job was stopped."""
CAUSE_MASTER_ENDED = "master_ended"
"""On a child: its master had ended, and it went on."""
CAUSE_KILLED = "killed"
"""A person marked or cleared the waiting task in Airflow."""
CAUSE_FORCED = "forced"
"""Another run asked for a new result."""
STOP_CAUSE = "stop_cause"
"""User property ``<attempt>:<cause>``: that attempt was stopped by us, and why."""
STOP_REASON = "stop_reason"
"""User property: the same in a sentence, because ClearML overwrites ``status_reason``."""
ENDINGS = "endings"
"""User property: JSON list of ``[attempt, failure class, note, queue]``, the endings that Airflow was told
of; older rows have the first two only."""
ATTEMPT_NOTE = "attempt_note"
"""User property: what is different in the current attempt, in words."""
ATTEMPT_QUEUE = "attempt_queue"
"""User property: name of the queue of the current attempt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """A classifier's verdict."""

    outcome: Outcome
    """succeeded: go on; retry: Airflow's retry makes the next attempt; fail: no retry; skip: skip what
    follows (nobody's failure); cancelled: a person's will, failed without retry."""
    failure_class: str
    """Short identifier, e.g. ``node_lost``; ``succeeded`` when it did."""
    reason: str
    """A sentence for people; it is logged, so it never quotes data: `TaskInfo.reason`, not its
    ``status_reason``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PastEnding:
    """How an earlier attempt ended."""

    attempt: int
    failure_class: str
    note: str = ""
    """What was different in it."""
    queue: str = ""
    """Name of its queue; empty: not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EndedTask:
    """Everything a classifier may look at."""

    info: TaskInfo
    """With hyperparameters and artifacts."""
    stop_cause: str | None
    """One of the ``CAUSE_`` constants if we stopped this attempt; None: it ended otherwise."""
    past: tuple[PastEnding, ...]
    """Endings of earlier attempts since the last fresh enqueue, oldest first: retry budgets count these."""
    log_lines: tuple[str, ...] = ()
    """Last lines of the console, for classifying only: they may quote hidden data. Empty after a success."""
    children: tuple[TaskInfo, ...] = ()
    """The attempt's other nodes, by rank, when the waiting operator has ``multi_node``; all have ended."""

    @property
    def attempt(self) -> int:
        return self.info.attempt

    def count(self, failure_class: str) -> int:
        """How many earlier attempts ended as *failure_class*."""
        return sum(1 for ending in self.past if ending.failure_class == failure_class)


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptEdit:
    """What to change on the ClearML task before it is enqueued again."""

    hyperparams: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Section → name → value; others stay."""
    user_properties: Mapping[str, str] = field(default_factory=dict)
    queue: str | None = None
    """Queue's name; None: where it was queued last."""
    note: str = ""
    """What is different, for the log."""


Classifier = Callable[[EndedTask], Ending]
NextAttempt = Callable[[EndedTask, Ending], AttemptEdit | None]


def classify_by_status(ended: EndedTask) -> Ending:
    """The default classifier: status and reason, as measured with clearml-agent 3.0 and server 2.3.

    A multi-node job whose master completed has succeeded, whatever its nodes say of their own end; one that
    was stopped because a node ended is judged by that node.
    """
    task = ended.info
    words = task.user_properties.get(STOP_REASON) or task.reason
    if task.status.is_success:
        return Ending(outcome="succeeded", failure_class="succeeded", reason=words)
    if ended.stop_cause == CAUSE_NODE_LOST:
        return Ending(outcome="retry", failure_class="node_lost", reason=words)
    if ended.stop_cause in {CAUSE_DEADLINE, CAUSE_OVERTIME}:
        return Ending(outcome="fail", failure_class="wall_time", reason=words)
    if ended.stop_cause == CAUSE_CHILD:
        outcome, failure_class = _guilty_nodes_ending(ended.children)
        return Ending(outcome=outcome, failure_class=failure_class, reason=words)
    if task.status is TaskStatus.STOPPED:
        if "non-responsive" in task.status_reason:  # the server's watchdog
            return Ending(outcome="retry", failure_class="node_lost", reason=words)
        if task.status_reason == "user abort":  # the agent got SIGTERM: its node was drained
            return Ending(outcome="retry", failure_class="preempted", reason=words)
        return Ending(outcome="cancelled", failure_class="cancelled", reason=words)
    return Ending(outcome="retry", failure_class="failed", reason=words)


def _guilty_nodes_ending(children: tuple[TaskInfo, ...]) -> tuple[Outcome, str]:
    """Of the nodes that we did not stop ourselves because of another one: lost before preempted before
    failed.

    When one node is lost the others soon fail for want of it: the lost one is the cause.
    """
    guilty = [child for child in children if stop_cause(child) not in {CAUSE_CHILD, CAUSE_MASTER_ENDED}]
    endings = [classify_by_status(ended_task(child)) for child in guilty]
    for failure_class in ("node_lost", "preempted", "failed", "cancelled"):
        for ending in endings:
            if ending.failure_class == failure_class:
                return ending.outcome, failure_class
    return "retry", "failed"


def same_again(ended: EndedTask, ending: Ending) -> AttemptEdit | None:
    """The default next attempt: nothing changed, the queue where it was last."""
    del ended, ending
    return AttemptEdit()


def ended_task(
    task: TaskInfo, log_lines: tuple[str, ...] = (), children: tuple[TaskInfo, ...] = ()
) -> EndedTask:
    """Put together what classifiers see."""
    past = tuple(e for e in past_endings(task) if e.attempt != task.attempt)
    return EndedTask(
        info=task, stop_cause=stop_cause(task), past=past, log_lines=log_lines, children=children
    )


def stop_cause(task: TaskInfo) -> str | None:
    """Why Airflow stopped the current attempt; None: it did not."""
    attempt, _, cause = task.user_properties.get(STOP_CAUSE, "").partition(":")
    return cause if cause and attempt == str(task.attempt) else None


def past_endings(task: TaskInfo) -> tuple[PastEnding, ...]:
    """Read the user property; one that a person mangled counts as empty."""
    try:
        rows = json.loads(task.user_properties.get(ENDINGS) or "[]")
        return tuple(
            PastEnding(
                attempt=int(a), failure_class=str(c), note=str((*more, "")[0]), queue=str((*more, "", "")[1])
            )
            for a, c, *more in rows
        )
    except (ValueError, TypeError):
        return ()


def was_reported(task: TaskInfo) -> bool:
    """Whether Airflow was already told how the current attempt ended."""
    return any(e.attempt == task.attempt for e in past_endings(task))


def attempts_so_far(task: TaskInfo) -> list[dict[str, Any]]:
    """The attempts since the last fresh enqueue, for people: what each followed, and what was different in
    it.

    Each is ``{"attempt", "after", "note", "queue"}``, *after* being the failure class of the one before; the
    current one has ``plan`` too, if the task has such a user property.
    """
    past = [e for e in past_endings(task) if e.attempt != task.attempt]
    properties = task.user_properties
    note, queue = properties.get(ATTEMPT_NOTE, ""), properties.get(ATTEMPT_QUEUE, "")
    this = PastEnding(attempt=task.attempt, failure_class="", note=note, queue=queue)
    rows: list[dict[str, Any]] = []
    after: str | None = None
    for each in [*past, this]:
        rows.append({"attempt": each.attempt, "after": after, "note": each.note, "queue": each.queue})
        after = each.failure_class
    if plan := properties.get("plan"):
        rows[-1]["plan"] = _plain(plan)
    return rows


def _plain(text: str) -> Any:
    """What JSON *text* stands for, or the text itself."""
    try:
        return json.loads(text)
    except ValueError:
        return text


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What an ending means, what to try next, and what of a console may be shown; functions or dotted
    paths."""

    classify: Classifier | str = classify_by_status
    next_attempt: NextAttempt | str = same_again
    show_line: ShowLine | str | None = None
    """None: every line."""

    def check(self) -> None:
        """Find the functions now, and not when a job of a day has ended.

        Raises:
            ClearMLConfigError: A dotted path leads nowhere.
        """
        for function in (self.classify, self.next_attempt, self.show_line):
            if function is not None:
                load_function(function)

    def ending(self, ended: EndedTask) -> Ending:
        """The classifier's verdict.

        Raises:
            ClearMLPolicyError: It raised, or returned something else.
        """
        ending: Ending = _checked(_call(self.classify, ended), Ending, self.classify)
        return ending

    def edit(self, ended: EndedTask, ending: Ending) -> AttemptEdit | None:
        """What to change for the next attempt; None: no further one makes sense.

        Raises:
            ClearMLPolicyError: The function raised, or returned something else.
        """
        edit: AttemptEdit | None = _call(self.next_attempt, ended, ending)
        return None if edit is None else _checked(edit, AttemptEdit, self.next_attempt)

    def shown(self, lines: Sequence[str]) -> list[str]:
        """*lines* as far as they may be shown; all are withheld, and it is said why, if the filter raises."""
        show = None if self.show_line is None else load_function(self.show_line)
        try:
            return shown(lines, show)
        except Exception as error:  # noqa: BLE001 - a filter must neither cost a job nor let a line slip
            log.error(  # noqa: TRY400 - its traceback may quote the line
                "%s raised %s: nothing of the console is shown. Correct it", _name(show), type(error).__name__
            )
            return [f"… {len(lines)} lines withheld"]


def _call(function: Callable[..., Any] | str, *arguments: Any) -> Any:
    function = load_function(function)
    try:
        return function(*arguments)
    except Exception as error:
        raise ClearMLPolicyError(
            f"{_name(function)} raised {type(error).__name__}: {error}. The job and its ending are kept as "
            f"they are: the next try asks again, or correct the function and clear this task."
        ) from error


def _checked(value: Any, kind: type[Any], function: Callable[..., Any] | str) -> Any:
    if isinstance(value, kind):
        return value
    raise ClearMLPolicyError(
        f"{_name(function)} returned {type(value).__name__}, expected {kind.__name__}. The job is kept as it "
        f"is: correct the function and clear this task."
    )


def _name(function: Callable[..., Any] | str | None) -> str:
    if isinstance(function, str) or function is None:
        return str(function)
    return f"{getattr(function, '__module__', '')}.{getattr(function, '__qualname__', repr(function))}"


def load_function(function: Callable[..., Any] | str) -> Callable[..., Any]:
    """The function itself, or what a dotted path names.

    Raises:
        ClearMLConfigError: There is nothing callable at that path.
    """
    if callable(function):
        return function
    module, _, name = function.rpartition(".")
    try:
        found = getattr(import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise ClearMLConfigError(f"Cannot import {function!r}: {error}") from error
    if not callable(found):
        raise ClearMLConfigError(f"{function!r} is a {type(found).__name__}, expected a function.")
    return found  # type: ignore[no-any-return]
