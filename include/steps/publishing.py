"""From scores to commits on the Hub: results for all, details in private, the request's status."""

from __future__ import annotations

import logging
import tempfile
from pathlib import Path
from typing import Any

from include.leaderboard.errors import StoreError
from include.leaderboard.planning import JobPlan
from include.leaderboard.publishing import published_files
from include.leaderboard.publishing.status import finished_changes
from include.leaderboard.results import verify_results
from include.leaderboard.scoring import score_results
from include.leaderboard.scoring.registry import scorers_for
from include.leaderboard.submissions.submission import Submission
from include.steps.gates import parking
from include.steps.outbox import check_written, request_edit, write_out
from include.steps.services import Services
from include.store.outbox import OutboxEntry
from include.store.store import EvaluationState

log = logging.getLogger(__name__)


def publish(
    services: Services, submission_json: dict[str, Any], *, raw_url: str, dag_run_id: str
) -> dict[str, Any]:
    """Queue everything that the Hub shall hold of one model, and commit it.

    A preliminary (limited) run is scored, shown in Airflow, and not published.

    Returns:
        ``commits``: repository → commits that this call made (another task's may have carried ours).

    Raises:
        ClaimLostError: Another run holds the model by now; nothing was queued.
        GateError: A public file would quote a hidden row; parked for a person.
        HubError: An entry can never be written.
        HubUnavailableError: The Hub is out of reach; all entries stay queued, a retry writes them.
    """
    submission = Submission.from_json(submission_json)
    if submission.limit_samples is not None:
        log.info("%s: preliminary run, not published", submission.model_id)
        return {"commits": {}, "preliminary": True}
    settings = services.settings
    suite = settings.suite(submission.suite)
    evaluation = services.store.get(submission.job_key)
    if evaluation is None or evaluation.plan is None:
        raise StoreError(
            f"No plan is known for {submission.job_key}. Clear plan_resources of this model with downstream."
        )
    with tempfile.TemporaryDirectory() as scratch:
        folder = services.raw.fetch(raw_url, Path(scratch) / "raw")
        manifest = verify_results(
            folder, job_key=submission.job_key, attempt=None, submission=submission, suite=suite
        )
        with parking(services, submission.job_key, dag_run_id=dag_run_id):
            files = published_files(
                submission,
                plan=JobPlan.from_json(evaluation.plan),
                manifest=manifest,
                scored=score_results(folder, manifest, suite, scorers=scorers_for(settings.grading)),
                folder=folder,
                suite=suite,
            )
    repositories = {
        "results": (settings.hub.results_repo, False),
        "details": (settings.hub.details_repo, True),
    }
    entries = [
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
    finished = request_edit(
        services,
        submission.request_path,
        finished_changes(submission, job_id=evaluation.clearml_task_id),
        dag_run_id=dag_run_id,
        job_key=submission.job_key,
    )
    # In the transaction that checks the claim: a run that lost it publishes nothing.
    services.store.update(submission.job_key, held_by=dag_run_id, entries=[*entries, finished])
    # Details first, the status last: a reader who sees FINISHED finds everything.
    commits = {
        repo_id: write_out(services, repo_id)
        for repo_id in (settings.hub.details_repo, settings.hub.results_repo, settings.hub.requests_repo)
    }
    check_written(services, [entry.key for entry in entries])
    services.store.update(submission.job_key, state=EvaluationState.PUBLISHED, held_by=dag_run_id)
    return {"commits": commits, "preliminary": False}
