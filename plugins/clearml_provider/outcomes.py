"""How an attempt terminated, what that means, and what to try next: the types of a caller's policy.

The provider knows lifecycles; which failure deserves another attempt is the caller's business. A
*classifier* takes a `Termination` and returns an `AttemptOutcome`. It is asked once an attempt: its answer is
kept on the ClearML task, and asked for again only if what it was given has changed since. A *next-attempt
function* takes both and returns an `AttemptEdit`, or None when no further attempt makes sense. All functions
may be given as dotted paths.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal

from clearml_provider.console import ShowLine, shown
from clearml_provider.exceptions import ClearMLConfigError, ClearMLPolicyError
from clearml_provider.models import RESERVED_PROPERTIES, TaskStatus

if TYPE_CHECKING:
    from clearml_provider.models import TaskInfo


log = logging.getLogger(__name__)

Decision = Literal["succeeded", "retry", "fail", "skip", "cancelled"]
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
OUTCOMES = "endings"
"""User property: JSON list of ``[attempt, failure class, note, queue]``, the outcomes that Airflow knows;
older rows have the first two only."""
LAST_OUTCOME = "last_outcome"
"""User property: JSON of the newest row\'s decision and reason, and of `facts_of` the task at that time."""
ATTEMPT_NOTE = "attempt_note"
"""User property: what is different in the current attempt, as a sentence."""
ATTEMPT_QUEUE = "attempt_queue"
"""User property: name of the queue of the current attempt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptOutcome:
    """A classifier's answer."""

    decision: Decision
    """succeeded: go on; retry: Airflow's retry makes the next attempt; fail: no retry; skip: skip what
    follows (nobody's failure); cancelled: a person's will, failed without retry."""
    failure_class: str
    """Short identifier, e.g. ``node_lost``; ``succeeded`` when it did."""
    reason: str
    """A sentence for people; it is logged, so it never quotes data: `TaskInfo.reason`, not its
    ``status_reason``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PastOutcome:
    """How an earlier attempt ended."""

    attempt: int
    failure_class: str
    note: str = ""
    """What was different in it."""
    queue: str = ""
    """Name of its queue; empty: not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Termination:
    """Everything a classifier may read."""

    info: TaskInfo
    """With hyperparameters and artifacts."""
    stop_cause: str | None
    """One of the ``CAUSE_`` constants if we stopped this attempt; None: it ended otherwise."""
    past: tuple[PastOutcome, ...]
    """Outcomes of earlier attempts since the last fresh enqueue, oldest first: retry budgets count these."""
    log_lines: tuple[str, ...] = ()
    """Last lines of the console, for classifying only: they may quote hidden data. Empty after a success, and
    for a next-attempt function whose attempt an earlier try classified."""
    children: tuple[TaskInfo, ...] = ()
    """The attempt's other nodes, by rank, when the waiting operator has ``multi_node``; all have ended."""

    @property
    def attempt(self) -> int:
        return self.info.attempt

    def count(self, failure_class: str) -> int:
        """How many earlier attempts ended as *failure_class*."""
        return sum(1 for outcome in self.past if outcome.failure_class == failure_class)


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


Classifier = Callable[[Termination], AttemptOutcome]
NextAttempt = Callable[[Termination, AttemptOutcome], AttemptEdit | None]
OnOutcome = Callable[[Termination, AttemptOutcome], None]


def classify_by_status(termination: Termination) -> AttemptOutcome:
    """The default classifier: status and reason, as measured with clearml-agent 3.0 and server 2.3.

    A multi-node job whose master completed has succeeded, whatever its nodes report of their end; one that
    was stopped because a node ended is judged by that node.
    """
    task = termination.info
    reason = task.user_properties.get(STOP_REASON) or task.reason
    if task.status.is_success:
        return AttemptOutcome(decision="succeeded", failure_class="succeeded", reason=reason)
    if termination.stop_cause == CAUSE_NODE_LOST:
        return AttemptOutcome(decision="retry", failure_class="node_lost", reason=reason)
    if termination.stop_cause in {CAUSE_DEADLINE, CAUSE_OVERTIME}:
        return AttemptOutcome(decision="fail", failure_class="wall_time", reason=reason)
    if termination.stop_cause == CAUSE_CHILD:
        decision, failure_class = _outcome_of_nodes(termination.children)
        return AttemptOutcome(decision=decision, failure_class=failure_class, reason=reason)
    if task.status is TaskStatus.STOPPED:
        if "non-responsive" in task.status_reason:  # the server's watchdog
            return AttemptOutcome(decision="retry", failure_class="node_lost", reason=reason)
        if task.status_reason == "user abort":  # the agent got SIGTERM: its node was drained
            return AttemptOutcome(decision="retry", failure_class="preempted", reason=reason)
        return AttemptOutcome(decision="cancelled", failure_class="cancelled", reason=reason)
    return AttemptOutcome(decision="retry", failure_class="failed", reason=reason)


def _outcome_of_nodes(children: tuple[TaskInfo, ...]) -> tuple[Decision, str]:
    """Of the nodes that we did not stop ourselves because of another one: lost before preempted before
    failed.

    When one node is lost the others soon fail for want of it: the lost one is the cause.
    """
    guilty = [child for child in children if stop_cause(child) not in {CAUSE_CHILD, CAUSE_MASTER_ENDED}]
    outcomes = [classify_by_status(termination_of(child)) for child in guilty]
    for failure_class in ("node_lost", "preempted", "failed", "cancelled"):
        for outcome in outcomes:
            if outcome.failure_class == failure_class:
                return outcome.decision, failure_class
    return "retry", "failed"


