"""Read the sources of truth, decide what disagrees, and reconcile it: each action is safe to run twice."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Protocol

from palmares.leaderboard.errors import HubNotFoundError, RefusedError
from palmares.leaderboard.publishing.status import cancelled_changes, pending_changes
from palmares.leaderboard.submissions.request_file import RequestStatus, is_request_path, parse_request
from palmares.leaderboard.submissions.submission import Submission
from palmares.steps.outbox import describe_blocker, request_edit, write_everything, write_out
from palmares.steps.reconcile.rules import Action, ActionKind, decide, runs_that_matter
from palmares.steps.reconcile.sources import Job, RunFacts, SourcesOfTruth
from palmares.steps.services import Services
from palmares.steps.write_back import INFRASTRUCTURE, settled_changes
from palmares.store.store import Evaluation, EvaluationState, OutboxEntry

log = logging.getLogger(__name__)

GRACE_S = 600.0
LINES_AT_MOST = 100
"""Lines in the report that goes to XCom; the log has them all."""


class Cluster(Protocol):
    """ClearML, as far as reconciliation needs it."""

    def jobs(self) -> Sequence[Job]:
        """All our jobs; of a key with several tasks, the one that counts comes first."""
        ...

    def cancel(self, job: Job, *, reason: str) -> bool:
        """Cancel this attempt and its nodes, unless somebody waits for it by now.

        Returns:
            Whether it ended by this.
        """
        ...

    def declare_completed(self, job: Job, *, reason: str) -> None:
        """Call a job completed whose results are there though its agent is not."""
        ...


RunsOf = Callable[[Sequence[str]], Mapping[str, RunFacts]]
"""Asks Airflow about runs by id."""


def reconcile(
    services: Services,
    cluster: Cluster,
    runs_of: RunsOf,
    *,
    dag_run_id: str,
    grace_s: float = GRACE_S,
    dry_run: bool = False,
    before: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Compare ClearML, Airflow, the store and the requests, and reconcile what disagrees.

    What the outbox still holds is written first: it may be all that is wrong. Then everything is read before
    anything is changed, so that an outage of one of the four changes nothing. What a live run holds is left
    alone, and what moved since it was read too.

    Args:
        services: Open handles.
        cluster: ClearML.
        runs_of: Airflow.
        dag_run_id: Who reconciles.
        grace_s: How long a thing may be as it is before it is acted on: a job may just have been enqueued.
        dry_run: Only tell.
        before: What the last reconciliation returned; None: read every request file.

    Returns:
        Small JSON: ``counts`` by `ActionKind`, ``lines`` (one an action), ``written`` (outbox entries that
        waited before), ``obstacles`` (lines on what still waits, and why), ``dry_run``; and for the
        next time ``commit`` and ``running``, the requests dataset's head and which of its files said RUNNING
        there.

    Raises:
        HubUnavailableError: The Hub is out of reach.
        StoreError: Our database is.
    """
    repos = services.settings.hub
    waiting = len(services.store.outbox.pending())
    if not dry_run:
        write_everything(services)
    unwritten = services.store.outbox.pending()
    commit, running = running_requests(services, before)
    # What waits to be written is no disagreement: it would be queued again each time while the Hub is away.
    reported = {entry.path for entry in unwritten if entry.repo_id == repos.requests_repo}
    unreported = [path for path in running if path not in reported]
    sources = read_sources(services, cluster, runs_of, running=unreported, grace_s=grace_s)
    counts: Counter[str] = Counter()
    lines: list[str] = []
    for action in decide(sources):
        if dry_run or _carry_out(services, cluster, sources, action, dag_run_id=dag_run_id):
            counts[action.kind.value] += 1
            lines.append(str(action))
            log.warning("%s%s", "would do " if dry_run else "", action)
        else:
            log.info("left alone, it moved meanwhile: %s", action)
    if counts and not dry_run:
        write_out(services, repos.requests_repo)
    log.info(
        "%s: %s; %s outbox entries waited",
        "would do" if dry_run else "done",
        ", ".join(f"{number} {kind}" for kind, number in sorted(counts.items())) or "nothing",
        waiting,
    )
    return {
        "counts": dict(counts),
        "lines": lines[:LINES_AT_MOST],
        "written": 0 if dry_run else waiting - len(unwritten),
        "obstacles": _what_waits(services),
        "dry_run": dry_run,
        "commit": commit,
        "running": running,
    }


