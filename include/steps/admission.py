"""From the requests dataset to claimed submissions: list, admit, refuse with a reason, claim."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, ConfigDict

from include.leaderboard.errors import HubError, LeaderboardError, Refusal, RefusedError
from include.leaderboard.publishing.status import finished_changes, running_changes
from include.leaderboard.settings import suite_hash
from include.leaderboard.submissions.admission import admit, duplicate_refusal, find_duplicates, order
from include.leaderboard.submissions.request_file import RequestFile, RequestStatus, parse_request
from include.leaderboard.submissions.submission import Submission
from include.steps.outbox import queue_request_edit, write_out
from include.steps.refusals import refuse
from include.steps.run_numbers import CancelJob, replace_older, with_run_number
from include.steps.services import EVALUATOR_TASKS, Services
from include.store.store import LIVE, ClaimOutcome, EvaluationState

log = logging.getLogger(__name__)

LOOKED_AT_AGAIN = ("not_found:", "gated:")
"""Refusals that the owner of a model can lift without submitting again."""
REQUEST_MARK = "_eval_request_"
ADMISSION_PATIENCE_S = 600.0
"""Longest wait for another run's admission; a sweep of thousands asks the Hub about each."""
SETTLED = frozenset({RequestStatus.FINISHED, RequestStatus.FAILED, RequestStatus.CANCELLED})
RUN_AGAIN = frozenset({RequestStatus.RERUN, RequestStatus.PENDING_NEW_EVAL})


class SweepOptions(BaseModel):
    """The DAG's params, and the interval of a backfill."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    models: tuple[str, ...] | None = ()
    """Empty or None: all."""
    suite: str | None = None
    cluster: str | None = None
    max_models: int = 50
    limit_samples: int | None = None
    force: bool = False
    dry_run: bool = False
    submitted_after: datetime | None = None
    """Backfills only: inclusive."""
    submitted_before: datetime | None = None
    """Backfills only: exclusive."""

    @property
    def asks_for_more_than_waits(self) -> bool:
        """Whether settled requests count too: forced or tried out, and chosen by name or by interval."""
        chosen = bool(self.models) or self.submitted_after is not None
        return chosen and (self.force or self.limit_samples is not None)

    def selects(self, request: RequestFile) -> bool:
        """Tell whether the run is about this request at all (its status aside)."""
        if self.models and request.model_id not in self.models:
            return False
        if self.submitted_after is None or self.submitted_before is None:
            return True
        return (
            request.submitted_time is not None
            and self.submitted_after <= request.submitted_time < self.submitted_before
        )


@dataclasses.dataclass(frozen=True, slots=True)
class Admitted:
    """What a sweep took, and what it left."""

    claimed: list[Submission]
    waiting: int
    """Admissible submissions beyond ``max_models``: the next run's."""


def list_requests(services: Services) -> dict[str, Any]:
    """Pin the requests dataset to one commit, so that a retry of a later task sees the same files."""
    commit = services.hub.head(services.settings.hub.requests_repo)
    files = services.hub.list_paths(services.settings.hub.requests_repo, commit=commit)
    count = sum(path.endswith(".json") for path in files)
    log.info("%s request files in %s at %s", count, services.settings.hub.requests_repo, commit)
    return {"commit": commit, "files": count}


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
    # One run at a time, so that runs that start together do not split the night between them.
    with services.store.advisory_lock(f"admission {repo_id}", timeout_s=ADMISSION_PATIENCE_S):
        admissible = list(_admissible(services, commit, dag_run_id=dag_run_id, options=options))
        winners = _without_duplicates(services, admissible, dag_run_id=dag_run_id, dry_run=options.dry_run)
        claimed: list[Submission] = []
        queue = list(order(winners))
        while queue and len(claimed) < most:
            submission = queue.pop(0)
            if options.dry_run:
                log.info("would evaluate %s at %s", submission.model_id, submission.revision)
            elif _claim(services, submission, dag_run_id=dag_run_id, cancel_job=cancel_job):
                claimed.append(submission)
        if not options.dry_run:
            write_out(services, repo_id)
    log.info("claimed %s submissions, %s more wait for the next run", len(claimed), len(queue))
    return Admitted(claimed=claimed, waiting=len(queue))