def same_again(termination: Termination, outcome: AttemptOutcome) -> AttemptEdit | None:
    """The default next attempt: nothing changed, the queue where it was last."""
    del termination, outcome
    return AttemptEdit()


def termination_of(
    task: TaskInfo, log_lines: tuple[str, ...] = (), children: tuple[TaskInfo, ...] = ()
) -> Termination:
    """Put together what classifiers see."""
    past = tuple(e for e in past_outcomes(task) if e.attempt != task.attempt)
    return Termination(
        info=task, stop_cause=stop_cause(task), past=past, log_lines=log_lines, children=children
    )


def stop_cause(task: TaskInfo) -> str | None:
    """Why Airflow stopped the current attempt; None: it did not."""
    attempt, _, cause = task.user_properties.get(STOP_CAUSE, "").partition(":")
    return cause if cause and attempt == str(task.attempt) else None


def past_outcomes(task: TaskInfo) -> tuple[PastOutcome, ...]:
    """Read the user property; one that a person mangled counts as empty."""
    try:
        rows = json.loads(task.user_properties.get(OUTCOMES) or "[]")
        return tuple(
            PastOutcome(
                attempt=int(a), failure_class=str(c), note=str((*more, "")[0]), queue=str((*more, "", "")[1])
            )
            for a, c, *more in rows
        )
    except (ValueError, TypeError):
        return ()


def was_reported(task: TaskInfo) -> bool:
    """Whether Airflow knows already how the current attempt ended."""
    return any(e.attempt == task.attempt for e in past_outcomes(task))


def kept_outcome(task: TaskInfo) -> AttemptOutcome | None:
    """The current attempt's outcome as an earlier try kept it; None: none, or *task* has changed since."""
    try:
        kept = json.loads(task.user_properties.get(LAST_OUTCOME) or "{}")
        if (kept["attempt"], kept["facts"]) != (task.attempt, facts_of(task)):
            return None
        return AttemptOutcome(
            decision=kept["decision"], failure_class=kept["failure_class"], reason=kept["reason"]
        )
    except (ValueError, TypeError, KeyError):
        return None


def outcome_properties(task: TaskInfo, outcome: AttemptOutcome) -> dict[str, str]:
    """The user properties that keep *outcome* of the current attempt."""
    past = [e for e in past_outcomes(task) if e.attempt != task.attempt]
    properties = task.user_properties
    note, queue = properties.get(ATTEMPT_NOTE, ""), properties.get(ATTEMPT_QUEUE, "")
    rows = [[e.attempt, e.failure_class, e.note, e.queue] for e in past]
    kept = {"attempt": task.attempt, **asdict(outcome), "facts": facts_of(task)}
    return {
        OUTCOMES: json.dumps([*rows, [task.attempt, outcome.failure_class, note, queue]]),
        LAST_OUTCOME: json.dumps(kept),
    }


def facts_of(task: TaskInfo) -> str:
    """A hash of what a classifier reads of *task*: status, artifacts, user properties but the provider's."""
    facts = [
        task.status.value,
        task.status_changed.isoformat() if task.status_changed else "",
        sorted((artifact.key, artifact.sha256 or "") for artifact in task.artifacts),
        sorted(item for item in task.user_properties.items() if item[0] not in RESERVED_PROPERTIES),
    ]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]


def attempts_so_far(task: TaskInfo) -> list[dict[str, Any]]:
    """The attempts since the last fresh enqueue, for people: what each followed, and what was different in
    it.

    Each is ``{"attempt", "after", "note", "queue"}``, *after* being the failure class of the one before; the
    current one has ``plan`` too, if the task has such a user property.
    """
    past = [e for e in past_outcomes(task) if e.attempt != task.attempt]
    properties = task.user_properties
    note, queue = properties.get(ATTEMPT_NOTE, ""), properties.get(ATTEMPT_QUEUE, "")
    this = PastOutcome(attempt=task.attempt, failure_class="", note=note, queue=queue)
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
    """What an outcome means, what to try next, and what of a console may be shown; functions or dotted
    paths."""

    classify: Classifier | str = classify_by_status
    next_attempt: NextAttempt | str = same_again
    on_outcome: OnOutcome | str | None = None
    show_line: ShowLine | str | None = None
    """None: every line."""

    def check(self) -> None:
        """Find the functions now, and not when a job of a day has ended.

        Raises:
            ClearMLConfigError: A dotted path leads nowhere.
        """
        for function in (self.classify, self.next_attempt, self.on_outcome, self.show_line):
            if function is not None:
                load_function(function)

    def outcome(self, termination: Termination) -> AttemptOutcome:
        """The classifier's answer.

        Raises:
            ClearMLPolicyError: It raised, or returned something else.
        """
        outcome: AttemptOutcome = _checked(_call(self.classify, termination), AttemptOutcome, self.classify)
        return outcome

    def publish(self, termination: Termination, outcome: AttemptOutcome) -> None:
        """Hand a new outcome to the caller.

        Raises:
            ClearMLPolicyError: The function raised.
        """
        if self.on_outcome is not None:
            _call(self.on_outcome, termination, outcome)

    def edit(self, termination: Termination, outcome: AttemptOutcome) -> AttemptEdit | None:
        """What to change for the next attempt; None: no further one makes sense.

        Raises:
            ClearMLPolicyError: The function raised, or returned something else.
        """
        edit: AttemptEdit | None = _call(self.next_attempt, termination, outcome)
        return None if edit is None else _checked(edit, AttemptEdit, self.next_attempt)

    def shown(self, lines: Sequence[str]) -> list[str]:
        """*lines* as far as they may be shown; all are withheld, with the reason, if the filter raises."""
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
            f"{_name(function)} raised {type(error).__name__}: {error}. The job and its outcome are kept as "
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
