"""From all that is known of an ended job to what its ending means: whose fault, and whether to try again."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, cast

from palmares.contract import MODEL_LOADED, RESULTS_ARTIFACT
from palmares.leaderboard.outcomes.classes import MODELS_FAULT, SENTENCES, FailureClass, Outcome
from palmares.leaderboard.outcomes.console import lines_of_attempt
from palmares.leaderboard.outcomes.signatures import (
    MACHINE,
    ONCE_LOADED,
    SCHEDULER,
    SIGNATURES,
    Signature,
    find_signature,
)

NEARLY_ALL: Final = 0.95
"""A job that an agent's SIGTERM ended after this part of its wall time was ended by the wall time."""

EVALUATORS_WORDS: Final = MODELS_FAULT | {"out_of_memory", "results_incomplete", "node_lost"}
"""Words of the evaluator that settle it; ``evaluator_error`` is vague: the console may know the cause."""
_EXIT_CODE: Final = re.compile(r"exit code (-?\d{1,6})\b")
_KILLED: Final = {-9, 137}
_TERMINATED: Final = {-15, 143}
_LOST_REASONS: Final = ("non-responsive", "K8S glue error", "could not be re-enqueued")
_PREEMPTED_REASONS: Final = ("user abort", "Pod deleted")


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    """One node of a multi-node job."""

    status: str
    """ClearML's, or ``lost``."""
    status_reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobEnding:
    """What is known of an ended job."""

    status: str
    """ClearML's."""
    succeeded: bool
    """ClearML calls it completed."""
    attempt: int = 1
    status_reason: str = ""
    stop_cause: str | None = None
    """Why, if we stopped it: ``node_lost, deadline, overtime, child_ended, killed, forced, orphan``."""
    said: str = ""
    """The evaluator's own word (user property ``failure_class``)."""
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
class Verdict:
    """What an ending means."""

    outcome: Outcome
    failure_class: FailureClass
    reason: str
    """English; reaches the request file and the logs, so it quotes nothing of the console."""
    reason_fr: str
    source: str | None = None
    """Of the signature that decided; None: it was told from status and causes."""


def classify_job_ending(ending: JobEnding) -> Verdict:
    """Judge one ending; retry budgets are not looked at (`budgets.within_budget`)."""
    if ending.succeeded:
        return _of_success(ending)
    if ending.stop_cause == "forced":
        return _verdict("cancelled", "Another run asked for a new result.")
    if _has_results(ending) and not _was_stopped_by_a_person(ending):
        return _verdict("succeeded", "The results had arrived whole when the job's agent was lost.")
    lines = lines_of_attempt(ending.console, ending.attempt)
    return _of_our_stop(ending, lines) or _of_its_own(ending, lines)


def _of_success(ending: JobEnding) -> Verdict:
    if ending.artifacts is not None and RESULTS_ARTIFACT not in ending.artifacts:
        return _verdict("results_incomplete", "The job is called completed and left no results.")
    return _verdict("succeeded", ending.status_reason)


def _has_results(ending: JobEnding) -> bool:
    names = ending.artifacts or frozenset()
    return RESULTS_ARTIFACT in names and ending.results_attempt == str(ending.attempt)


def _was_stopped_by_a_person(ending: JobEnding) -> bool:
    if ending.stop_cause == "killed":
        return True
    known = (*_LOST_REASONS, *_PREEMPTED_REASONS)
    is_explained = ending.stop_cause is not None or any(part in ending.status_reason for part in known)
    return ending.status == "stopped" and not is_explained


def _of_our_stop(ending: JobEnding, lines: Sequence[str]) -> Verdict | None:
    """Endings that we brought about ourselves; None: we did not."""
    match ending.stop_cause:
        case "killed":
            return _verdict("cancelled", "Its Airflow task was marked as failed.")
        case "node_lost":
            return _verdict("node_lost", "The job's node gave no sign of life.")
        case "orphan":  # nobody's fault: whoever waits for it now wants it again
            return _verdict("preempted", "Nobody waited for the job, so it was stopped.")
        case "overtime":
            return _verdict("wall_time")
        case "deadline" if ending.ran_s == 0:
            return _verdict(
                "node_lost", "No agent took the job from its queue before its deadline.", outcome="fail"
            )
        case "deadline":
            return _verdict("wall_time")
        case "child_ended":
            return _of_children(ending, lines)
    return None


