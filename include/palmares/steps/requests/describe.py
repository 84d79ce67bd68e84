"""All that is known of one model's requests: their place, their evaluations, and what people decided."""

from __future__ import annotations

from typing import Any

from palmares.leaderboard.submissions.moderation import Moderation, all_names
from palmares.steps.requests.overview import overview
from palmares.steps.services import Services
from palmares.store.store import Evaluation


def describe(services: Services, name: str) -> list[dict[str, Any]]:
    """Gather what is known of the requests that name a model (under any of its names), or of one file.

    Args:
        services: Open handles.
        name: Model, or path of a request file.

    Returns:
        JSON, one a request: ``request`` (see `overview.Row`), ``evaluations``, ``moderation`` (every
        decision, oldest first).
    """
    moderation = services.store.moderation.current()
    names = all_names(name, moderation)
    rows = [row for row in overview(services).rows if row.path == name or row.model in names]
    if not rows:
        return []
    evaluations = services.store.evaluations.find()
    return [
        {
            "request": row.to_json(),
            "evaluations": [
                _evaluation(services, one) for one in evaluations if one.request_path == row.path
            ],
            "moderation": [
                _decision(one)
                for model in sorted(all_names(row.model, moderation))
                for one in services.store.moderation.history(model)
            ],
        }
        for row in rows
    ]


def _evaluation(services: Services, one: Evaluation) -> dict[str, Any]:
    plan = one.plan or {}
    return {
        "job_key": one.job_key,
        "model": one.model_id,
        "revision": one.revision,
        "state": one.state.value,
        "reached": one.reached.value,
        "run_number": one.submission.get("run_number"),
        "limit_samples": one.submission.get("limit_samples"),
        "dag_run_id": one.dag_run_id,
        "clearml_task_id": one.clearml_task_id,
        "attempts": len(services.store.evaluations.attempts(one.job_key)),
        "cluster": plan.get("cluster"),
        "gpu_hours": plan.get("gpu_hours"),
        "failure_class": one.failure_class,
        "reason_code": one.reason_code,
        "reason": one.reason,
        "scores": one.scores,
        "created_at": one.created_at.isoformat(),
        "updated_at": one.updated_at.isoformat(),
    }


def _decision(one: Moderation) -> dict[str, Any]:
    return {
        "model_id": one.model_id,
        "action": one.action.value,
        "reason": one.reason,
        "link": one.link,
        "new_model_id": one.new_model_id,
        "at": one.at.isoformat(),
        "by": one.by,
    }
