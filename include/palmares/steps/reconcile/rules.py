"""Rules of reconciliation over the sources of truth: ClearML, Airflow, the store and the requests.

Pure: facts in, actions out. `palmares.steps.reconcile.actions` gathers the one and carries out the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from palmares.steps.reconcile.sources import Job, RunFacts, SourcesOfTruth
from palmares.store.store import LIVE, Evaluation, EvaluationState

ADOPTION_S = 26 * 3600.0
"""A job whose group failed for infrastructure is left to the next night's sweep, which goes on with it."""

TOLD_BY_A_TASK = frozenset({"enqueue", "poll_status", "fetch_results", "post_process", "publish"})
"""Reason codes of evaluations whose group failed and said so; without one, nobody knows why it stopped."""


class ActionKind(StrEnum):
    ORPHAN = "orphan"
    """A live job that nobody waits for is cancelled."""
    STALE = "stale"
    """An evaluation that no run works on is failed over: the next sweep takes it."""
    RESULTS_PENDING = "results_pending"
    """Finished, but nobody fetched the results: the next sweep adopts the job and only fetches."""
    CANCELLED = "cancelled"
    """A person cancelled it in Airflow, and nothing says so yet."""
    STATUS_LOST = "status_lost"
    """An evaluation is settled and its request still says RUNNING: it is written again."""
    UNTRACKED = "untracked"
    """A request says RUNNING, and nobody ever ran it: it waits again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """One action, with the facts it was decided on."""

    kind: ActionKind
    subject: str
    """Model, or request file."""
    reason: str
    path: str | None = None
    """Request file, where one is to be edited."""
    evaluation: Evaluation | None = None
    job: Job | None = None

    def __str__(self) -> str:
        return f"{self.kind}: {self.subject}: {self.reason}"


def runs_that_matter(
    evaluations: Iterable[Evaluation], jobs: Iterable[Job], running_requests: Iterable[str]
) -> list[str]:
    """Ids of the runs that Airflow has to be asked about, out of the whole history."""
    keys = {job.job_key for job in jobs if job.is_live or job.live_children or not job.is_success}
    paths = set(running_requests)
    return sorted(
        {
            one.dag_run_id
            for one in evaluations
            if one.state in LIVE or one.job_key in keys or one.request_path in paths
        }
    )


def decide(sources: SourcesOfTruth) -> list[Action]:
    """All actions, in the order in which they are to be made."""
    jobs: dict[str, Job] = {}
    for job in sources.jobs:
        jobs.setdefault(job.job_key, job)
    known = {one.job_key: one for one in sources.evaluations}
    actions = [
        action for job in sources.jobs if (action := orphan(sources, job, known.get(job.job_key))) is not None
    ]
    for evaluation in sources.evaluations:
        of_key = jobs.get(evaluation.job_key)
        for rule in (cancelled_by_a_person, results_pending, stale):
            if (action := rule(sources, evaluation, of_key)) is not None:
                actions.append(action)
                break
    settled_now = {action.path for action in actions if action.path is not None}
    actions += [one for one in lost_statuses(sources) if one.path not in settled_now]
    return actions


def orphan(sources: SourcesOfTruth, job: Job, evaluation: Evaluation | None) -> Action | None:
    """A live job that nobody waits for, and that no sweep will adopt."""
    if evaluation is None:  # of another leaderboard on the same server: not ours to judge
        return None
    run = _run(sources, evaluation)
    waits = run.waits_for(job.job_key) and not evaluation.is_closed
    if waits or not (job.is_live or job.live_children) or _is_young(sources, evaluation, job):
        return None
    if job.is_live and job.has_results and not evaluation.is_closed:
        return None  # it has uploaded and is about to end; or its agent died, see results_pending
    if evaluation.is_closed:
        why = evaluation.reason or "replaced by a newer run"
    elif evaluation.state in LIVE or _is_unexplained(evaluation):
        why = run.words
    elif evaluation.state is EvaluationState.FAILED:
        if job.is_live and _age_s(sources, evaluation) < ADOPTION_S:
            return None
        why = f"{run.words}, and no sweep took it up again in {ADOPTION_S / 3600:.0f} hours"
    else:
        why = f"its evaluation is {evaluation.state}"
    rest = "" if job.is_live else f", and {len(job.live_children)} of its nodes run on without their master"
    return Action(
        kind=ActionKind.ORPHAN,
        subject=evaluation.model_id,
        reason=f"nobody waits for ClearML task {job.task_id} ({job.status}): {why}{rest}",
        evaluation=evaluation,
        job=job,
    )


def cancelled_by_a_person(sources: SourcesOfTruth, evaluation: Evaluation, job: Job | None) -> Action | None:
    """The waiting task was marked failed in Airflow; the job is stopped, and nothing else says so."""
    if job is None or job.stop_cause != "killed" or job.is_success:
        return None
    if evaluation.state not in LIVE | {EvaluationState.FAILED} or _speaks(sources, evaluation):
        return None
    return _termination(ActionKind.CANCELLED, evaluation, job, job.stop_reason or "Cancelled from Airflow.")


def results_pending(sources: SourcesOfTruth, evaluation: Evaluation, job: Job | None) -> Action | None:
    """The job did its work, and the run that would have fetched the results is over.

    One that ClearML calls stopped or failed after its upload would be run again by the next sweep.
    """
    if job is None or not job.has_results:
        return None
    is_given_up = (
        evaluation.state is EvaluationState.FAILED
        and not job.is_success
        and not _speaks(sources, evaluation)
        and evaluation.failure_class != "results_incomplete"
    )
    if not is_given_up and not _is_abandoned(sources, evaluation):
        return None
    if job.is_live and (job.silent_s is None or job.silent_s <= sources.lost_after_s):
        return None  # about to end by itself
    run = _run(sources, evaluation)
    reason = (
        f"attempt {job.attempt} finished and nobody fetched its results: {run.words}. "
        "The next sweep fetches them; nothing is computed again."
    )
    return _termination(ActionKind.RESULTS_PENDING, evaluation, job, reason)


def stale(sources: SourcesOfTruth, evaluation: Evaluation, job: Job | None) -> Action | None:
    """The store says that a run works on it, and that run is deleted, over, or past it."""
    if not _is_abandoned(sources, evaluation) or (job is not None and job.is_live and job.has_results):
        return None
    reason = f"left {evaluation.state}: {_run(sources, evaluation).words}. The next sweep takes it up."
    return _termination(ActionKind.STALE, evaluation, job, reason)


def lost_statuses(sources: SourcesOfTruth) -> Iterator[Action]:
    """Request files that say RUNNING without an evaluation that runs."""
    of_request: dict[str, list[Evaluation]] = {}
    for one in sources.evaluations:
        if not one.is_replaced and one.submission.get("limit_samples") is None:
            of_request.setdefault(one.request_path, []).append(one)
    for path in sources.running_requests:
        candidates = of_request.get(path, [])
        latest = max(candidates, key=lambda one: (one.state in LIVE, one.updated_at), default=None)
        if latest is None:
            reason = "the request said RUNNING and nobody evaluated it; it waits again."
            yield Action(kind=ActionKind.UNTRACKED, subject=path, reason=reason, path=path)
        elif (
            latest.state not in LIVE | {EvaluationState.QUARANTINED}
            and not _speaks(sources, latest)
            and _age_s(sources, latest) >= sources.grace_s
        ):
            reason = f"the request said RUNNING and its evaluation is {latest.state}; written again."
            yield Action(
                kind=ActionKind.STATUS_LOST,
                subject=latest.model_id,
                reason=reason,
                path=path,
                evaluation=latest,
            )


def _termination(kind: ActionKind, evaluation: Evaluation, job: Job | None, reason: str) -> Action:
    return Action(
        kind=kind,
        subject=evaluation.model_id,
        reason=reason,
        path=evaluation.request_path,
        evaluation=evaluation,
        job=job,
    )


def _run(sources: SourcesOfTruth, evaluation: Evaluation) -> RunFacts:
    # A run that was not asked about holds only what is settled.
    unasked = RunFacts(run_id=evaluation.dag_run_id, state="over")
    return sources.runs.get(evaluation.dag_run_id, unasked)


def _speaks(sources: SourcesOfTruth, evaluation: Evaluation) -> bool:
    return _run(sources, evaluation).speaks_for(evaluation.job_key)


def _is_abandoned(sources: SourcesOfTruth, evaluation: Evaluation) -> bool:
    return (
        evaluation.state in LIVE
        and not _speaks(sources, evaluation)
        and _age_s(sources, evaluation) >= sources.grace_s
    )


def _is_unexplained(evaluation: Evaluation) -> bool:
    return evaluation.state is EvaluationState.FAILED and evaluation.reason_code not in TOLD_BY_A_TASK


def _is_young(sources: SourcesOfTruth, evaluation: Evaluation, job: Job) -> bool:
    return min(job.age_s, _age_s(sources, evaluation)) < sources.grace_s


def _age_s(sources: SourcesOfTruth, evaluation: Evaluation) -> float:
    return (sources.now - evaluation.updated_at).total_seconds()