def _admissible(
    services: Services, commit: str, *, dag_run_id: str, options: SweepOptions
) -> Iterator[Submission]:
    """Parse and check every request that waits; refuse the bad ones on the way."""
    suite = services.settings.suite(options.suite)
    tasks_hash = suite_hash(suite, EVALUATOR_TASKS)
    files = services.hub.read_json_files(services.settings.hub.requests_repo, commit=commit)
    refused = services.store.known_blobs()
    # A retry of this very task, after it had written RUNNING, finds its own claims.
    own = {evaluation.request_path for evaluation in services.store.evaluations(dag_run_id=dag_run_id)}
    named: set[str] = set()
    answered, unanswered = 0, None
    for file in files:
        if REQUEST_MARK not in file.path:
            continue  # a dataset may hold other JSON, which is nobody's request
        request: RequestFile | None = None
        try:
            request = parse_request(file.path, file.content)
            named.add(request.model_id)
            if (file.path, file.oid) in refused or not options.selects(request):
                continue
            if not _is_due(request, options=options, is_own=file.path in own):
                continue
            submission = admit(
                request,
                blob_oid=file.oid,
                facts=services.hub.model_facts,
                settings=services.settings,
                suite_name=suite.name,
                suite_hash=tasks_hash,
                limit_samples=options.limit_samples,
                cluster_name=options.cluster,
            )
        except RefusedError as error:
            if (file.path, file.oid) not in refused and _is_told(options, request):
                refuse(
                    services,
                    error.refusal,
                    file=file,
                    request=request,
                    dag_run_id=dag_run_id,
                    dry_run=options.dry_run,
                )
            continue
        except HubError as error:
            # One model that cannot be asked about must not stop the night for all; it waits.
            log.warning("%s waits, the Hub does not answer about it: %s", file.path, error)
            unanswered = error
            continue
        answered += 1
        yield with_run_number(
            services,
            submission,
            dag_run_id=dag_run_id,
            force=options.force,
            rerun=request.status in RUN_AGAIN,
        )
    if unanswered is not None and not answered:
        raise unanswered
    for warning in services.settings.overrides.unmatched(named):
        log.warning("%s", warning)
    if missing := set(options.models or ()) - named:
        raise LeaderboardError(
            f"No request file names {sorted(missing)}. Check the spelling (organisation/model), "
            f"or submit them first."
        )


def _is_told(options: SweepOptions, request: RequestFile | None) -> bool:
    """Tell whether this run speaks of a refused request: of unreadable ones only when it takes everything."""
    if request is not None:
        return options.selects(request)
    return not options.models and options.submitted_after is None


def _is_due(request: RequestFile, *, options: SweepOptions, is_own: bool) -> bool:
    if request.status.waits:
        return True
    if options.asks_for_more_than_waits and request.status in SETTLED:
        return True
    if request.status is RequestStatus.FAILED:
        return str(request.raw.get("error_msg") or "").startswith(LOOKED_AT_AGAIN)
    if request.status is RequestStatus.RUNNING:
        # Its sender, or a person who names it, may ask for a new result: the running job is replaced.
        return is_own or (options.force and options.asks_for_more_than_waits)
    return False


def _without_duplicates(
    services: Services, submissions: Iterable[Submission], *, dag_run_id: str, dry_run: bool
) -> list[Submission]:
    """Keep the first submission of a key; refuse the later ones, naming the first."""
    submissions = list(submissions)
    duplicates = find_duplicates(submissions)
    winners = []
    for submission in submissions:
        refusal = duplicates.get(submission.request_path) or _known_duplicate(services, submission)
        if refusal is None:
            winners.append(submission)
        else:
            refuse(services, refusal, submission=submission, dag_run_id=dag_run_id, dry_run=dry_run)
    return winners


def _known_duplicate(services: Services, submission: Submission) -> Refusal | None:
    known = services.store.get(submission.job_key)
    if known is None or known.request_path == submission.request_path:
        return None
    if known.state is not EvaluationState.PUBLISHED and known.state not in LIVE:
        return None  # the first of them came to nothing: this one may have its turn
    return duplicate_refusal(known.request_path)


def _claim(
    services: Services, submission: Submission, *, dag_run_id: str, cancel_job: CancelJob | None
) -> bool:
    # Before the claim: a retry that finds the older one closed asks for the same number again.
    replace_older(services, submission, dag_run_id=dag_run_id, cancel_job=cancel_job)
    outcome = services.store.claim(submission.to_json(), dag_run_id=dag_run_id)
    if outcome is ClaimOutcome.CLAIMED:
        queue_request_edit(
            services,
            submission,
            running_changes(submission, started_at=datetime.now(UTC)),
            dag_run_id=dag_run_id,
        )
        return True
    if outcome is ClaimOutcome.PUBLISHED:
        queue_request_edit(services, submission, finished_changes(submission), dag_run_id=dag_run_id)
    log.info("%s is not evaluated: %s", submission.model_id, outcome.value)
    return False
