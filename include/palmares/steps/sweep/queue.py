"""The queue as it stands: which admissible submissions are whose duplicates, and who comes when."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime

from palmares.leaderboard.errors import Refusal
from palmares.leaderboard.planning import JobPlan
from palmares.leaderboard.submissions.admission import duplicate_refusal, evaluated_refusal, find_duplicates
from palmares.leaderboard.submissions.estimates import Running
from palmares.leaderboard.submissions.moderation import Moderation, former_names
from palmares.leaderboard.submissions.policy import Quota
from palmares.leaderboard.submissions.queue import (
    DAY,
    Queued,
    Taken,
    Waiting,
    order,
    organisation_of,
    sender_of,
)
from palmares.leaderboard.submissions.submission import Submission
from palmares.steps.services import Services
from palmares.steps.sweep.examination import Examined, SweepOptions
from palmares.store.store import LIVE, Evaluation, EvaluationState


def without_duplicates(
    services: Services, examined: Examined, moderation: Mapping[str, Moderation]
) -> tuple[list[Waiting], list[tuple[Submission, Refusal]]]:
    """Keep the first submission of a key that nobody has or had; the others are refused, naming the first."""
    duplicates = find_duplicates((one.submission for one in examined.waiting), examined.hub_names)
    winners: list[Waiting] = []
    losers: list[tuple[Submission, Refusal]] = []
    for one in examined.waiting:
        submission = one.submission
        refusal = duplicates.get(submission.request_path)
        if refusal is None:
            is_again = submission.request_path in examined.asking_again
            refusal = known_elsewhere(
                services,
                submission,
                moderation,
                is_again=is_again,
                hub_name=examined.hub_names.get(submission.model_id),
            )
        if refusal is None:
            winners.append(one)
        else:
            losers.append((submission, refusal))
    return winners, losers


def known_elsewhere(
    services: Services,
    submission: Submission,
    moderation: Mapping[str, Moderation],
    *,
    is_again: bool,
    hub_name: str | None = None,
) -> Refusal | None:
    """Refuse what another request file is evaluated for, or has its result, under any name of the model."""
    for known in _of_any_name(services, submission, moderation, is_again=is_again, hub_name=hub_name):
        if known.request_path == submission.request_path:
            continue
        if known.state is EvaluationState.PUBLISHED:
            return evaluated_refusal(known.request_path)
        if known.state in LIVE:
            return duplicate_refusal(known.request_path)
    return None  # if the first of them came to nothing, this one may have its turn


def published_under_a_former_name(
    services: Services, submission: Submission, moderation: Mapping[str, Moderation]
) -> bool:
    """Tell whether this very request has its result, from before the model was renamed."""
    return any(
        known.state is EvaluationState.PUBLISHED and known.request_path == submission.request_path
        for known in _of_any_name(services, submission, moderation, is_again=False)
        if known.model_id != submission.model_id
    )


def in_order(
    services: Services,
    waiting: Iterable[Waiting],
    *,
    options: SweepOptions | None = None,
    own: frozenset[str] = frozenset(),
    now: datetime | None = None,
) -> list[Queued]:
    """Put submissions in order; a run that a person chose the models of keeps to no quota.

    Args:
        services: Open handles.
        waiting: Without duplicates.
        options: The run's; None: a nightly sweep's.
        own: Paths that this run claimed before: a retry claims them again, before any other.
        now: Aware; None: this moment.
    """
    candidates = list(waiting)
    policy = services.settings.queue
    if options is not None and (options.is_chosen or options.force or options.limit_samples is not None):
        policy = policy.model_copy(update={"quota": Quota()})
    now = now or datetime.now(UTC)
    taken = _taken(
        services, {one.submission.job_key for one in candidates}, now=now, with_past=policy.quota.is_set
    )
    queued = order(candidates, now, policy, taken)
    first = [one for one in queued if one.submission.request_path in own]
    return [*first, *(one for one in queued if one.submission.request_path not in own)]


def _taken(services: Services, candidates: set[str], *, now: datetime, with_past: bool) -> Iterator[Taken]:
    """What is under way; for quotas, also what was begun in the last day."""
    evaluations = services.store.evaluations.find(state=None if with_past else LIVE)
    for one in evaluations:
        is_live = one.state in LIVE
        is_trial = one.submission.get("limit_samples") is not None
        # What is claimed again is counted when its own turn comes.
        if is_trial or one.job_key in candidates or not (is_live or now - one.created_at < DAY):
            continue
        yield Taken(
            organisation=organisation_of(one.model_id),
            sender=sender_of(Submission.from_json(dict(one.submission))),
            at=one.created_at,
            is_live=is_live,
        )


def _of_any_name(
    services: Services,
    submission: Submission,
    moderation: Mapping[str, Moderation],
    *,
    is_again: bool,
    hub_name: str | None = None,
) -> Iterator[Evaluation]:
    """Evaluations of the same thing: under its own key, and of any run under the model's other names."""
    if (known := services.store.evaluations.get(submission.job_key)) is not None:
        yield known
    if is_again:
        return  # a new result is asked for, whatever there is
    others = {*former_names(submission.model_id, moderation), *([hub_name] if hub_name else [])}
    for name in sorted(others - {submission.model_id}):
        former = dataclasses.replace(submission, model_id=name, run_number=1)
        while (known := services.store.evaluations.get(former.job_key)) is not None:
            yield known
            former = dataclasses.replace(former, run_number=former.run_number + 1)


def running_evaluations(services: Services) -> Iterator[Running]:
    """Evaluations under way, as the estimates of starts need them."""
    for one in services.store.evaluations.find(state=LIVE):
        attempts = services.store.evaluations.attempts(one.job_key)
        # The present attempt begins where the last that is known ended.
        began = (attempts[-1].ended_at or attempts[-1].started_at) if attempts else one.created_at
        yield Running(plan=JobPlan.from_json(one.plan) if one.plan else None, began=began)
