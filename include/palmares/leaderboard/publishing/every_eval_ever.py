"""Writes a result as Every Eval Ever records it, schema 0.3.0 (github.com/evaleval/every_eval_ever)."""

from __future__ import annotations

import json
import uuid
from typing import Any

from palmares.leaderboard.publishing.settings import EveryEvalEverSettings
from palmares.leaderboard.results.manifest import Manifest
from palmares.leaderboard.scoring.score import Score, ScoredResults
from palmares.leaderboard.submissions.submission import Submission
from palmares.leaderboard.suites import Suite, SuiteTask

SCHEMA_VERSION = "0.3.0"
FOLDER = "every_eval_ever/data"
"""``<folder>/<benchmark>/<developer>/<model>/<uuid>.json``, as their repository is laid out."""


def every_eval_ever_path(submission: Submission, suite: Suite) -> str:
    """Where a result's record lies; the same result has the same place."""
    developer, _, name = submission.model_id.rpartition("/")
    identity = uuid.uuid5(uuid.NAMESPACE_URL, f"palmares:{submission.job_key}")
    return f"{FOLDER}/palmares-{suite.name}/{developer or 'unknown'}/{name}/{identity}.json"


def every_eval_ever_json(
    submission: Submission,
    *,
    manifest: Manifest,
    scored: ScoredResults,
    suite: Suite,
    settings: EveryEvalEverSettings,
    title: str,
    hub_url: str,
) -> bytes:
    """Write one record: all tasks of one result, with their standard errors.

    Raises:
        ValueError: The run was limited.
    """
    if scored.preliminary:
        raise ValueError(f"{submission.model_id}: a limited run is preliminary and not published")
    ended = str(int(manifest.ended_at.timestamp()))
    document: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "evaluation_id": f"palmares-{suite.name}/{submission.model_id.replace('/', '_')}/{ended}",
        "evaluation_timestamp": str(int(manifest.started_at.timestamp())),
        # The record is made with the result: a time of writing would make a retry another record.
        "retrieved_timestamp": ended,
        "source_metadata": {
            "source_name": title,
            "source_type": "evaluation_run",
            "source_organization_name": settings.organisation or title,
            "evaluator_relationship": settings.relationship,
            "additional_details": {"job_key": submission.job_key, "suite_sha256": manifest.suite.hash},
        },
        "model_info": {
            "name": submission.model_id,
            "id": submission.model_id,
            **({"developer": submission.model_id.split("/")[0]} if "/" in submission.model_id else {}),
            "inference_engine": _engine(manifest),
            "additional_details": {
                "deployment_type": "self_deployed",
                "model_availability": "open_weights",
                "revision": submission.revision,
                "precision": submission.precision,
                "weight_type": submission.weight_type,
                "chat_template": str(submission.use_chat_template).lower(),
                "hub": hub_url,
            },
        },
        "eval_library": {
            "name": "lm_eval",
            "version": manifest.versions.get("lm_eval") or "unknown",
            "additional_details": {"palmares_evaluator": submission.evaluator_version},
        },
        "evaluation_results": [
            _result(score, suite.task(score.task), manifest) for score in scored.scores.values()
        ],
    }
    return (json.dumps(document, ensure_ascii=False, indent=2, allow_nan=False) + "\n").encode()


def _engine(manifest: Manifest) -> dict[str, str]:
    name = "vllm" if manifest.backend == "vllm" else "transformers"
    version = manifest.versions.get(name)
    return {"name": name} | ({"version": version} if version else {})


def _result(score: Score, task: SuiteTask, manifest: Manifest) -> dict[str, Any]:
    reported = manifest.tasks[score.key]
    return {
        "evaluation_result_id": f"{score.key}#{score.metric}",
        "evaluation_name": task.title,
        "source_data": {
            "dataset_name": task.name,
            "source_type": "other",
            "additional_details": {
                "sha256": reported.dataset_sha256,
                "rows": str(reported.rows),
                "access": "private",
            },
        },
        "metric_config": {
            "metric_id": score.metric,
            "metric_name": score.metric,
            "metric_kind": "accuracy",
            "metric_unit": "proportion",
            "lower_is_better": False,
            "score_type": "continuous",
            "min_score": 0,
            "max_score": 1,
            "additional_details": {
                "guessing": str(task.metric.baseline),
                "scorer": score.scorer,
                "scorer_version": score.scorer_version,
                "scorer_sha256": score.scorer_hash,
            },
        },
        "score_details": {
            "score": score.value,
            "details": {metric: str(value) for metric, value in score.parts.items()},
            "uncertainty": {
                **(
                    {"standard_error": {"value": score.stderr, "method": "analytic"}}
                    if score.stderr is not None
                    else {}
                ),
                "num_samples": score.n,
            },
        },
        "generation_config": {
            "generation_args": {"max_tokens": task.max_generated_tokens} if task.kind == "generate" else {},
            "additional_details": {"seed": str(manifest.seed), "shots": task.key.rsplit("|", 1)[-1]},
        },
    }
