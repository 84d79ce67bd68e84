"""What an ended ClearML task means for the leaderboard, what its next attempt changes, what is kept of it."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import takewhile

from pydantic import ValidationError

from palmares.contract import FailureClass
from palmares.leaderboard.errors import LeaderboardError
from palmares.leaderboard.outcomes import (
    AttemptOutcome,
    Child,
    Decision,
    Termination,
    classify,
    within_budget,
)
from palmares.leaderboard.planning import JobPlan
from palmares.leaderboard.planning.fallback import describe_change, next_plan
from palmares.leaderboard.planning.model_config import ModelConfig
from palmares.leaderboard.planning.plan import plan_parameters
from palmares.leaderboard.planning.reading import read_model_config
from palmares.steps.services import Services
from palmares.steps.sweep.planning import compact
from palmares.store.store import Attempt, EvaluationState

log = logging.getLogger(__name__)

BEFORE_THE_QUEUE = frozenset({EvaluationState.CLAIMED, EvaluationState.PLANNED, EvaluationState.FAILED})
ANOTHER_PLAN = frozenset({"out_of_memory", "wall_time"})
"""Classes that the same plan would end in again."""
RUN_LIMIT_S = "run_limit_s"
"""User property: seconds that the current attempt may be in progress; overrides what the DAG says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NextStep:
    """What a next attempt changes on the ClearML task."""

    hyperparameters: Mapping[str, str] = field(default_factory=dict)
    """Of section ``General``."""
    user_properties: Mapping[str, str] = field(default_factory=dict)
    queue: str | None = None
    """None: where it was."""
    note: str
    """In words, for people."""


def classify_task(
    *,
    succeeded: bool,
    status: str,
    status_reason: str,
    stop_cause: str | None,
    user_properties: Mapping[str, str],
    artifacts: Iterable[str] | None = None,
    console: Sequence[str] = (),
    children: Sequence[Child] = (),
    ran_s: float | None = None,
) -> AttemptOutcome:
    """Judge an ended ClearML task by what is on it; budgets are not looked at.

    Args:
        succeeded: ClearML calls it completed.
        status: ClearML's.
        status_reason: ClearML's sentence for it.
        stop_cause: Why we stopped it, if we did.
        user_properties: The task's: ``attempt``, ``failure_class`` (the evaluator's own word),
            ``results_attempt`` and ``run_limit_s`` are read.
        artifacts: Names; None: not known.
        console: Last lines, oldest first.
        children: Other nodes of a multi-node job, without those that were stopped because it ended.
        ran_s: Seconds in progress; None: not known.
    """
    attempt, limit = user_properties.get("attempt", ""), user_properties.get(RUN_LIMIT_S, "")
    return classify(
        Termination(
            status=status,
            succeeded=succeeded,
            attempt=int(attempt) if attempt.isdecimal() else 1,
            status_reason=status_reason,
            stop_cause=stop_cause,
            reported=user_properties.get("failure_class", ""),
            artifacts=None if artifacts is None else frozenset(artifacts),
            results_attempt=user_properties.get("results_attempt", ""),
            console=console,
            children=children,
            ran_s=ran_s,
            run_limit_s=float(limit) if limit.isdecimal() else None,
        )
    )


def bounded(
    services: Services,
    outcome: AttemptOutcome,
    *,
    count: Callable[[str], int],
    user_properties: Mapping[str, str],
    general: Mapping[str, str],
) -> AttemptOutcome:
    """Apply the night's retry budgets, and the end of the fallback policy.

    Args:
        services: Settings; the Hub, if the model's sizes must be known.
        outcome: Of the attempt that has just ended.
        count: Earlier attempts of a class.
        user_properties: The ClearML task's.
        general: Its hyperparameters of section ``General``.
    """
    earlier, budgets = count(outcome.failure_class), services.settings.retries
    is_due = outcome.decision == "retry" and earlier < budgets.of(outcome.failure_class)
    has_next_plan = (
        not is_due or _plans(services, outcome.failure_class, user_properties, general) is not None
    )
    return within_budget(outcome, earlier=earlier, budgets=budgets, has_next_plan=has_next_plan)


def next_step(
    services: Services, failure_class: str, *, user_properties: Mapping[str, str], general: Mapping[str, str]
) -> NextStep | None:
    """What to change for the attempt after one that ended as *failure_class*; None: nothing is left to try.

    What the last attempt said of itself does not hold for the next.
    """
    plans = _plans(services, failure_class, user_properties, general)
    if plans is None:
        return None
    old, new = plans
    change = describe_change(old, new) if old is not None and new is not None else ""
    if old is None or new is None or not change:
        return NextStep(
            user_properties={"failure_class": ""}, note=f"the same plan again after {failure_class}"
        )
    before = plan_parameters(old)
    changed = {name: value for name, value in plan_parameters(new).items() if before[name] != value}
    if new.backend != "vllm" and old.max_num_seqs != new.max_num_seqs:
        changed["batch_size"] = str(new.max_num_seqs)  # the engine of that backend takes no other limit
    return NextStep(
        hyperparameters=changed,
        user_properties={
            "failure_class": "",
            "plan": compact(new),
            RUN_LIMIT_S: str(new.run_limit_s),
        },
        queue=new.queue if new.queue != old.queue else None,
        note=f"after {failure_class}: {change}",
    )


