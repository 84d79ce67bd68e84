"""New scores of a stored model on their way to the Hub: new files beside the old, all through the outbox."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from typing import Any

from palmares.leaderboard.errors import ClaimLostError, GateError, StoreError
from palmares.leaderboard.publishing.status import JOB_START_FORMAT, finished_changes
from palmares.leaderboard.results.manifest import Manifest
from palmares.leaderboard.submissions.request_file import RequestStatus, parse_request
from palmares.leaderboard.submissions.submission import Submission
from palmares.steps.outbox import check_written, request_edit, write_out
from palmares.steps.rescore.regrading import is_changed, published_evaluation
from palmares.steps.services import Services
from palmares.steps.stored_results import accepted_outputs, accepted_results, stored_results
from palmares.steps.sweep.publishing import model_files
from palmares.store.outbox.queue import OutboxEntry
from palmares.store.store import Evaluation, Rescoring, RescoringOutcome

log = logging.getLogger(__name__)

_SHOWN = ("value", "stderr", "n", "scorer", "scorer_version", "scorer_hash")
"""Of a score, in the public history."""


def republish(services: Services, job_key: str, *, dag_run_id: str) -> dict[str, Any]:
    """Make a run's new scores those that stand, and publish them in every file that holds them.

    Results go into a new file beside the old ones, graded records likewise; the pointer beside the details
    names the present ones; the request's status is written again. The store takes scores and outbox entries
    in one transaction. Where nothing changed that a reader would see, nothing is committed.

    Returns:
        ``outcome``, and ``commits``: repository → commits that this call made.

    Raises:
        ClaimLostError: The model is being evaluated, or waits for it: left alone.
        GateError: A public file would quote a hidden row.
        HubError: An entry can never be written.
        HubUnavailableError: The Hub is out of reach; the entries stay queued, a retry writes them.
        StoreError: This run has not graded the model.
    """
    rescoring = services.store.rescorings.get(job_key, dag_run_id=dag_run_id)
    if rescoring.settled_at is not None:
        return {"outcome": rescoring.outcome.value, "commits": {}}
    if rescoring.scores is None:
        raise StoreError(f"The new scores of {job_key} were stopped: {rescoring.reason}")
    evaluation = published_evaluation(services, job_key)
    submission = Submission.from_json(evaluation.submission)
    if not is_changed(rescoring.previous_scores, rescoring.scores, rescoring.verdict_changes or {}):
        _adopt(services, rescoring, [])
        services.store.rescorings.finalize(rescoring, RescoringOutcome.UNCHANGED)
        return {"outcome": RescoringOutcome.UNCHANGED.value, "commits": {}}
    _check_request(services, submission, rescoring)
    try:
        files = _file_entries(services, evaluation, submission, rescoring)
    except GateError as error:
        services.store.rescorings.finalize(rescoring, RescoringOutcome.QUARANTINED, reason=str(error))
        raise
    entries = [
        *files,
        request_edit(
            services,
            submission.request_path,
            finished_changes(submission, job_id=evaluation.clearml_task_id),
            dag_run_id=dag_run_id,
            job_key=job_key,
        ),
    ]
    _adopt(services, rescoring, entries)
    hub = services.settings.hub
    # Details first, the status last: whoever sees the new results finds their grounds.
    commits = {
        repo_id: write_out(services, repo_id)
        for repo_id in (hub.details_repo, hub.results_repo, hub.requests_repo)
    }
    check_written(services, [entry.key for entry in entries if entry.kind == "put"])
    services.store.rescorings.finalize(rescoring, RescoringOutcome.PUBLISHED)
    return {"outcome": RescoringOutcome.PUBLISHED.value, "commits": commits}


def _adopt(services: Services, rescoring: Rescoring, entries: list[OutboxEntry]) -> None:
    if not services.store.rescorings.adopt(rescoring, entries=entries):
        _leave_alone(services, rescoring, "It was evaluated or graded again meanwhile.")


def _check_request(services: Services, submission: Submission, rescoring: Rescoring) -> None:
    """Only a finished request gets new scores: one that waits gets a new evaluation anyway."""
    repo_id = services.settings.hub.requests_repo
    content = services.hub.read_file(repo_id, submission.request_path, commit=services.hub.head(repo_id))
    if content is None:
        _leave_alone(services, rescoring, f"{submission.request_path} is gone: its sender took it back.")
    else:
        status = parse_request(submission.request_path, content).status
        if status is not RequestStatus.FINISHED:
            _leave_alone(services, rescoring, f"{submission.request_path} is {status.value}, not FINISHED.")


def _leave_alone(services: Services, rescoring: Rescoring, reason: str) -> None:
    services.store.rescorings.finalize(rescoring, RescoringOutcome.SKIPPED, reason=reason)
    raise ClaimLostError(f"{rescoring.job_key} is left alone. {reason}")


def _file_entries(
    services: Services, evaluation: Evaluation, submission: Submission, rescoring: Rescoring
) -> list[OutboxEntry]:
    suite = services.settings.suite(submission.suite)
    accepted = accepted_results(services, rescoring.job_key)
    if evaluation.plan is None or rescoring.scores is None:
        raise StoreError(f"{rescoring.job_key} has no plan or no new scores. Evaluate again.")
    scored = stored_results(services, accepted.raw_url, rescoring.scores, suite)
    with accepted_outputs(services, accepted) as (folder, manifest):
        stamp = rescoring.created_at.strftime(JOB_START_FORMAT)
        graded = {
            task: f"{submission.model_id}/{manifest.timestamp}/graded_{task}_{stamp}.jsonl"
            for task in rescoring.scorers
        }
        # As at the first publication, with its search for hidden rows.
        files = model_files(
            services,
            submission,
            evaluation,
            manifest=manifest,
            scored=scored,
            folder=folder,
            stamp=stamp,
            rescoring=_replacement(services, submission, manifest, rescoring, graded),
        )
    lm_eval = f"{submission.model_id}/lm_eval_{manifest.timestamp}.json"
    public = {file.path: file.content for file in files if file.target == "results" and file.path != lm_eval}
    private = {file.path: file.content for file in files if file.path in graded.values()}
    pointer = {
        "results": {
            "repository": services.settings.hub.results_repo,
            "path": f"{submission.model_id}/results_{stamp}.json",
        },
        "graded": graded,
        "scorers": rescoring.scorers,
        "at": rescoring.created_at.isoformat(),
    }
    private[f"{submission.model_id}/{manifest.timestamp}/scores.json"] = _pretty(pointer)
    return _entries(services, submission, rescoring, public=public, private=private)


def _replacement(
    services: Services,
    submission: Submission,
    manifest: Manifest,
    rescoring: Rescoring,
    graded: Mapping[str, str],
) -> dict[str, Any]:
    """What the results JSON holds of the scores that these replaced."""
    return {
        "at": rescoring.created_at.isoformat(),
        "evaluated": manifest.timestamp,
        "details": {
            "repository": services.settings.hub.details_repo,
            "folder": f"{submission.model_id}/{manifest.timestamp}",
            "graded": dict(graded),
        },
        "flips": {
            task: {name: value for name, value in counts.items() if not name.endswith("_ids")}
            for task, counts in (rescoring.verdict_changes or {}).items()
        },
        "history": _history(services, rescoring),
    }


def _entries(
    services: Services,
    submission: Submission,
    rescoring: Rescoring,
    *,
    public: Mapping[str, bytes],
    private: Mapping[str, bytes],
) -> list[OutboxEntry]:
    hub = services.settings.hub
    return [
        OutboxEntry(
            key=f"rescoring:{rescoring.id}:{path}",
            repo_id=repo_id,
            private=is_private,
            kind="put",
            path=path,
            content=content,
            job_key=rescoring.job_key,
            message=f"New scores of {submission.model_id}",
        )
        for repo_id, is_private, files in (
            (hub.details_repo, True, private),
            (hub.results_repo, False, public),
        )
        for path, content in files.items()
    ]


def _history(services: Services, rescoring: Rescoring) -> list[dict[str, Any]]:
    """Scores that stood before, each under its scorer's version, the oldest first."""
    earlier = [
        one
        for one in services.store.rescorings.find(job_key=rescoring.job_key)
        if one.outcome is RescoringOutcome.PUBLISHED and one.id < rescoring.id
    ]
    return [
        {
            "until": one.created_at.isoformat(),
            "scores": {
                task: {name: score.get(name) for name in _SHOWN}
                for task, score in one.previous_scores.items()
            },
        }
        for one in (*earlier, rescoring)
    ]


def _pretty(document: Mapping[str, Any]) -> bytes:
    return (json.dumps(document, ensure_ascii=False, indent=2, allow_nan=False) + "\n").encode()
