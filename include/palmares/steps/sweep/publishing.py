"""From scores to commits on the Hub: results for all, details in private, the request's status."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from palmares.benchmarks.registry import suite_hash
from palmares.leaderboard.errors import StoreError
from palmares.leaderboard.planning import JobPlan
from palmares.leaderboard.publishing import PublishedFile, cost_of, published_files
from palmares.leaderboard.publishing.status import finished_changes
from palmares.leaderboard.results import Manifest
from palmares.leaderboard.scoring import ScoredResults
from palmares.leaderboard.submissions.submission import Submission
from palmares.leaderboard.suites import Suite
from palmares.steps.outbox import check_written, request_edit, write_out
from palmares.steps.services import Services
from palmares.steps.stored_results import accepted_outputs, accepted_results, stored_results
from palmares.steps.sweep.gates import quarantining
from palmares.store.outbox.queue import OutboxEntry
from palmares.store.store import Evaluation, EvaluationState, OutboxStatus

log = logging.getLogger(__name__)


def publish(services: Services, submission_json: dict[str, Any], *, dag_run_id: str) -> dict[str, Any]:
    """Queue everything that the Hub shall hold of one model, and commit it.

    The files are written from what `post_process` stored: nothing is graded here. A preliminary (limited)
    run is scored, shown in Airflow, and not published.

    Returns:
        ``commits``: repository → commits that this call made (another task's may have carried ours).

    Raises:
        ClaimLostError: Another run holds the model by now; nothing was queued.
        GateError: A public file would quote a hidden row; quarantined for a person.
        HubError: An entry can never be written.
        HubUnavailableError: The Hub is out of reach; all entries stay queued, a retry writes them.
        ResultsError: The accepted outputs were altered.
        ResultsIncompleteError: A task has no stored score, or no graded records.
        StoreError: No plan, or no accepted results, are known.
    """
    submission = Submission.from_json(submission_json)
    if submission.limit_samples is not None:
        log.info("%s: preliminary run, not published", submission.model_id)
        return {"commits": {}, "preliminary": True}
    settings = services.settings
    evaluation = services.store.evaluations.get(submission.job_key)
    if evaluation is None or evaluation.plan is None:
        raise StoreError(
            f"No plan is known for {submission.job_key}. Clear plan_resources of this model with downstream."
        )
    finished = request_edit(
        services,
        submission.request_path,
        finished_changes(submission, job_id=evaluation.clearml_task_id),
        dag_run_id=dag_run_id,
        job_key=submission.job_key,
    )
    keys = _queued_before(services, submission, finished)
    if keys:
        services.store.evaluations.assert_held(submission.job_key, dag_run_id)
    else:
        entries = _entries(services, submission, evaluation, dag_run_id=dag_run_id)
        keys = [entry.key for entry in entries]
        # In the transaction that checks the claim: a run that lost it publishes nothing.
        services.store.evaluations.update(
            submission.job_key, held_by=dag_run_id, entries=[*entries, finished]
        )
    # Details first, the status last: a reader who sees FINISHED finds everything.
    commits = {
        repo_id: write_out(services, repo_id, shares_commits=True)
        for repo_id in (settings.hub.details_repo, settings.hub.results_repo, settings.hub.requests_repo)
    }
    check_written(services, keys)
    services.store.evaluations.update(submission.job_key, state=EvaluationState.PUBLISHED, held_by=dag_run_id)
    return {"commits": commits, "preliminary": False}


def _queued_before(services: Services, submission: Submission, finished: OutboxEntry) -> list[str]:
    """Keys of the model's files, if an earlier try of this very task has queued them all.

    Such a task only waits for them: it may look for a day, and scores nothing again. Empty: they are to be
    made, for the first time, or because one of them could not be written.
    """
    if not services.store.outbox.status([finished.key]):
        return []
    files = services.store.outbox.files(submission.job_key)
    return [] if OutboxStatus.FAILED in files.values() else list(files)


def model_files(
    services: Services,
    submission: Submission,
    evaluation: Evaluation,
    *,
    manifest: Manifest,
    scored: ScoredResults,
    folder: Path,
    stamp: str | None = None,
    rescoring: Mapping[str, Any] | None = None,
) -> list[PublishedFile]:
    """Make everything that the Hub holds of one model, with what only settings and store know.

    *stamp* and *rescoring* are for scores that replace others, see `published_files`.

    Raises:
        GateError: A public file would quote a hidden row.
        ResultsIncompleteError: A task has no score.
    """
    settings = services.settings
    suite = settings.suite(submission.suite)
    plan = _accepted_plan(services, evaluation, manifest)
    return published_files(
        submission,
        plan=plan,
        manifest=manifest,
        scored=scored,
        folder=folder,
        suite=suite,
        cost=cost_of(plan, duration_s=manifest.duration_s, cluster=settings.clusters.get(plan.cluster)),
        settings=settings.publishing.at(services.hub.endpoint),
        results_repo=settings.hub.results_repo,
        task_sha256s=_task_hashes(suite, manifest),
        stamp=stamp,
        rescoring=rescoring,
    )


def _entries(
    services: Services, submission: Submission, evaluation: Evaluation, *, dag_run_id: str
) -> list[OutboxEntry]:
    """Make the model's files from what was stored, past every gate, as entries of the outbox."""
    settings = services.settings
    accepted = accepted_results(services, submission.job_key)
    with (
        accepted_outputs(services, accepted) as (folder, manifest),
        quarantining(services, submission.job_key, dag_run_id=dag_run_id),
    ):
        scored = stored_results(
            services, accepted.raw_url, evaluation.scores or {}, settings.suite(submission.suite)
        )
        files = model_files(services, submission, evaluation, manifest=manifest, scored=scored, folder=folder)
    repositories = {
        "results": (settings.hub.results_repo, False),
        "details": (settings.hub.details_repo, True),
    }
    return [
        OutboxEntry(
            key=f"{file.target}:{submission.job_key}:{file.path}",
            repo_id=repositories[file.target][0],
            private=repositories[file.target][1],
            kind="put",
            path=file.path,
            content=file.content,
            job_key=submission.job_key,
            message=f"Results of {submission.model_id}",
        )
        for file in files
    ]


def _accepted_plan(services: Services, evaluation: Evaluation, manifest: Manifest) -> JobPlan:
    """The plan of the attempt whose outputs these are; a later one never ran."""
    for attempt in services.store.evaluations.attempts(evaluation.job_key):
        if attempt.attempt == manifest.attempt:
            return JobPlan.from_json(attempt.plan)
    return JobPlan.from_json(evaluation.plan or {})


def _task_hashes(suite: Suite, manifest: Manifest) -> dict[str, str]:
    """Hashes of the tasks' definitions, if this checkout has those that the job had."""
    if suite_hash(suite.task_keys) != manifest.suite.hash:
        log.warning(
            "the job ran suite %s, this checkout has another: its tasks' hashes are left out",
            manifest.suite.hash[:12],
        )
        return {}
    return {task.key: task.benchmark.definition_sha256() for task in suite.tasks}
