"""The requests as a person wants to see them: who waits where and why, and what became of the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from palmares.hub import HubFile
from palmares.leaderboard.errors import Refusal, RefusedError
from palmares.leaderboard.submissions.estimates import UNKNOWN, Start, expected_starts, next_sweep
from palmares.leaderboard.submissions.moderation import Moderation
from palmares.leaderboard.submissions.queue import Queued
from palmares.leaderboard.submissions.queue_words import explain
from palmares.leaderboard.submissions.request_file import (
    RequestFile,
    RequestStatus,
    is_request_path,
    parse_request,
)
from palmares.leaderboard.submissions.submission import Submission
from palmares.steps.services import Services
from palmares.steps.sweep.examination import Examined, SweepOptions, examine_requests
from palmares.steps.sweep.queue import in_order, running_evaluations, without_duplicates
from palmares.store.store import Evaluation, EvaluationState
from palmares.texts import message

READER = "palmares requests"
"""Stands where a run's name would: nothing is claimed under it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One request."""

    path: str
    model: str
    precision: str | None
    weight_type: str | None
    status: str
    """As the file says it, normalised; ``UNREADABLE``: it is no request."""
    state: str | None = None
    """Of its evaluation in the store, if it has one."""
    sender: str | None = None
    submitted: datetime | None = None
    position: int | None = None
    """In the queue, from 1; None: it is not in it."""
    starts: datetime | None = None
    """None: unknown, or it does not wait."""
    starts_at_the_earliest: bool = False
    refusal: str | None = None
    """Code with which it was refused, or will be by the next sweep; None: it is not."""
    why: tuple[str, ...] = ()
    why_fr: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        times = {"submitted": self.submitted, "starts": self.starts}
        return asdict(self) | {
            "why": list(self.why),
            "why_fr": list(self.why_fr),
            **{name: None if one is None else one.isoformat() for name, one in times.items()},
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """All requests at one commit: the queue in its order, then the rest by path."""

    commit: str
    next_sweep: datetime
    rows: tuple[Row, ...]


def overview(services: Services, *, now: datetime | None = None) -> Overview:
    """Look at every request, as the next sweep will; write nothing.

    Args:
        services: Open handles.
        now: Aware; None: this moment.

    Raises:
        HubUnavailableError: The requests dataset is out of reach.
    """
    now = now or datetime.now(UTC)
    repo, settings, store = services.settings.hub.requests_repo, services.settings, services.store
    commit = services.hub.head(repo)
    moderation = store.moderation.current()
    examined = examine_requests(
        services, commit, dag_run_id=READER, options=SweepOptions(), moderation=moderation
    )
    winners, losers = without_duplicates(services, examined, moderation)
    queue = in_order(services, winners, now=now)
    sweep = next_sweep(now, settings.queue)
    starts = expected_starts(
        queue, running_evaluations(services), clusters=settings.clusters, begins=sweep, now=now
    )
    places = {
        queued.submission.request_path: (queued, start) for queued, start in zip(queue, starts, strict=True)
    }
    rejected = _rejected(services, examined, losers)
    evaluations = _latest(store.evaluations.find())
    files = [file for file in services.hub.read_json_files(repo, commit=commit) if is_request_path(file.path)]
    rows = [
        _row(
            file,
            place=places.get(file.path),
            refusal=rejected.get(file.path),
            is_unanswered=file.path in examined.unanswered,
            evaluation=evaluations.get(file.path),
            moderation=moderation,
        )
        for file in files
    ]
    rows.sort(key=lambda row: (row.position is None, row.position or 0, row.path))
    return Overview(commit=commit, next_sweep=sweep, rows=tuple(rows))


def _rejected(
    services: Services, examined: Examined, losers: Sequence[tuple[Submission, Refusal]]
) -> Mapping[str, Refusal]:
    """Refusals by path: those of before, and those that the next sweep will make."""
    found = {one.request_path: one.refusal for one in services.store.request_files.refusals()}
    found |= {one.file.path: one.refusal for one in examined.refused}
    return found | {submission.request_path: refusal for submission, refusal in losers}


def _latest(evaluations: Sequence[Evaluation]) -> dict[str, Evaluation]:
    """The evaluation that counts for each request file: the last that was begun."""
    whole = [one for one in evaluations if one.submission.get("limit_samples") is None]
    return {one.request_path: one for one in sorted(whole, key=lambda one: one.created_at)}


def _row(
    file: HubFile,
    *,
    place: tuple[Queued, Start] | None,
    refusal: Refusal | None,
    is_unanswered: bool,
    evaluation: Evaluation | None,
    moderation: Mapping[str, Moderation],
) -> Row:
    try:
        request = parse_request(file.path, file.content)
    except RefusedError as error:
        said = refusal or error.refusal
        return Row(
            path=file.path,
            model=file.path.split("_eval_request_")[0],
            precision=None,
            weight_type=None,
            status="UNREADABLE",
            refusal=said.code,
            why=(said.error_msg,),
            why_fr=(said.message_fr,),
        )
    queued, start = place or (None, UNKNOWN)
    why, why_fr = _why(request, queued, refusal, is_unanswered, evaluation, moderation)
    return Row(
        path=file.path,
        model=request.model_id,
        precision=request.precision,
        weight_type=request.weight_type,
        status=request.status.value,
        state=evaluation.state.value if evaluation else None,
        sender=request.sender,
        submitted=request.submitted_time,
        position=queued.position if queued else None,
        starts=start.at,
        starts_at_the_earliest=start.is_earliest,
        refusal=refusal.code if refusal is not None and queued is None else None,
        why=why,
        why_fr=why_fr,
    )


def _why(
    request: RequestFile,
    queued: Queued | None,
    refusal: Refusal | None,
    is_unanswered: bool,
    evaluation: Evaluation | None,
    moderation: Mapping[str, Moderation],
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    if queued is not None:
        reasons = explain(queued)
        return tuple(reason.en for reason in reasons), tuple(reason.fr for reason in reasons)
    if is_unanswered:
        waits = message("The Hub does not answer about the model: it waits.")
        return (waits.en,), (waits.fr,)
    if refusal is not None and request.status is not RequestStatus.FINISHED:
        return (refusal.error_msg,), (refusal.message_fr,)
    held = moderation.get(request.model_id)
    said = str(request.raw.get("error_msg") or "")
    if request.status is RequestStatus.RUNNING and evaluation is not None and not said:
        said = f"{evaluation.state} by run {evaluation.dag_run_id}"
        if evaluation.state is EvaluationState.QUARANTINED:
            said = f"parked: {evaluation.reason}"
    is_said = held is None or said.startswith(f"{held.action}: ")
    words = (
        *((said,) if said else ()),
        *(() if held is None or is_said else (f"{held.action}: {held.reason}",)),
    )
    return words, words