def _of_children(ending: JobEnding, lines: Sequence[str]) -> Verdict:
    found = _signature_of(lines)
    if found is not None and found.failure_class != "evaluator_error":
        return _by_signature(found)
    return _of_fallen_node(ending) or _verdict(
        "evaluator_error", "One of the job's nodes failed: see its console in ClearML."
    )


def _of_fallen_node(ending: JobEnding) -> Verdict | None:
    """Told by the node of a multi-node job that was lost or taken away; None: by none."""
    for child in ending.children:
        code = _exit_code(child.status_reason)
        if child.status == "lost" or code in _KILLED or _says(child.status_reason, _LOST_REASONS):
            return _verdict("node_lost", "One of the job's nodes was lost.")
        if code in _TERMINATED or _says(child.status_reason, _PREEMPTED_REASONS):
            return _verdict("preempted", "One of the job's nodes was wanted back.")
    return None


def _of_its_own(ending: JobEnding, lines: Sequence[str]) -> Verdict:
    """Endings that came from outside: the batch scheduler, the machine, the evaluator, a person."""
    if found := find_signature(lines, SCHEDULER):
        return _by_signature(found)
    if _says(ending.status_reason, _LOST_REASONS):
        return _verdict("node_lost", f"The job's node gave no sign of life ({ending.status_reason}).")
    if _says(ending.status_reason, _PREEMPTED_REASONS):  # the agent got SIGTERM, or its pod was taken away
        if ending.ran_s and ending.run_limit_s and ending.ran_s >= NEARLY_ALL * ending.run_limit_s:
            return _verdict("wall_time")
        return _verdict("preempted", "The job's agent was stopped.")
    if ending.status == "stopped":
        return _verdict("cancelled", ending.status_reason)
    if found := find_signature(lines, MACHINE):
        return _by_signature(found)
    if ending.said in EVALUATORS_WORDS:
        return _verdict(cast("FailureClass", ending.said))
    return _of_failure(ending, lines)


def _of_failure(ending: JobEnding, lines: Sequence[str]) -> Verdict:
    """A failed process that named no cause of its own."""
    found = _signature_of(lines)
    if found is not None and found.failure_class != "evaluator_error":
        return _by_signature(found)
    if (fallen := _of_fallen_node(ending)) is not None:  # the others fail for want of it
        return fallen
    code = _exit_code(ending.status_reason)
    if code in _KILLED:
        return _verdict("node_lost", f"The job was killed ({ending.status_reason}).")
    if code in _TERMINATED:
        return _verdict("preempted", f"The job was told to stop ({ending.status_reason}).")
    if found is not None:
        return _by_signature(found)
    if code is not None and code < 0:
        return _verdict("evaluator_error", f"The evaluator crashed by signal {-code}: see the console.")
    why = ending.status_reason or ending.status
    return _verdict("evaluator_error", f"The evaluator failed ({why}): see the console in ClearML.")


def _signature_of(lines: Sequence[str]) -> Signature | None:
    is_loaded = any(line.startswith(MODEL_LOADED) for line in lines)
    return find_signature(lines, ONCE_LOADED if is_loaded else SIGNATURES)


def _says(reason: str, parts: Sequence[str]) -> bool:
    return any(part in reason for part in parts)


def _exit_code(reason: str) -> int | None:
    found = _EXIT_CODE.search(reason)
    return int(found.group(1)) if found else None


def _by_signature(signature: Signature) -> Verdict:
    return _verdict(signature.failure_class, signature.sentence, source=signature.source)


def _verdict(
    failure_class: FailureClass,
    reason: str = "",
    *,
    outcome: Outcome | None = None,
    source: str | None = None,
) -> Verdict:
    if failure_class in {"succeeded", "cancelled"}:
        usual: Outcome = cast("Outcome", failure_class)
    else:
        usual = "skip" if failure_class in MODELS_FAULT else "retry"
    words = SENTENCES[failure_class]
    return Verdict(
        outcome=outcome or usual,
        failure_class=failure_class,
        reason=reason or words.en,
        reason_fr=words.fr,
        source=source,
    )
