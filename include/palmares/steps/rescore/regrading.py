"""One model's stored outputs graded again: new scores, which verdicts changed, and the gates."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from palmares.benchmarks.registry import text_scorers
from palmares.leaderboard.errors import ClaimLostError, GateError, StoreError
from palmares.leaderboard.scoring import ScoredResults, score_results
from palmares.leaderboard.statistics.significance import mcnemar
from palmares.leaderboard.submissions.submission import Submission
from palmares.rescoring.engine import VerdictCounts
from palmares.steps.rescore.selection import present_scorers
from palmares.steps.services import Services
from palmares.steps.stored_results import accepted_outputs, accepted_results, keep_graded, read_graded
from palmares.store.store import Evaluation, EvaluationState, RescoringOutcome

log = logging.getLogger(__name__)


def published_evaluation(services: Services, job_key: str) -> Evaluation:
    """The evaluation, if its scores are the ones that stand.

    Raises:
        ClaimLostError: It is being evaluated, or was taken off.
    """
    evaluation = services.store.evaluations.get(job_key)
    if evaluation is None or evaluation.state is not EvaluationState.PUBLISHED:
        state = "unknown" if evaluation is None else evaluation.state.value
        raise ClaimLostError(f"Evaluation {job_key} is {state}, no longer published: left to the next run.")
    return evaluation


def grade_again(
    services: Services, job_key: str, *, dag_run_id: str, dry_run: bool = False
) -> dict[str, Any]:
    """Grade one model's stored outputs with the present scorers, and count what changed.

    The scores that stand stay as they are: `republish` replaces them. A dry run writes nothing.

    Returns:
        ``model_id``, ``changed``, and by task ``before``, ``after`` (fractions), ``rows``, ``to_right``,
        ``to_wrong`` (counts) and ``p_value`` (McNemar's, exact).

    Raises:
        ClaimLostError: The model is being evaluated.
        GateError: The new numbers look wrong; they are quarantined with the evidence, the old ones stand.
        ResultsError: The stored outputs cannot be used.
    """
    evaluation = published_evaluation(services, job_key)
    submission = Submission.from_json(evaluation.submission)
    suite = services.settings.suite(submission.suite)
    accepted = accepted_results(services, job_key)
    if evaluation.scores is None:
        raise StoreError(f"Evaluation {job_key} is published without scores. Evaluate again.")
    previous = evaluation.scores
    present = present_scorers(services, suite, previous)
    with accepted_outputs(services, accepted) as (folder, manifest):
        try:
            scored = score_results(folder, manifest, suite, scorers=text_scorers(services.settings.grading))
        except GateError as error:
            if not dry_run:
                services.store.rescorings.record(
                    job_key,
                    dag_run_id=dag_run_id,
                    outcome=RescoringOutcome.QUARANTINED,
                    scorers=present,
                    previous_scores=previous,
                    reason=str(error),
                )
            raise
    changes = count_changes(services, accepted.raw_url, scored, previous)
    scores = scored.scores_json()
    if not dry_run:
        keep_graded(services, accepted.raw_url, scored)
        services.store.rescorings.record(
            job_key,
            dag_run_id=dag_run_id,
            outcome=RescoringOutcome.GRADED,
            scorers=present,
            previous_scores=previous,
            scores=scores,
            verdict_changes=changes,
        )
    for task, counts in changes.items():
        log.info(
            "%s %s: %s → %s; of %s rows %s became right, %s wrong (p = %.3g)",
            submission.model_id, task, counts["before"], counts["after"], counts["rows"],
            counts["to_right"], counts["to_wrong"], counts["p_value"],
        )  # fmt: skip
    return {
        "model_id": submission.model_id,
        "changed": is_changed(previous, scores, changes),
        "tasks": {
            task: {name: value for name, value in counts.items() if not name.endswith("_ids")}
            for task, counts in changes.items()
        },
    }


def count_changes(
    services: Services, raw_url: str, scored: ScoredResults, previous: Mapping[str, Any]
) -> dict[str, dict[str, Any]]:
    """Compare new verdicts with the stored ones, row by row, for tasks that have verdicts.

    Returns:
        By task: counts and ids; without stored verdicts the rows are ``unknown_before``.
    """
    found = {}
    for task, records in scored.graded.items():
        if not records or "correct" not in records[0]:
            continue
        old = previous.get(task, {})
        earlier = read_graded(services, raw_url, task, old) or []
        verdicts = {record["row_id"]: record.get("correct") for record in earlier}
        counts = VerdictCounts.of_records(
            {**record, "before": verdicts.get(record["row_id"])} for record in records
        )
        found[task] = {
            "before": old.get("value"),
            "after": scored.scores[task].value,
            "rows": counts.rows,
            "unknown_before": counts.unknown_before,
            "right_before": counts.correct_before,
            "right_after": counts.correct,
            "to_right": counts.to_right,
            "to_wrong": counts.to_wrong,
            "p_value": mcnemar(counts.to_right, counts.to_wrong),
            "to_right_ids": counts.right_ids,
            "to_wrong_ids": counts.wrong_ids,
        }
    return found


def is_changed(
    previous: Mapping[str, Any], scores: Mapping[str, Any], changes: Mapping[str, Mapping[str, Any]]
) -> bool:
    """Whether readers would see a difference; another hash of the same version alone is none."""

    def shown(all_scores: Mapping[str, Any]) -> dict[str, Any]:
        return {
            task: {name: value for name, value in score.items() if name != "scorer_hash"}
            for task, score in all_scores.items()
        }

    changed = any(counts["to_right"] or counts["to_wrong"] for counts in changes.values())
    return changed or shown(previous) != shown(scores)
