"""From a job's outputs to scores: verify once, keep unchanged, grade once."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

from palmares.benchmarks.registry import text_scorers
from palmares.leaderboard.results import verify_results
from palmares.leaderboard.scoring import score_results
from palmares.leaderboard.submissions.submission import Submission
from palmares.steps.services import Services
from palmares.steps.stored_results import accepted_outputs, accepted_results, keep_graded
from palmares.steps.sweep.gates import quarantining
from palmares.store.store import EvaluationState

log = logging.getLogger(__name__)

SANITY_NAME = "sanity_baselines.json"
"""Derived file with every sanity baseline's rate; ids and counts only."""


def fetch_results(
    services: Services,
    submission_json: dict[str, Any],
    folder: Path,
    *,
    attempt: int,
    dag_run_id: str | None = None,
) -> dict[str, Any]:
    """Verify a job's outputs and keep them, content-addressed; the first accepted of a key stays.

    Args:
        services: Open handles.
        submission_json: The submission.
        folder: The unpacked artifact.
        attempt: The one that the ClearML task names; outputs of another are refused.
        dag_run_id: The run that must hold the model; None: whoever does.

    Returns:
        ``raw_url`` and ``attempt`` of the accepted outputs.

    Raises:
        ClaimLostError: Another run holds the model by now.
        ResultsFormatError: A file is missing, malformed, of another attempt, or its hash differs.
        ResultsIncompleteError: A task or rows are missing.
    """
    submission = Submission.from_json(submission_json)
    if dag_run_id is not None:
        services.store.evaluations.assert_held(submission.job_key, dag_run_id)
    suite = services.settings.suite(submission.suite)
    manifest = verify_results(
        folder, job_key=submission.job_key, attempt=attempt, submission=submission, suite=suite
    )
    raw_url = services.raw.put(folder, job_key=submission.job_key, attempt=attempt)
    accepted = services.store.results.accept(
        submission.job_key, attempt=attempt, manifest=manifest.model_dump(mode="json"), raw_url=raw_url
    )
    if accepted.attempt != attempt:
        log.warning("attempt %s was accepted before; attempt %s is discarded", accepted.attempt, attempt)
    services.store.evaluations.update(submission.job_key, state=EvaluationState.FETCHED, held_by=dag_run_id)
    log.info("%s: %s files verified, kept at %s", submission.model_id, len(manifest.files), accepted.raw_url)
    return {"raw_url": accepted.raw_url, "attempt": accepted.attempt}


def post_process(
    services: Services, submission_json: dict[str, Any], *, dag_run_id: str | None = None
) -> dict[str, Any]:
    """Grade the accepted outputs and compute scores; nothing that looks wrong goes on.

    Graded records are kept before the scores are: `publish` finds those that the scores are the means of.

    Returns:
        The scores as JSON: task → value, stderr, n, metric, scorer.

    Raises:
        ClaimLostError: Another run than *dag_run_id* holds the model by now.
        GateError: The numbers look wrong, or a sanity baseline is beyond its limit; the evaluation is
            quarantined for a person.
        ResultsError: The accepted outputs were altered, or lack a task.
        StoreError: Nothing was accepted.
    """
    submission = Submission.from_json(submission_json)
    if dag_run_id is not None:
        services.store.evaluations.assert_held(submission.job_key, dag_run_id)
    suite = services.settings.suite(submission.suite)
    accepted = accepted_results(services, submission.job_key)
    with (
        accepted_outputs(services, accepted) as (folder, manifest),
        quarantining(services, submission.job_key, dag_run_id=dag_run_id),
    ):
        scored = score_results(folder, manifest, suite, scorers=text_scorers(services.settings.grading))
    keep_graded(services, accepted.raw_url, scored)
    sanity_rates = json.dumps(scored.sanity_json(), ensure_ascii=False).encode()
    services.raw.put_derived(accepted.raw_url, SANITY_NAME, sanity_rates)
    for task, rates in scored.sanity_rates.items():
        log.info(
            "%s %s sanity baselines: %s", submission.model_id, task, "; ".join(rate.brief for rate in rates)
        )
    scores = scored.scores_json()
    services.store.evaluations.update(
        submission.job_key, state=EvaluationState.SCORED, held_by=dag_run_id, scores=scores
    )
    for task, score in scores.items():
        log.info("%s %s = %.4f ± %s", submission.model_id, task, score["value"], score["stderr"])
    return scores
