"""How often a failure class is tried again before the job is given up for the night."""

from __future__ import annotations

from dataclasses import replace

from pydantic import BaseModel, ConfigDict, Field

from palmares.leaderboard.outcomes.classification import AttemptOutcome
from palmares.texts import Message, counted, message

_MOST = 20


class RetryBudgets(BaseModel):
    """Retries by class; a class that is not here gets none. docs/operate/failures.md: what each changes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    node_lost: int = Field(default=3, ge=0, le=_MOST)
    preempted: int = Field(default=3, ge=0, le=_MOST)
    out_of_memory: int = Field(default=6, ge=0, le=_MOST)
    wall_time: int = Field(default=3, ge=0, le=_MOST)
    evaluator_error: int = Field(default=1, ge=0, le=_MOST)
    results_incomplete: int = Field(default=1, ge=0, le=_MOST)

    def of(self, failure_class: str) -> int:
        """Retries that a class gets."""
        return int(getattr(self, failure_class)) if failure_class in type(self).model_fields else 0

    def at_most(self) -> int:
        """Retries that one job can get: Airflow's ``retries`` (`palmares_airflow.policy.RETRIES`)."""
        return sum(self.of(name) for name in type(self).model_fields)


def within_budget(
    outcome: AttemptOutcome, *, earlier: int, budgets: RetryBudgets, has_next_plan: bool = True
) -> AttemptOutcome:
    """Turn a retry that is not due into a failure: the request waits for the next night, uncharged.

    Args:
        outcome: Of the attempt that has just ended.
        earlier: Attempts before it that ended in the same class.
        budgets: What is allowed.
        has_next_plan: The fallback policy has another plan for this class.
    """
    if outcome.decision != "retry":
        return outcome
    allowed = budgets.of(outcome.failure_class)
    if earlier >= allowed:
        return _given_up(
            outcome,
            counted(
                "It ended so once; it is tried again next night.",
                "It ended so {n} times; it is tried again next night.",
                earlier + 1,
            ),
        )
    if not has_next_plan:
        return _given_up(outcome, message("The cluster has nothing larger to offer."))
    return outcome


def _given_up(outcome: AttemptOutcome, why: Message) -> AttemptOutcome:
    return replace(
        outcome,
        decision="fail",
        reason=f"{outcome.reason} {why.en}",
        reason_fr=f"{outcome.reason_fr} {why.fr}",
    )
