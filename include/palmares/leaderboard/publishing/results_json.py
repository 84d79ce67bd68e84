"""Writes a model's public results JSON, in the schema that the leaderboard's web back end reads."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from palmares.benchmarks.statistics import mean
from palmares.leaderboard.planning.plan import JobPlan
from palmares.leaderboard.results.manifest import Manifest
from palmares.leaderboard.scoring.score import Score, ScoredResults
from palmares.leaderboard.submissions.submission import Submission


def results_json(
    submission: Submission,
    plan: JobPlan,
    manifest: Manifest,
    scored: ScoredResults,
    clearml_task_id: str | None = None,
    *,
    rescoring: Mapping[str, Any] | None = None,
) -> bytes:
    """Write the leaderboard's schema, with our provenance under ``palmares``.

    Args:
        submission: Names the model.
        plan: Where it ran.
        manifest: Of the verified outputs.
        scored: Their scores.
        clearml_task_id: Of the job; None: the manifest says.
        rescoring: What these scores replaced, and why; None: they are the first.

    The same arguments give the same bytes, so that a retried publication is no new version.

    Raises:
        ValueError: The run was limited: its numbers are preliminary and never published.
    """
    if scored.preliminary:
        raise ValueError(f"{submission.model_id}: a limited run is preliminary and not published")
    results: dict[str, dict[str, float | None]] = {
        score.key: _metrics(score) for score in scored.scores.values()
    }
    results["all"] = _all(list(results.values()))
    document: dict[str, Any] = {
        "config_general": {
            "lighteval_sha": f"palmares-{submission.evaluator_version}",
            "num_fewshot_seeds": 1,
            "max_samples": submission.limit_samples,
            "job_id": clearml_task_id or manifest.clearml_task_id or "",
            "start_time": manifest.started_at.timestamp(),
            "end_time": manifest.ended_at.timestamp(),
            "total_evaluation_time_secondes": str(manifest.duration_s),
            "model_name": submission.model_id,
            "model_sha": submission.revision,
            "model_dtype": submission.precision,
            "model_size": manifest.model.parameters,
        },
        "results": results,
        "versions": {score.key: 0 for score in scored.scores.values()}
        | {"all": 0}
        | {f"{score.key}|scorer": score.scorer_version for score in scored.scores.values()},
        "config_tasks": {
            score.key: {"lm_eval_task": manifest.tasks[score.key].lm_eval_task, "metric": score.metric}
            for score in scored.scores.values()
        },
        "summary_tasks": {
            key: {"dataset_sha256": task.dataset_sha256, "effective_num_docs": task.rows}
            for key, task in manifest.tasks.items()
        },
        "summary_general": {"suite": manifest.suite.name, "suite_hash": manifest.suite.hash},
        "palmares": _provenance(submission, plan, manifest, scored)
        | ({} if rescoring is None else {"rescoring": rescoring}),
    }
    return (json.dumps(document, ensure_ascii=False, indent=2, allow_nan=False) + "\n").encode()


def _metrics(score: Score) -> dict[str, float | None]:
    """A task's metrics under the names that readers know; the error is of the value that is shown."""
    metrics: dict[str, float | None] = dict(score.parts)
    if len(score.parts) == 1:
        metrics[f"{score.metric}_stderr"] = score.stderr
    else:
        metrics["mean"] = score.value
        metrics["mean_stderr"] = score.stderr
    return metrics


def _all(tasks: list[dict[str, float | None]]) -> dict[str, float | None]:
    """lighteval's ``all``: each metric's mean over the tasks that have it."""
    names = dict.fromkeys(name for task in tasks for name in task)
    return {
        name: mean(values)
        for name in names
        if (values := [value for task in tasks if (value := task.get(name)) is not None])
    }


def _provenance(
    submission: Submission, plan: JobPlan, manifest: Manifest, scored: ScoredResults
) -> dict[str, Any]:
    return {
        "job_key": submission.job_key,
        "run_number": submission.run_number,
        "attempt": manifest.attempt,
        "average": scored.average,
        "scores": scored.scores_json(),
        "suite": manifest.suite.model_dump(),
        "seed": manifest.seed,
        "use_chat_template": manifest.use_chat_template,
        "chat_template_sha256": manifest.chat_template_sha256,
        "backend": manifest.backend,
        "versions": manifest.versions,
        "plan": plan.to_json(),
        "raw_files": {path: file.sha256 for path, file in manifest.files.items()},
    }
