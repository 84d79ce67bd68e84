"""The leaderboard as it stands: one row a request file, read from the Hub's requests and our store."""

from __future__ import annotations

import json
from typing import Any

from palmares.leaderboard.errors import RefusedError
from palmares.leaderboard.publishing.ranking import rank
from palmares.leaderboard.publishing.shown import ShownScore
from palmares.leaderboard.scoring import average
from palmares.leaderboard.submissions.request_file import parse_request
from palmares.leaderboard.suites import Suite
from palmares.steps.services import Services
from palmares.store.store import EvaluationState


def read_leaderboard(*, hub_endpoint: str, hub_token: str | None, store_url: str) -> dict[str, Any]:
    """Read the rows at these addresses.

    Returns:
        ``{"rows": [{"model", "revision", "status", "scores": {task: {"value", "stderr", …}}, "reason"}],
        "baselines": {task: fraction}}``: scored rows first, by rank; values as fractions, also as they are
        shown (``ShownScore``); ``status`` as in the request files; what guessing scores.
    """
    with Services.at(hub_endpoint=hub_endpoint, hub_token=hub_token, store_url=store_url) as services:
        tasks = services.settings.suite(None).tasks
        baselines = {task.name: task.metric.baseline for task in tasks}
        return {"rows": leaderboard_rows(services), "baselines": baselines}


def _row(
    *,
    model: str,
    revision: str,
    status: str,
    reason: str,
    scores: dict[str, Any] | None = None,
    suite: Suite | None = None,
) -> dict[str, Any]:
    baselines = {task.name: task.metric.baseline for task in (suite.tasks if suite else ())}
    return {
        "model": model,
        "revision": revision,
        "status": status,
        "scores": {
            task: {"value": score["value"], "stderr": score["stderr"]}
            | ShownScore.of(
                score["value"],
                score["stderr"],
                rows=score.get("n"),
                baseline=baselines.get(task, 0.0),
            ).to_json()
            for task, score in (scores or {}).items()
        },
        "reason": reason,
    }


def _readable(content: bytes) -> dict[str, Any]:
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def leaderboard_rows(services: Services) -> list[dict[str, Any]]:
    """Make one row for each request file at the requests dataset's head."""
    requests_repo = services.settings.hub.requests_repo
    suite = services.settings.suite(None)
    commit = services.hub.head(requests_repo)
    refusals = {refusal.request_path: refusal for refusal in services.store.request_files.refusals()}
    published = {
        evaluation.request_path: evaluation
        for evaluation in services.store.evaluations.find(state=EvaluationState.PUBLISHED)
    }
    rows = []
    for file in services.hub.read_json_files(requests_repo, commit=commit):
        refusal = refusals.get(file.path)
        evaluation = published.get(file.path)
        scores = dict(evaluation.scores or {}) if evaluation else {}
        try:
            request = parse_request(file.path, file.content)
        except RefusedError as error:
            raw = _readable(file.content)
            rows.append(
                _row(
                    model=str(raw.get("model") or file.path.split("_eval_request_")[0]),
                    revision=str(raw.get("revision") or ""),
                    status=str(raw.get("status") or "FAILED"),
                    reason=error.refusal.error_msg,
                )
            )
            continue
        reason = str(request.raw.get("error_msg") or "") or (refusal.refusal.error_msg if refusal else "")
        if request.status == "FINISHED" and not evaluation:
            reason = "finished before this leaderboard's store began: not evaluated again"
        rows.append(
            _row(
                model=request.model_id,
                revision=evaluation.revision if evaluation else request.requested_revision,
                status=str(request.raw.get("status")),
                scores=scores,
                suite=suite,
                reason=reason,
            )
        )
    return rank(rows, average=lambda row: average(row["scores"], suite))
