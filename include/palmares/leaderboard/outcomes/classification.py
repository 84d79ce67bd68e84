"""From all that is known of an ended attempt to its outcome: whose fault, and whether to try again."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, cast

from palmares.contract import (
    EVALUATOR_CLASSES,
    MODEL_FAULTS,
    MODEL_LOADED,
    RESULTS_ARTIFACT,
    FailureClass,
    StopCause,
)
from palmares.leaderboard.outcomes.classes import SENTENCES, Decision
from palmares.leaderboard.outcomes.console import lines_of_attempt
from palmares.signatures import MACHINE, ONCE_LOADED, SCHEDULER, SIGNATURES, Found, find

NEARLY_ALL: Final = 0.95
"""A job that an agent's SIGTERM ended after this part of its wall time was ended by the wall time."""

DECISIVE_REPORTS: Final = EVALUATOR_CLASSES - {FailureClass.EVALUATOR_ERROR}
"""Reports of the evaluator that settle it; ``evaluator_error`` is vague: the console may show the cause."""
_EXIT_CODE: Final = re.compile(r"exit code (-?\d{1,6})\b")
_KILLED: Final = {-9, 137, 247}
_TERMINATED: Final = {-15, 143}
_LOST_REASONS: Final = (
    "non-responsive",
    "K8S glue error",
    "could not be re-enqueued",
    "moving to k8s pending queue",
)
_PREEMPTED_REASONS: Final = ("user abort", "Pod deleted")


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    """One node of a multi-node job."""

    status: str
    """ClearML's, or ``lost``."""
    status_reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Termination:
    """What is known of an ended attempt."""

    status: str
    """ClearML's."""
    succeeded: bool
    """ClearML calls it completed."""
    attempt: int = 1
    status_reason: str = ""
    stop_cause: str | None = None
    """Why, if we stopped it: ``node_lost, deadline, overtime, child_ended, killed, forced, orphan``."""
    reported: str = ""
    """What the evaluator reported (user property ``failure_class``)."""
    artifacts: frozenset[str] | None = None
    """Names; None: not known, and not asked for."""
    results_attempt: str = ""
    """User property: the attempt whose results the evaluator uploaded and read back."""
    console: Sequence[str] = ()
    """Last lines, oldest first."""
    children: Sequence[Child] = ()
    ran_s: float | None = None
    """Seconds in progress; 0: it never began; None: not known."""
    run_limit_s: float | None = None
    """Seconds that its plan allows; None: no limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptOutcome:
    """Whose fault it is, and what follows."""

    decision: Decision
    failure_class: FailureClass
    reason: str
    """English; reaches the request file and the logs, so it quotes nothing of the console."""
    reason_fr: str
    found: Found | None = None
    """The signature that decided and the line that shows it; None: status and causes decided."""


def classify(termination: Termination) -> AttemptOutcome:
    """Judge how one attempt ended; retry budgets are not looked at (`budgets.within_budget`)."""
    if termination.succeeded:
        return _of_success(termination)
    if termination.stop_cause == StopCause.FORCED:
        return _outcome(FailureClass.CANCELLED, "Another run asked for a new result.")
    if _has_results(termination) and not _was_stopped_by_a_person(termination):
        return _outcome(
            FailureClass.SUCCEEDED, "The results had arrived whole when the job's agent was lost."
        )
    lines = lines_of_attempt(termination.console, termination.attempt)
    return _of_our_stop(termination, lines) or _of_its_own(termination, lines)


def _of_success(termination: Termination) -> AttemptOutcome:
    if termination.artifacts is not None and RESULTS_ARTIFACT not in termination.artifacts:
        return _outcome(FailureClass.RESULTS_INCOMPLETE, "The job is called completed and left no results.")
    if termination.results_attempt not in {"", str(termination.attempt)}:
        return _outcome(
            FailureClass.RESULTS_INCOMPLETE,
            "The job is called completed, with results of an earlier attempt.",
        )
    return _outcome(FailureClass.SUCCEEDED, termination.status_reason)


def _has_results(termination: Termination) -> bool:
    names = termination.artifacts or frozenset()
    return RESULTS_ARTIFACT in names and termination.results_attempt == str(termination.attempt)


def _was_stopped_by_a_person(termination: Termination) -> bool:
    if termination.stop_cause == StopCause.KILLED:
        return True
    known = (*_LOST_REASONS, *_PREEMPTED_REASONS)
    is_explained = termination.stop_cause is not None or _names(termination.status_reason, known)
    return termination.status == "stopped" and not is_explained and not _never_began(termination)


def _never_began(termination: Termination) -> bool:
    """Tell whether it was stopped without a reason before it began: the k8s glue does so, no person does."""
    return termination.status == "stopped" and not termination.status_reason and termination.ran_s == 0


def _of_our_stop(termination: Termination, lines: Sequence[str]) -> AttemptOutcome | None:
    """Terminations that we brought about ourselves; None: we did not."""
    match termination.stop_cause:
        case StopCause.KILLED:
            return _outcome(FailureClass.CANCELLED, "Its Airflow task was marked as failed.")
        case StopCause.NODE_LOST:
            return _outcome(FailureClass.NODE_LOST, "The job's node gave no sign of life.")
        case StopCause.ORPHAN:  # nobody's fault: whoever waits for it now wants it again
            return _outcome(FailureClass.PREEMPTED, "Nobody waited for the job, so it was stopped.")
        case StopCause.OVERTIME:
            return _outcome(FailureClass.WALL_TIME)
        case StopCause.DEADLINE if termination.ran_s == 0:
            return _outcome(
                FailureClass.NODE_LOST,
                "No agent took the job from its queue before its deadline.",
                decision="fail",
            )
        case StopCause.DEADLINE:
            return _outcome(FailureClass.WALL_TIME)
        case StopCause.CHILD_ENDED:
            return _of_children(termination, lines)
    return None


def _of_children(termination: Termination, lines: Sequence[str]) -> AttemptOutcome:
    found = _find_cause(lines)
    if found is not None and found.signature.failure_class is not FailureClass.EVALUATOR_ERROR:
        return _by_signature(found)
    return _of_fallen_node(termination) or _outcome(
        FailureClass.EVALUATOR_ERROR, "One of the job's nodes failed: see its console in ClearML."
    )


def _of_fallen_node(termination: Termination) -> AttemptOutcome | None:
    """Decided by the node of a multi-node job that was lost or taken away; None: by none."""
    for child in termination.children:
        code = _exit_code(child.status_reason)
        if child.status == "lost" or code in _KILLED or _names(child.status_reason, _LOST_REASONS):
            return _outcome(FailureClass.NODE_LOST, "One of the job's nodes was lost.")
        if code in _TERMINATED or _names(child.status_reason, _PREEMPTED_REASONS):
            return _outcome(FailureClass.PREEMPTED, "One of the job's nodes was wanted back.")
    return None


def _of_its_own(termination: Termination, lines: Sequence[str]) -> AttemptOutcome:
    """Terminations that came from outside: the batch scheduler, the machine, the evaluator, a person."""
    if found := find(lines, SCHEDULER):
        return _by_signature(found)
    if _names(termination.status_reason, _LOST_REASONS):
        return _outcome(
            FailureClass.NODE_LOST, f"The job's node gave no sign of life ({termination.status_reason})."
        )
    if _names(termination.status_reason, _PREEMPTED_REASONS):
        if (
            termination.ran_s
            and termination.run_limit_s
            and termination.ran_s >= NEARLY_ALL * termination.run_limit_s
        ):
            return _outcome(FailureClass.WALL_TIME)
        return _outcome(FailureClass.PREEMPTED, "The job's agent was stopped.")
    if _never_began(termination):
        return _outcome(FailureClass.PREEMPTED, "The job was taken out of its queue before it began.")
    if termination.status == "stopped":
        return _outcome(FailureClass.CANCELLED, termination.status_reason)
    if found := find(lines, MACHINE):
        return _by_signature(found)
    if termination.reported in DECISIVE_REPORTS:
        return _outcome(FailureClass(termination.reported))
    return _of_failure(termination, lines)


def _of_failure(termination: Termination, lines: Sequence[str]) -> AttemptOutcome:
    """A failed process that named no cause of its own."""
    found = _find_cause(lines)
    if found is not None and found.signature.failure_class is not FailureClass.EVALUATOR_ERROR:
        return _by_signature(found)
    if (fallen := _of_fallen_node(termination)) is not None:  # the others fail for want of it
        return fallen
    code = _exit_code(termination.status_reason)
    if code in _KILLED:
        return _outcome(FailureClass.NODE_LOST, f"The job was killed ({termination.status_reason}).")
    if code in _TERMINATED:
        return _outcome(FailureClass.PREEMPTED, f"The job was told to stop ({termination.status_reason}).")
    if found is not None:
        return _by_signature(found)
    if code is not None and code < 0:
        return _outcome(
            FailureClass.EVALUATOR_ERROR, f"The evaluator crashed by signal {-code}: see the console."
        )
    why = termination.status_reason or termination.status
    return _outcome(
        FailureClass.EVALUATOR_ERROR, f"The evaluator failed ({why}): see the console in ClearML."
    )


def _find_cause(lines: Sequence[str]) -> Found | None:
    is_loaded = any(line.startswith(MODEL_LOADED) for line in lines)
    return find(lines, ONCE_LOADED if is_loaded else SIGNATURES)


def _names(reason: str, parts: Sequence[str]) -> bool:
    return any(part in reason for part in parts)


def _exit_code(reason: str) -> int | None:
    found = _EXIT_CODE.search(reason)
    return int(found.group(1)) if found else None


def _by_signature(found: Found) -> AttemptOutcome:
    return _outcome(found.signature.failure_class, found.signature.sentence, found=found)


def _outcome(
    failure_class: FailureClass,
    reason: str = "",
    *,
    decision: Decision | None = None,
    found: Found | None = None,
) -> AttemptOutcome:
    if failure_class in {FailureClass.SUCCEEDED, FailureClass.CANCELLED}:
        usual = cast("Decision", failure_class.value)
    else:
        usual = "skip" if failure_class in MODEL_FAULTS else "retry"
    sentences = SENTENCES[failure_class]
    return AttemptOutcome(
        decision=decision or usual,
        failure_class=failure_class,
        reason=reason or sentences.en,
        reason_fr=sentences.fr,
        found=found,
    )
