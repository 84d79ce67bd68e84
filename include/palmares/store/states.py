"""The states of an evaluation, and which may follow which.

    claimed → planned → enqueued → fetched → scored → published

A step may be taken again, and any earlier one too, because tasks are retried and cleared. An evaluation may
stop in any live state. From where it stopped, it goes on with the step that came next, or an earlier one.
"""

from __future__ import annotations

from enum import StrEnum


class EvaluationState(StrEnum):
    """Where an evaluation is."""

    CLAIMED = "claimed"
    PLANNED = "planned"
    ENQUEUED = "enqueued"
    FETCHED = "fetched"
    SCORED = "scored"
    PUBLISHED = "published"
    """Final: another result of the same submission needs another run number, so another key."""
    REFUSED = "refused"
    """The model's fault."""
    FAILED = "failed"
    """Infrastructure: a later run may claim it anew."""
    QUARANTINED = "parked"  # the word of the database, which stays
    """A gate stopped it: a person decides."""
    CANCELLED = "cancelled"


class ClaimOutcome(StrEnum):
    """What came of trying to claim a submission."""

    CLAIMED = "claimed"
    """This run evaluates it."""
    PUBLISHED = "published"
    """There is a published result of this key."""
    REFUSED = "refused"
    """This key was refused for the model's fault."""
    HELD = "held"
    """Another run holds it, or another request file of this run asks for the same thing."""
    CANCELLED = "cancelled"
    QUARANTINED = "parked"


_WAY = (
    EvaluationState.CLAIMED,
    EvaluationState.PLANNED,
    EvaluationState.ENQUEUED,
    EvaluationState.FETCHED,
    EvaluationState.SCORED,
    EvaluationState.PUBLISHED,
)
LIVE = frozenset(_WAY[:-1])
"""A run is working on it."""
STOPPED = frozenset(EvaluationState) - frozenset(_WAY)

REPLACED = "forced"
"""Reason code of a cancellation because a run with ``force`` asked for a new result: the key is closed."""

WITHDRAWN = "withdrawn"
"""Reason code of a cancellation because a person withdrew the model: the key is closed."""

CLOSED_CODES = frozenset({REPLACED, WITHDRAWN})
"""Cancellations that no step of the run that had the key undoes."""

RECHECKED_CODES = frozenset({"gated", "not_found"})
"""Refusals that their sender can cure without touching the request: looked at again every night."""


def may_follow(new: EvaluationState, current: EvaluationState, *, reached: EvaluationState) -> bool:
    """Whether an evaluation may go from *current* to *new*.

    Args:
        reached: The last state on the way, equal to *current* unless it stopped.
    """
    if new is current:
        return True
    if current is EvaluationState.PUBLISHED:
        return False
    if new in STOPPED:
        # A refusal and a cancellation are decisions: a late "failed" must not undo them.
        return current in LIVE or current in {EvaluationState.FAILED, EvaluationState.QUARANTINED}
    return _WAY.index(new) <= _WAY.index(reached) + 1


def reached_after(new: EvaluationState, *, reached: EvaluationState) -> EvaluationState:
    """The last state on the way once *new* is entered.

    A quarantined evaluation loses "scored": only another look at its numbers leads to publishing.
    """
    if new in _WAY:
        return new
    if new is EvaluationState.QUARANTINED:
        return min(reached, EvaluationState.FETCHED, key=_WAY.index)
    return reached
