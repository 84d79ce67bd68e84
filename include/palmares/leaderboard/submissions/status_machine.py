"""The statuses of a request file, which transition leads from which to which, and who may make it.

A file is written by two parties that know nothing of each other: its sender (a form, or a person) and this
back end, whose information may be hours old when it reaches the Hub. So every status that the back end writes
goes through :func:`write_status`, which reads the file as it is at that moment: a transition that its status
does not allow writes nothing. A sender who asks for a new result while the old one is on its way is never
overruled.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from palmares.leaderboard.submissions.request_file import (
    RequestStatus,
    edit_request,
    parse_status,
    read_object,
)

log = logging.getLogger(__name__)

PENDING, RUNNING, FINISHED, FAILED, CANCELLED, RERUN, PENDING_NEW_EVAL = (
    RequestStatus.PENDING,
    RequestStatus.RUNNING,
    RequestStatus.FINISHED,
    RequestStatus.FAILED,
    RequestStatus.CANCELLED,
    RequestStatus.RERUN,
    RequestStatus.PENDING_NEW_EVAL,
)
ASKS_AGAIN: Final = frozenset({RERUN, PENDING_NEW_EVAL})
WAITS: Final = frozenset(status for status in RequestStatus if status.waits)
ON_HOLD_PREFIX: Final = "parked:"
"""How the ``error_msg`` of a request on hold begins."""


class Actor(StrEnum):
    """Who changes a status."""

    SENDER = "sender"
    """Whoever may write to the requests dataset: the form, the model's author."""
    BACK_END = "back end"
    OPERATOR = "operator"
    """A person of the leaderboard, in Airflow or with a command."""


class TransitionKind(StrEnum):
    """What happens to a request."""

    CLAIM = "claim"
    HOLD = "hold"
    FINISH = "finish"
    REFUSE = "refuse"
    GIVE_BACK = "give back"
    CANCEL = "cancel"
    ASK = "ask"


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """One transition: from any of *before* to one of *after*."""

    kind: TransitionKind
    before: frozenset[RequestStatus]
    after: frozenset[RequestStatus]
    by: frozenset[Actor]
    when: str
    """In words, for docs/operate/requests.md."""


TRANSITIONS: Final = (
    Transition(
        kind=TransitionKind.ASK,
        before=WAITS | {RUNNING, FINISHED, FAILED, CANCELLED},
        after=WAITS,
        by=frozenset({Actor.SENDER, Actor.OPERATOR}),
        when="it is submitted, or submitted again",
    ),
    Transition(
        kind=TransitionKind.CLAIM,
        before=WAITS | {RUNNING, FINISHED, FAILED, CANCELLED},
        after=frozenset({RUNNING}),
        by=frozenset({Actor.BACK_END}),
        when="a run takes it; one that is settled only when it may have cured itself, or by force",
    ),
    Transition(
        kind=TransitionKind.HOLD,
        before=frozenset({PENDING, RUNNING}),
        after=frozenset({RUNNING}),
        by=frozenset({Actor.BACK_END}),
        when="a gate stops its numbers",
    ),
    Transition(
        kind=TransitionKind.FINISH,
        before=frozenset({PENDING, RUNNING, FAILED, FINISHED}),
        after=frozenset({FINISHED}),
        by=frozenset({Actor.BACK_END}),
        when="its result is published, or was already",
    ),
    Transition(
        kind=TransitionKind.REFUSE,
        before=WAITS | {RUNNING, FAILED},
        after=frozenset({FAILED}),
        by=frozenset({Actor.BACK_END}),
        when="it cannot be evaluated, for a reason of its own",
    ),
    Transition(
        kind=TransitionKind.GIVE_BACK,
        before=frozenset({PENDING, RUNNING}),
        after=frozenset({PENDING}),
        by=frozenset({Actor.BACK_END, Actor.OPERATOR}),
        when="the machines failed, or one on hold is looked at again",
    ),
    Transition(
        kind=TransitionKind.CANCEL,
        before=WAITS | {RUNNING, FAILED, CANCELLED},
        after=frozenset({CANCELLED}),
        by=frozenset({Actor.SENDER, Actor.OPERATOR, Actor.BACK_END}),
        when="a person cancelled it, or withdrew the model",
    ),
)
"""Every transition. ``UNKNOWN``, a fork's own word, is in none of them: such a file is never touched."""

BY_KIND: Final[Mapping[TransitionKind, Transition]] = {one.kind: one for one in TRANSITIONS}


def may_transition(current: RequestStatus, kind: TransitionKind, *, by: Actor) -> bool:
    """Tell whether *by* may make this transition of a request that says *current*."""
    transition = BY_KIND[kind]
    return current in transition.before and by in transition.by


def may_become(current: RequestStatus, new: RequestStatus, *, by: Actor) -> bool:
    """Tell whether any transition of *by* leads from one status to the other."""
    return any(current in one.before and new in one.after and by in one.by for one in TRANSITIONS)


def transition_of(changes: Mapping[str, Any]) -> TransitionKind | None:
    """Tell which transition an edit of ours is; None: it leaves the status alone.

    PENDING gives back; only an operator's command writes RERUN or PENDING_NEW_EVAL.

    Raises:
        ValueError: The edit would write a status that no transition leads to.
    """
    if "status" not in changes:
        return None
    match parse_status(changes["status"]):
        case RequestStatus.RUNNING:
            is_held = str(changes.get("error_msg") or "").startswith(ON_HOLD_PREFIX)
            return TransitionKind.HOLD if is_held else TransitionKind.CLAIM
        case RequestStatus.FINISHED:
            return TransitionKind.FINISH
        case RequestStatus.FAILED:
            return TransitionKind.REFUSE
        case RequestStatus.PENDING:
            return TransitionKind.GIVE_BACK
        case RequestStatus.CANCELLED:
            return TransitionKind.CANCEL
        case RequestStatus.RERUN | RequestStatus.PENDING_NEW_EVAL:
            return TransitionKind.ASK
        case _:
            raise ValueError(
                f"The status {changes['status']!r} is a fork's own word, which is not written here. Write "
                f"one of {', '.join(sorted(RequestStatus.__members__.keys() - {'UNKNOWN'}))}."
            )


def write_status(content: bytes, changes: Mapping[str, Any], *, path: str = "") -> bytes:
    """Make an edit of ours in a request file, unless the file has moved on meanwhile.

    Args:
        content: The file as it is now.
        changes: As `palmares.leaderboard.publishing.status` makes them.
        path: The file's, for the log.

    Returns:
        The edited file, or *content* itself where the status does not allow the transition.

    Raises:
        RefusedError: ``invalid_json``: the file is not a JSON object.
        ValueError: See :func:`transition_of`.
    """
    kind = transition_of(changes)
    if kind is not None:
        current = parse_status(read_object(content).get("status"))
        if current not in BY_KIND[kind].before:
            log.warning(
                "%s says %s by now: left alone instead of the transition %r",
                path,
                current.value,
                kind.value,
            )
            return content
    return edit_request(content, changes)
