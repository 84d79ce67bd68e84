"""What follows from a person's decision about a model: for its requests, and for what is under way."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import UTC, datetime

from palmares.leaderboard.errors import ModerationError, RefusedError
from palmares.leaderboard.submissions.moderation import (
    Moderation,
    ModerationAction,
    all_names,
    checked,
)
from palmares.leaderboard.submissions.refusals import refusal
from palmares.leaderboard.submissions.request_file import (
    RequestFile,
    RequestStatus,
    is_request_path,
    parse_request,
)
from palmares.leaderboard.submissions.status_machine import Actor, TransitionKind, may_transition
from palmares.steps.outbox import request_edit, write_out
from palmares.steps.requests.refusals import told
from palmares.steps.services import Services
from palmares.steps.sweep.examination import LOOKED_AT_AGAIN, one_admission_at_a_time
from palmares.store.store import LIVE, WITHDRAWN, EvaluationState, OutboxEntry

log = logging.getLogger(__name__)

WRITER = "moderation"
"""In the outbox's keys, where a step has its run's name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moderated:
    """What a decision changed."""

    is_new: bool
    """False: it held already."""
    requests: tuple[str, ...] = ()
    """Request files that are edited."""
    cancelled: tuple[str, ...] = ()
    """Evaluations that were closed, as ``model at commit``; the reconciler stops their jobs."""


def moderate(services: Services, decision: Moderation) -> Moderated:
    """Note a decision and carry it out; safe to run twice, and to die in between.

    Withdrawn: waiting and running requests become CANCELLED, what is under way is closed in the store, so
    that its run's steps have nothing left to do and ``reconcile_requests`` stops its job. Renamed: waiting
    requests get the new name; what was done under the old one stays. Flagged and lifted change no request.

    Raises:
        ModerationError: The decision is unusable, or contradicts what holds; nothing was written.
        StoreError: A sweep admits for longer than a withdrawal waits for it.
        HubUnavailableError: The Hub is out of reach. What was noted stays, a second try writes the requests.
    """
    decision = checked(decision)
    if decision.action is ModerationAction.WITHDRAWN:
        # What a sweep is about to claim has to be seen and closed, or be refused by it.
        with one_admission_at_a_time(services):
            return _carry_out(services, decision)
    return _carry_out(services, decision)


def _carry_out(services: Services, decision: Moderation) -> Moderated:
    repo = services.settings.hub.requests_repo
    names = all_names(decision.model_id, services.store.moderation.current())
    entries: dict[str, OutboxEntry] = {}
    if decision.action is ModerationAction.WITHDRAWN:
        entries = _cancelling(services, decision, names)
    elif decision.action is ModerationAction.RENAMED:
        entries = _renaming(services, decision)
    is_new = services.store.moderation.decide(decision, entries=list(entries.values()))
    if not is_new:  # a first try may have died before it wrote these; known keys are not added again
        services.store.outbox.add(list(entries.values()))
    cancelled: list[str] = []
    if decision.action is ModerationAction.WITHDRAWN:
        cancelled = _close(services, decision, names)
    if entries:
        write_out(services, repo)
    return Moderated(is_new=is_new, requests=tuple(sorted(entries)), cancelled=tuple(cancelled))


def check_lifts(services: Services, decision: Moderation, action: ModerationAction) -> None:
    """Make sure that what is taken back is what holds.

    Raises:
        ModerationError: The model is not flagged, or not withdrawn.
    """
    held = services.store.moderation.current().get(decision.model_id)
    if held is None or held.action is not action:
        what = "nothing holds" if held is None else f"it is {held.action}"
        raise ModerationError(
            f"{decision.model_id} is not {action}: {what}. See what holds: palmares models list"
        )


def requests_of(services: Services, names: frozenset[str]) -> list[RequestFile]:
    """Every readable request file that names one of a model's names, at the newest commit."""
    repo = services.settings.hub.requests_repo
    found: list[RequestFile] = []
    for file in services.hub.read_json_files(repo, commit=services.hub.head(repo)):
        if not is_request_path(file.path) or file.too_large:
            continue
        try:
            request = parse_request(file.path, file.content)
        except RefusedError:
            continue
        if request.model_id in names:
            found.append(request)
    return found


def _cancelling(services: Services, decision: Moderation, names: frozenset[str]) -> dict[str, OutboxEntry]:
    changes = told(refusal("withdrawn", name=decision.model_id, detail=decision.reason.rstrip(".")))
    return {
        request.path: request_edit(services, request.path, changes, dag_run_id=_writer(decision))
        for request in requests_of(services, names)
        if _is_open(request) and may_transition(request.status, TransitionKind.CANCEL, by=Actor.OPERATOR)
    }


def _is_open(request: RequestFile) -> bool:
    """Whether a run works on it or will look at it again."""
    if request.status is RequestStatus.FAILED:
        return str(request.raw.get("error_msg") or "").startswith(LOOKED_AT_AGAIN)
    return request.status.waits or request.status is RequestStatus.RUNNING


def _renaming(services: Services, decision: Moderation) -> dict[str, OutboxEntry]:
    """Waiting requests are evaluated and published under the new name, so they have to bear it."""
    repo = services.settings.hub.requests_repo
    return {
        request.path: OutboxEntry(
            key=f"request:{request.path}:{_writer(decision)}:{decision.new_model_id}",
            repo_id=repo,
            private=False,
            kind="edit_request",
            path=request.path,
            changes={"model": decision.new_model_id},
            message=f"Rename {decision.model_id} to {decision.new_model_id}",
        )
        for request in requests_of(services, frozenset({decision.model_id}))
        if request.status.waits
    }


def _close(services: Services, decision: Moderation, names: frozenset[str]) -> list[str]:
    closed: list[str] = []
    open_states = LIVE | {EvaluationState.FAILED, EvaluationState.QUARANTINED}
    for evaluation in services.store.evaluations.find(state=open_states):
        if evaluation.model_id not in names:
            continue
        seen = evaluation
        while seen.state in open_states:  # a step may move it meanwhile
            services.store.evaluations.update_if_unchanged(
                seen,
                state=EvaluationState.CANCELLED,
                failure_class="cancelled",
                reason_code=WITHDRAWN,
                reason=f"The model was withdrawn: {decision.reason}",
            )
            seen = services.store.evaluations.get(seen.job_key) or seen
        if seen.is_closed:
            closed.append(f"{seen.model_id} at {seen.revision}")
            log.info("evaluation %s of %s: withdrawn", seen.job_key, seen.model_id)
    return closed


def _writer(decision: Moderation) -> str:
    return f"{WRITER}-{decision.at.astimezone(UTC):%Y%m%dT%H%M%S}"


def now() -> datetime:
    """This moment, in whole seconds: a decision is written into keys and tables."""
    return datetime.now(UTC).replace(microsecond=0)