def read_sources(
    services: Services, cluster: Cluster, runs_of: RunsOf, *, running: Sequence[str], grace_s: float
) -> SourcesOfTruth:
    """Read the other three sources of truth.

    Claims are in the store before a request says RUNNING or a job exists, so these two are read before it:
    what they show without an evaluation has none.
    """
    jobs = cluster.jobs()
    evaluations = services.store.evaluations.find()
    runs = runs_of(runs_that_matter(evaluations, jobs, running))
    return SourcesOfTruth(
        running_requests=running,
        jobs=jobs,
        evaluations=evaluations,
        runs=runs,
        now=datetime.now(UTC),
        grace_s=grace_s,
        lost_after_s=max(one.lost_after_s for one in services.settings.clusters.values()),
    )


def running_requests(services: Services, before: Mapping[str, Any] | None = None) -> tuple[str, list[str]]:
    """Find the request files that say RUNNING at the head.

    Args:
        services: Open handles.
        before: What an earlier reconciliation returned: only what changed since is read, because thousands of
            requests each quarter of an hour are more than a Hub lets one read. None: read all.

    Returns:
        The head's commit and the paths.
    """
    repo = services.settings.hub.requests_repo
    commit, since = services.hub.head(repo), (before or {}).get("commit")
    try:
        files = services.hub.read_json_files(repo, commit=commit, since=since)
    except HubNotFoundError:
        if since is None:
            raise
        since = None  # the dataset's history was rewritten
        files = services.hub.read_json_files(repo, commit=commit)
    found: set[str] = set()
    if since is not None:
        unchanged = set(services.hub.list_paths(repo, commit=commit)) - {file.path for file in files}
        found = unchanged & set((before or {}).get("running", ()))
    for file in files:
        if not is_request_path(file.path):
            continue
        try:
            request = parse_request(file.path, file.content)
        except RefusedError:
            continue  # the sweep tells its sender
        if request.status is RequestStatus.RUNNING:
            found.add(file.path)
    return commit, sorted(found)


def _what_waits(services: Services) -> list[str]:
    """Lines on what stands in the way of writing to the Hub, and on what can never be written."""
    lines = [
        f"{one.repo_id} is not written to: {describe_blocker(one)}"
        for one in services.store.blockers.find(services.hub.endpoint)
    ]
    lines += [
        f"{key} cannot be written to {repo_id}: {reason}"
        for key, repo_id, reason in services.store.outbox.failed(limit=LINES_AT_MOST)
    ]
    for line in lines:
        log.error("%s", line)
    return lines[:LINES_AT_MOST]


def _carry_out(
    services: Services, cluster: Cluster, sources: SourcesOfTruth, action: Action, *, dag_run_id: str
) -> bool:
    """Carry out one action; False when what it was decided on is no longer so."""
    evaluation, job = action.evaluation, action.job
    if evaluation is None:
        assert action.path is not None
        waits = pending_changes(INFRASTRUCTURE, action.reason)
        services.store.outbox.add([request_edit(services, action.path, waits, dag_run_id=dag_run_id)])
        return True
    if action.kind is ActionKind.ORPHAN:
        assert job is not None
        return _is_as_seen(services, evaluation) and cluster.cancel(job, reason=action.reason)
    if action.kind is ActionKind.RESULTS_PENDING and job is not None and not job.is_success:
        if not _is_as_seen(services, evaluation):
            return False
        cluster.declare_completed(job, reason=action.reason)
    state, changes, fields = _final_state(action, evaluation)
    is_reported = action.kind is ActionKind.CANCELLED or evaluation.request_path in sources.running_requests
    entries: list[OutboxEntry] = []
    submission = Submission.from_json(dict(evaluation.submission))
    if changes is not None and is_reported and submission.limit_samples is None:
        entries.append(
            request_edit(
                services,
                evaluation.request_path,
                changes,
                dag_run_id=dag_run_id,
                job_key=evaluation.job_key,
            )
        )
    return services.store.evaluations.update_if_unchanged(evaluation, state=state, entries=entries, **fields)


def _final_state(
    action: Action, evaluation: Evaluation
) -> tuple[EvaluationState, dict[str, Any] | None, dict[str, Any]]:
    """The state to end in, what the request says then, and what the store keeps."""
    if action.kind is ActionKind.STATUS_LOST:
        return evaluation.state, settled_changes(evaluation), {}
    if action.kind is ActionKind.CANCELLED:
        fields = {"failure_class": "cancelled", "reason_code": "cancelled", "reason": action.reason}
        return EvaluationState.CANCELLED, cancelled_changes(action.reason), fields
    fields = {"failure_class": INFRASTRUCTURE, "reason_code": str(action.kind), "reason": action.reason}
    return EvaluationState.FAILED, pending_changes(INFRASTRUCTURE, action.reason), fields


def _is_as_seen(services: Services, seen: Evaluation) -> bool:
    return services.store.evaluations.get(seen.job_key) == seen
