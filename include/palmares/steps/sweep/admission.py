"""From the requests dataset to claimed submissions: list, admit, refuse with a reason, claim."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import Any

from palmares.leaderboard.errors import LeaderboardError, RefusedError, RunFormError
from palmares.leaderboard.publishing.status import finished_changes, running_changes
from palmares.leaderboard.submissions.estimates import Start, expected_starts
from palmares.leaderboard.submissions.moderation import Moderation
from palmares.leaderboard.submissions.queue import Queued
from palmares.leaderboard.submissions.queue_words import explain
from palmares.leaderboard.submissions.request_file import is_request_path, parse_request
from palmares.leaderboard.submissions.submission import Submission
from palmares.steps.outbox import queue_request_edit, write_out
from palmares.steps.requests.refusals import refuse
from palmares.steps.services import Services
from palmares.steps.sweep.examination import Examined, SweepOptions, examine_requests, one_admission_at_a_time
from palmares.steps.sweep.queue import (
    in_order,
    published_under_a_former_name,
    running_evaluations,
    without_duplicates,
)
from palmares.steps.sweep.run_numbers import CancelJob, replace_older
from palmares.steps.write_back import settled_changes
from palmares.store.store import ClaimOutcome

__all__ = [
    "Admitted",
    "SweepOptions",
    "admit_submissions",
    "list_requests",
]

log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, slots=True)
class Admitted:
    """What a sweep took, and what it left."""

    claimed: list[Submission]
    waiting: int
    """Admissible submissions beyond ``max_models``, for the next run; not those that a quota holds back."""
    planned: tuple[PlannedModel, ...] = ()
    """Of a dry run: what would be evaluated, in order."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class PlannedModel:
    """A model that a dry run would evaluate, and where and when."""

    model: str
    revision: str
    place: str
    """Cluster, nodes and GPUs."""
    gpu_hours: float | None
    """Forecast; None: not known."""
    start: str
    """When it should start, ISO 8601 in UTC; ``unknown`` where no forecast says."""


def planned_table(planned: Sequence[PlannedModel | Mapping[str, Any]]) -> str:
    """Write the answer of a dry run as a table in Markdown."""
    rows = [one if isinstance(one, Mapping) else dataclasses.asdict(one) for one in planned]
    lines = ["| model | place | GPU-hours | start |", "|---|---|---:|---|"]
    for row in rows:
        hours = "unknown" if row["gpu_hours"] is None else f"{row['gpu_hours']:.2f}"
        lines.append(f"| {row['model']} | {row['place']} | {hours} | {row['start']} |")
    return "\n".join(lines) if rows else "nothing would be evaluated"


def list_requests(services: Services) -> dict[str, Any]:
    """Pin the requests dataset to one commit, so that a retry of a later task sees the same files."""
    commit = services.hub.head(services.settings.hub.requests_repo)
    files = services.hub.list_paths(services.settings.hub.requests_repo, commit=commit)
    count = sum(path.endswith(".json") for path in files)
    log.info("%s request files in %s at %s", count, services.settings.hub.requests_repo, commit)
    return {"commit": commit, "files": count}


def check_form(services: Services, commit: str, options: SweepOptions) -> None:
    """Check what a person typed into the run's form, before anything is read or refused for it.

    Args:
        services: Open handles.
        commit: The requests dataset's commit, whose files name the models.
        options: The sweep's params.

    Raises:
        RunFormError: A suite, cluster or model does not exist; names all of them together.
    """
    settings = services.settings
    problems = [
        f"{field}: {asked!r} does not exist. Take one of {', '.join(sorted(known))}, or leave it empty."
        for field, asked, known in (
            ("suite", options.suite, settings.suites),
            ("cluster", options.cluster, settings.clusters),
        )
        if asked is not None and asked not in known
    ]
    if options.models:
        named = _named_models(services, commit)
        for model in sorted(set(options.models) - named):
            near = get_close_matches(model, named, n=1)
            hint = f"Did you mean {near[0]}?" if near else "Submit it first: palmares requests add."
            problems.append(f"models: no request file names {model!r}. {hint}")
    if problems:
        raise RunFormError("\n".join(problems))


def _named_models(services: Services, commit: str) -> set[str]:
    named: set[str] = set()
    for file in services.hub.read_json_files(services.settings.hub.requests_repo, commit=commit):
        if not is_request_path(file.path) or file.too_large:
            continue
        try:
            named.add(parse_request(file.path, file.content).model_id)
        except RefusedError:
            continue  # the sweep tells its sender
    return named


