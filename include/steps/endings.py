"""What an ended ClearML task means for a leaderboard: whose fault, and whether to try again.

The table is plain: node loss and preemption are told from ClearML's own reasons, the model's faults from what
the evaluator said of itself (user property ``failure_class``).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from include.steps.services import Services
from include.store.store import EvaluationState

Outcome = Literal["succeeded", "retry", "skip", "fail", "cancelled"]

BEFORE_THE_QUEUE = frozenset({EvaluationState.CLAIMED, EvaluationState.PLANNED, EvaluationState.FAILED})
MODELS_FAULT = frozenset({"gated", "not_found", "incompatible", "bad_model"})

SENTENCES = {
    "gated": "The model is gated and the leaderboard has no access. Grant it access, then submit again.",
    "not_found": "The model is no longer on the Hub. Restore it, then submit again.",
    "incompatible": "The evaluator cannot load this architecture. Check config.json.",
    "bad_model": "The model's files could not be loaded. Check that they load with transformers.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class EndingVerdict:
    """What to do about an ending."""

    outcome: Outcome
    failure_class: str
    reason: str


def classify_ending(
    *,
    succeeded: bool,
    status: str,
    status_reason: str,
    stop_cause: str | None,
    user_properties: Mapping[str, str],
) -> EndingVerdict:
    """Judge an ended ClearML task.

    Args:
        succeeded: ClearML calls it completed.
        status: ClearML's.
        status_reason: ClearML's sentence for it.
        stop_cause: ``node_lost`` or ``deadline`` if we stopped it ourselves, and why.
        user_properties: The task's; ``failure_class`` is the evaluator's own word.
    """
    said = user_properties.get("failure_class", "")
    if succeeded:
        return EndingVerdict(outcome="succeeded", failure_class="succeeded", reason=status_reason)
    if stop_cause == "deadline":
        return EndingVerdict(
            outcome="retry", failure_class="wall_time", reason="The job outlived its wall time."
        )
    if stop_cause == "node_lost" or "non-responsive" in status_reason:
        return EndingVerdict(
            outcome="retry", failure_class="node_lost", reason="The job's node gave no sign of life."
        )
    if status_reason == "user abort":  # the agent got SIGTERM
        return EndingVerdict(
            outcome="retry", failure_class="preempted", reason="The job's agent was stopped."
        )
    if status == "stopped":
        return EndingVerdict(
            outcome="cancelled", failure_class="cancelled", reason=status_reason or "Stopped in ClearML."
        )
    if said in MODELS_FAULT:
        return EndingVerdict(outcome="skip", failure_class=said, reason=SENTENCES[said])
    if said == "out_of_memory":
        return EndingVerdict(outcome="retry", failure_class=said, reason="The job ran out of memory.")
    if "exit code -" in status_reason:
        return EndingVerdict(
            outcome="retry", failure_class="node_lost", reason=f"The job was killed ({status_reason})."
        )
    return EndingVerdict(
        outcome="retry",
        failure_class="evaluator_error",
        reason=f"The evaluator failed ({status_reason or status}): see the console in ClearML.",
    )


def record_enqueued(services: Services, job_key: str, clearml_task_id: str) -> None:
    """Note which ClearML task runs a submission's job; late news never takes an evaluation back."""
    evaluation = services.store.get(job_key)
    is_before = evaluation is not None and evaluation.state in BEFORE_THE_QUEUE
    services.store.update(
        job_key, state=EvaluationState.ENQUEUED if is_before else None, clearml_task_id=clearml_task_id
    )


def record_ending(
    services: Services,
    verdict: EndingVerdict,
    *,
    clearml_task_id: str,
    attempt: int,
    user_properties: Mapping[str, str],
) -> None:
    """Keep an attempt and its ending; a model's fault and a cancellation settle the evaluation."""
    job_key = user_properties["idempotency_key"]
    plan = json.loads(user_properties.get("plan") or "{}")
    store = services.store
    store.record_attempt(job_key, attempt=attempt, clearml_task_id=clearml_task_id, plan=plan)
    store.end_attempt(job_key, attempt=attempt, failure_class=verdict.failure_class, reason=verdict.reason)
    if verdict.outcome == "succeeded":
        store.update(job_key, state=EvaluationState.ENQUEUED, clearml_task_id=clearml_task_id)
        return
    settled = {"skip": EvaluationState.REFUSED, "cancelled": EvaluationState.CANCELLED}.get(verdict.outcome)
    store.update(
        job_key,
        state=settled,
        failure_class=verdict.failure_class,
        reason_code=verdict.failure_class,
        reason=verdict.reason,
    )
