"""Shorthands of the tests about people's decisions."""

from __future__ import annotations

from typing import Any

from palmares.leaderboard.submissions.moderation import Moderation, ModerationAction
from palmares.leaderboard.submissions.request_file import edit_request
from palmares.steps.requests.moderation import now
from palmares.steps.services import Services
from palmares.store.store import EvaluationState

from tests.palmares.steps.sweeping import request_files


def decision(action: str, model: str = "palmares-demo/petit", **changes: Any) -> Moderation:
    values: dict[str, Any] = {
        "model_id": model, "action": ModerationAction(action), "reason": "Trained on the test set.",
        "at": now(), "by": "amelie",
    }  # fmt: skip
    return Moderation(**{**values, **changes})


def publish(services: Services, job_key: str) -> None:
    """Bring an evaluation to its end in the store, without a job."""
    for state in ("planned", "enqueued", "fetched", "scored", "published"):
        services.store.evaluations.update(
            job_key, state=EvaluationState(state), scores={"bac-fr": {"value": 0.5}}
        )


def edit(services: Services, path: str, **changes: Any) -> None:
    """Change a request file as its sender would."""
    write(services, path, edit_request(request_files(services)[path], changes))


def write(services: Services, path: str, content: bytes) -> None:
    repo = services.settings.hub.requests_repo
    services.hub.commit_files(repo, {path: content}, message="By hand", parent_commit=services.hub.head(repo))