def admit_submissions(
    services: Services,
    commit: str,
    *,
    dag_run_id: str,
    options: SweepOptions,
    cancel_job: CancelJob | None = None,
) -> Admitted:
    """Refuse with a reason what cannot be evaluated, claim the rest, and write both back to the requests.

    Args:
        services: Open handles.
        commit: The requests dataset's commit to read.
        dag_run_id: Who claims. The same run claims the same submissions again, so that a retry is safe.
        options: The sweep's params.
        cancel_job: Stops the job of an older run number that this run replaces (force, RERUN).

    Returns:
        At most ``options.max_models`` claimed submissions in the queue's order, and how many more wait.

    Raises:
        HubUnavailableError: The Hub is out of reach: nobody's fault, nothing is refused for it.
        LeaderboardError: No request file names one of ``options.models``.
    """
    repo_id = services.settings.hub.requests_repo
    services.settings.cluster(options.cluster)  # a misspelt name is better told before anything is refused
    most = min(options.max_models, services.settings.limits.max_models_per_run)
    with one_admission_at_a_time(services):
        moderation = services.store.moderation.current()
        # A retry of this very task, after it had written RUNNING, finds its own claims.
        claims = services.store.evaluations.find(dag_run_id=dag_run_id)
        own = frozenset(evaluation.request_path for evaluation in claims)
        examined = examine_requests(
            services, commit, dag_run_id=dag_run_id, options=options, moderation=moderation, own=own
        )
        _tell_refused(services, examined, dag_run_id=dag_run_id, dry_run=options.dry_run)
        _check_complete(services, examined, options)
        winners, losers = without_duplicates(services, examined, moderation)
        for loser, refusal in losers:
            refuse(services, refusal, submission=loser, dag_run_id=dag_run_id, dry_run=options.dry_run)
        queued = in_order(services, winners, options=options, own=own)
        queue = [one for one in queued if one.hold is None or one.submission.request_path in own]
        held = len(queued) - len(queue)
        for one in queued:
            log.info("%s: %s", one.submission.request_path, " ".join(reason.en for reason in explain(one)))
        planned = _planned(services, queue[:most]) if options.dry_run else ()
        claimed: list[Submission] = []
        while queue and len(claimed) < most:
            submission = queue.pop(0).submission
            if options.dry_run:
                log.info("would evaluate %s at %s", submission.model_id, submission.revision)
            elif _claim(
                services,
                submission,
                dag_run_id=dag_run_id,
                cancel_job=cancel_job,
                moderation=moderation,
                is_again=submission.request_path in examined.asking_again,
            ):
                claimed.append(submission)
        if not options.dry_run:
            write_out(services, repo_id)
    log.info(
        "claimed %s submissions, %s more wait for the next run, quotas hold %s back",
        len(claimed), len(queue), held,
    )  # fmt: skip
    if options.dry_run:
        log.info("would evaluate:\n%s", planned_table(planned))
    return Admitted(claimed=claimed, waiting=len(queue), planned=planned)


def _planned(services: Services, queue: Sequence[Queued]) -> tuple[PlannedModel, ...]:
    now = datetime.now(UTC)
    clusters = services.settings.clusters
    starts = expected_starts(queue, running_evaluations(services), clusters=clusters, begins=now, now=now)
    return tuple(_planned_model(one, start) for one, start in zip(queue, starts, strict=True))


def _planned_model(one: Queued, start: Start) -> PlannedModel:
    plan = one.waiting.plan
    place = "unknown" if plan is None else f"{plan.cluster}: {plan.nodes} x {plan.gpus_per_node} GPU"
    when = "unknown" if start.at is None else start.at.astimezone(UTC).strftime("%Y-%m-%dT%H:%MZ")
    return PlannedModel(
        model=one.submission.model_id,
        revision=one.submission.revision,
        place=place,
        gpu_hours=one.waiting.gpu_hours,
        start=f"not before {when}" if start.is_earliest and start.at else when,
    )


def _tell_refused(services: Services, examined: Examined, *, dag_run_id: str, dry_run: bool) -> None:
    for one in examined.refused:
        refuse(
            services, one.refusal, file=one.file, request=one.request, dag_run_id=dag_run_id, dry_run=dry_run
        )


def _check_complete(services: Services, examined: Examined, options: SweepOptions) -> None:
    """Tell an outage, and names that nothing answers to.

    Raises:
        HubError: The Hub answered about none of the models.
        LeaderboardError: No request file names one of ``options.models``.
    """
    if examined.unanswered and not examined.waiting:
        raise next(iter(examined.unanswered.values()))
    for warning in services.settings.overrides.unmatched(examined.named):
        log.warning("%s", warning)
    if missing := set(options.models or ()) - examined.named:
        raise LeaderboardError(
            f"No request file names {sorted(missing)}. Check the spelling (organisation/model), "
            f"or submit them first."
        )


def _claim(
    services: Services,
    submission: Submission,
    *,
    dag_run_id: str,
    cancel_job: CancelJob | None,
    moderation: Mapping[str, Moderation],
    is_again: bool,
) -> bool:
    if not is_again and published_under_a_former_name(services, submission, moderation):
        queue_request_edit(services, submission, finished_changes(submission), dag_run_id=dag_run_id)
        log.info("%s has its result under a former name", submission.model_id)
        return False
    # Before the claim: a retry that finds the older one closed asks for the same number again.
    replace_older(services, submission, dag_run_id=dag_run_id, cancel_job=cancel_job)
    outcome = services.store.evaluations.claim(submission.to_json(), dag_run_id=dag_run_id)
    if outcome is ClaimOutcome.CLAIMED:
        queue_request_edit(
            services,
            submission,
            running_changes(submission, started_at=datetime.now(UTC)),
            dag_run_id=dag_run_id,
        )
        return True
    known = services.store.evaluations.get(submission.job_key)
    changes = None if known is None else settled_changes(known)
    if changes is not None:  # the request waits though this is settled: its sender is told again
        queue_request_edit(services, submission, changes, dag_run_id=dag_run_id)
    log.info("%s is not evaluated: %s", submission.model_id, outcome.value)
    return False