def _plans(
    services: Services, failure_class: str, user_properties: Mapping[str, str], general: Mapping[str, str]
) -> tuple[JobPlan | None, JobPlan | None] | None:
    """The plan that was and the one that follows; None: none follows, or the old one cannot be read."""
    if failure_class not in ANOTHER_PLAN:
        return None, None
    try:
        old = JobPlan.from_json(json.loads(user_properties.get("plan") or "{}"))
        suite = services.settings.suite(general.get("suite") or None)
        cluster = services.settings.cluster(old.cluster)
    except (ValueError, ValidationError, LeaderboardError) as error:
        log.warning("No next plan: the one on the ClearML task cannot be used (%s)", error)
        return None
    new = next_plan(old, failure_class, suite=suite, cluster=cluster)
    is_moved = new is None or (new.nodes, new.gpus_per_node) != (old.nodes, old.gpus_per_node)
    if failure_class == "out_of_memory" and old.backend == "vllm" and is_moved:
        model = _model_config(services, general)
        new = next_plan(old, failure_class, suite=suite, cluster=cluster, model=model) if model else new
    return None if new is None else (old, new)


def _model_config(services: Services, general: Mapping[str, str]) -> ModelConfig | None:
    """The model's sizes, which says how it can be cut; None: the Hub does not tell now."""
    try:
        return read_model_config(
            services.hub.model_facts(general["model"], general["revision"]),
            services.settings.policies.reading,
        )
    except (KeyError, LeaderboardError) as error:
        log.warning("More GPUs are added without knowing the model's sizes (%s)", error)
        return None


def record_enqueued(services: Services, job_key: str, clearml_task_id: str) -> None:
    """Note which ClearML task runs a submission's job; late news never takes an evaluation back."""
    evaluation = services.store.evaluations.get(job_key)
    is_before = evaluation is not None and evaluation.state in BEFORE_THE_QUEUE
    services.store.evaluations.update(
        job_key, state=EvaluationState.ENQUEUED if is_before else None, clearml_task_id=clearml_task_id
    )


def record_outcome(
    services: Services,
    *,
    decision: Decision,
    failure_class: str,
    reason: str,
    clearml_task_id: str,
    attempt: int,
    user_properties: Mapping[str, str],
    ran_s: float | None = None,
) -> None:
    """Keep an attempt and its outcome; a model's fault and a cancellation settle the evaluation.

    An evaluator that failed too often in a row at one job is not asked again: a person decides, so that the
    model is not first in every night for ever.
    """
    job_key = user_properties["idempotency_key"]
    plan = json.loads(user_properties.get("plan") or "{}")
    store = services.store
    enqueued_at = user_properties.get("enqueued_at", "")
    store.evaluations.record_attempt(
        job_key,
        attempt=attempt,
        clearml_task_id=clearml_task_id,
        plan=plan,
        # Attempts are first recorded here, when they have ended.
        started_at=datetime.fromtimestamp(int(enqueued_at), UTC) if enqueued_at.isdecimal() else None,
    )
    store.evaluations.end_attempt(
        job_key, attempt=attempt, failure_class=failure_class, reason=reason, ran_s=ran_s
    )
    if decision == "succeeded":
        store.evaluations.update(job_key, state=EvaluationState.ENQUEUED, clearml_task_id=clearml_task_id)
        return
    settled = {"skip": EvaluationState.REFUSED, "cancelled": EvaluationState.CANCELLED}.get(decision)
    failures = _evaluator_errors_in_a_row(store.evaluations.attempts(job_key))
    if decision == "fail" and failures >= services.settings.limits.evaluator_errors_in_a_row:
        settled = EvaluationState.QUARANTINED
        reason = (
            f"{failures} attempts in a row ended as evaluator_error. The last: {reason} A person decides."
        )
    store.evaluations.update(
        job_key,
        state=settled,
        failure_class=failure_class,
        reason_code=failure_class,
        reason=reason,
    )


def _evaluator_errors_in_a_row(attempts: Sequence[Attempt]) -> int:
    """How many of the last attempts the evaluator failed at, one after the other."""
    wanted = FailureClass.EVALUATOR_ERROR
    return sum(1 for _ in takewhile(lambda each: each.failure_class == wanted, reversed(attempts)))
