"""Which of four worlds disagree, and what mends it: ClearML's jobs, Airflow's runs, the store, the requests.

Pure: facts in, repairs out. `palmares.steps.reconcile.actions` gathers the one and carries out the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from palmares.steps.reconcile.sources import Job, RunFacts, Worlds
from palmares.store.store import LIVE, Evaluation, EvaluationState

ADOPTION_S = 26 * 3600.0
"""A job whose group failed for infrastructure is left to the next night's sweep, which goes on with it."""

TOLD_BY_A_TASK = frozenset({"enqueue", "poll_status", "fetch_results", "post_process", "publish"})
"""Reason codes of evaluations whose group failed and said so; without one, nobody knows why it stopped."""


class RepairKind(StrEnum):
    ORPHAN = "orphan"
    """A live job that nobody waits for is cancelled."""
    ZOMBIE = "zombie"
    """An evaluation that no run works on is failed over: the next sweep takes it."""
    SENT_BACK = "sent_back"
    """Finished, but nobody fetched the results: the next sweep adopts the job and only fetches."""
    CANCELLED = "cancelled"
    """A person cancelled it in Airflow, and nothing says so yet."""
    STATUS_LOST = "status_lost"
    """An evaluation is settled and its request still says RUNNING: it is written again."""
    NOBODY = "nobody"
    """A request says RUNNING, and nobody ever ran it: it waits again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Repair:
    """One thing to mend, with the facts it was decided on."""

    kind: RepairKind
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


def decide(worlds: Worlds) -> list[Repair]:
    """All repairs, in the order in which they are to be made."""
    jobs: dict[str, Job] = {}
    for job in worlds.jobs:
        jobs.setdefault(job.job_key, job)
    known = {one.job_key: one for one in worlds.evaluations}
    repairs = [
        repair for job in worlds.jobs if (repair := orphan(worlds, job, known.get(job.job_key))) is not None
    ]
    for evaluation in worlds.evaluations:
        of_key = jobs.get(evaluation.job_key)
        for rule in (cancelled_by_a_person, results_to_send_back, zombie):
            if (repair := rule(worlds, evaluation, of_key)) is not None:
                repairs.append(repair)
                break
    settled_now = {repair.path for repair in repairs if repair.path is not None}
    repairs += [one for one in lost_statuses(worlds) if one.path not in settled_now]
    return repairs


def orphan(worlds: Worlds, job: Job, evaluation: Evaluation | None) -> Repair | None:
    """A live job that nobody waits for, and that no sweep will adopt."""
    if evaluation is None:  # of another leaderboard on the same server: not ours to judge
        return None
    run = _run(worlds, evaluation)
    waits = run.waits_for(job.job_key) and not evaluation.is_closed
    if waits or not (job.is_live or job.live_children) or _is_young(worlds, evaluation, job):
        return None
    if job.is_live and job.has_results and not evaluation.is_closed:
        return None  # it has uploaded and is about to end; or its agent died, see results_to_send_back
    if evaluation.is_closed:
        why = evaluation.reason or "replaced by a newer run"
    elif evaluation.state in LIVE or _is_unexplained(evaluation):
        why = run.words
    elif evaluation.state is EvaluationState.FAILED:
        if job.is_live and _age_s(worlds, evaluation) < ADOPTION_S:
            return None
        why = f"{run.words}, and no sweep took it up again in {ADOPTION_S / 3600:.0f} hours"
    else:
        why = f"its evaluation is {evaluation.state}"
    rest = "" if job.is_live else f", and {len(job.live_children)} of its nodes run on without their master"
    return Repair(
        kind=RepairKind.ORPHAN,
        subject=evaluation.model_id,
        reason=f"nobody waits for ClearML task {job.task_id} ({job.status}): {why}{rest}",
        evaluation=evaluation,
        job=job,
    )


def cancelled_by_a_person(worlds: Worlds, evaluation: Evaluation, job: Job | None) -> Repair | None:
    """The waiting task was marked failed in Airflow; the job is stopped, and nothing else says so."""
    if job is None or job.stop_cause != "killed" or job.is_success:
        return None
    if evaluation.state not in LIVE | {EvaluationState.FAILED} or _speaks(worlds, evaluation):
        return None
    return _settling(RepairKind.CANCELLED, evaluation, job, job.stop_reason or "Cancelled from Airflow.")


def results_to_send_back(worlds: Worlds, evaluation: Evaluation, job: Job | None) -> Repair | None:
    """The job did its work, and the run that would have fetched the results is over.

    One that ClearML calls stopped or failed after its upload would be run again by the next sweep.
    """
    if job is None or not job.has_results:
        return None
    is_given_up = (
        evaluation.state is EvaluationState.FAILED
        and not job.is_success
        and not _speaks(worlds, evaluation)
        and evaluation.failure_class != "results_incomplete"
    )
    if not is_given_up and not _is_abandoned(worlds, evaluation):
        return None
    if job.is_live and (job.silent_s is None or job.silent_s <= worlds.lost_after_s):
        return None  # about to end by itself
    run = _run(worlds, evaluation)
    reason = (
        f"attempt {job.attempt} finished and nobody fetched its results: {run.words}. "
        "The next sweep fetches them; nothing is computed again."
    )
    return _settling(RepairKind.SENT_BACK, evaluation, job, reason)


def zombie(worlds: Worlds, evaluation: Evaluation, job: Job | None) -> Repair | None:
    """The store says that a run works on it, and that run is deleted, over, or past it."""
    if not _is_abandoned(worlds, evaluation) or (job is not None and job.is_live and job.has_results):
        return None
    reason = f"left {evaluation.state}: {_run(worlds, evaluation).words}. The next sweep takes it up."
    return _settling(RepairKind.ZOMBIE, evaluation, job, reason)


def lost_statuses(worlds: Worlds) -> Iterator[Repair]:
    """Request files that say RUNNING without an evaluation that runs."""
    of_request: dict[str, list[Evaluation]] = {}
    for one in worlds.evaluations:
        if not one.is_replaced and one.submission.get("limit_samples") is None:
            of_request.setdefault(one.request_path, []).append(one)
    for path in worlds.running_requests:
        candidates = of_request.get(path, [])
        latest = max(candidates, key=lambda one: (one.state in LIVE, one.updated_at), default=None)
        if latest is None:
            reason = "the request said RUNNING and nobody evaluated it; it waits again."
            yield Repair(kind=RepairKind.NOBODY, subject=path, reason=reason, path=path)
        elif (
            latest.state not in LIVE | {EvaluationState.PARKED}
            and not _speaks(worlds, latest)
            and _age_s(worlds, latest) >= worlds.grace_s
        ):
            reason = f"the request said RUNNING and its evaluation is {latest.state}; written again."
            yield Repair(
                kind=RepairKind.STATUS_LOST,
                subject=latest.model_id,
                reason=reason,
                path=path,
                evaluation=latest,
            )


def _settling(kind: RepairKind, evaluation: Evaluation, job: Job | None, reason: str) -> Repair:
    return Repair(
        kind=kind,
        subject=evaluation.model_id,
        reason=reason,
        path=evaluation.request_path,
        evaluation=evaluation,
        job=job,
    )


def _run(worlds: Worlds, evaluation: Evaluation) -> RunFacts:
    # A run that was not asked about holds only what is settled.
    unasked = RunFacts(run_id=evaluation.dag_run_id, state="over")
    return worlds.runs.get(evaluation.dag_run_id, unasked)


def _speaks(worlds: Worlds, evaluation: Evaluation) -> bool:
    return _run(worlds, evaluation).speaks_for(evaluation.job_key)


def _is_abandoned(worlds: Worlds, evaluation: Evaluation) -> bool:
    return (
        evaluation.state in LIVE
        and not _speaks(worlds, evaluation)
        and _age_s(worlds, evaluation) >= worlds.grace_s
    )


def _is_unexplained(evaluation: Evaluation) -> bool:
    return evaluation.state is EvaluationState.FAILED and evaluation.reason_code not in TOLD_BY_A_TASK


def _is_young(worlds: Worlds, evaluation: Evaluation, job: Job) -> bool:
    return min(job.age_s, _age_s(worlds, evaluation)) < worlds.grace_s


def _age_s(worlds: Worlds, evaluation: Evaluation) -> float:
    return (worlds.now - evaluation.updated_at).total_seconds()
