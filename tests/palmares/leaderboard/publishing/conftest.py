"""Published results to make a leaderboard of."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from palmares.leaderboard.groups import Group
from palmares.leaderboard.planning import plan_job
from palmares.leaderboard.publishing import PublishedResult, cost_of
from palmares.leaderboard.results.verify import read_manifest
from palmares.leaderboard.submissions.moderation import Moderation, ModerationAction
from palmares.leaderboard.suites import Suite

START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def grouped_suite(settings) -> Suite:
    """The tests' suite with two of its tasks in a group that counts double."""
    group = Group.model_validate(
        {"name": "exams", "title": "Exams", "weight": 2, "members": ["bac-fr", "gpqa-fr"]}
    )
    suite: Suite = settings.suite()
    return suite.model_copy(update={"groups": (group,)})


def scores_of(bac: float, ifeval: float, gpqa: float, *, stderr: float | None = 0.02) -> dict[str, Any]:
    values = {"bac-fr": bac, "ifeval-fr": ifeval, "gpqa-fr": gpqa}
    return {task: {"value": value, "stderr": stderr} for task, value in values.items()}


@pytest.fixture
def make_result(results_folder, settings, make_submission, make_facts) -> Callable[..., PublishedResult]:
    manifest = read_manifest(results_folder)

    def make(
        model_id: str = "org/model",
        *,
        scores: dict[str, Any] | None = None,
        hours: float = 1.0,
        day: int = 0,
        cluster: str = "musa",
        **changes: Any,
    ) -> PublishedResult:
        submission = make_submission(model_id=model_id, **changes)
        plan = plan_job(make_facts(), submission, settings.suite(), settings.cluster(cluster))
        gpus = plan.reserved_gpus or plan.nodes * plan.gpus_per_node
        measured = manifest.model_copy(update={"duration_s": 3600 * hours / gpus})
        return PublishedResult(
            submission=submission,
            manifest=measured,
            plan=plan,
            scores=scores or scores_of(0.6, 0.5, 0.4),
            cost=cost_of(plan, duration_s=measured.duration_s, cluster=settings.clusters[cluster]),
            claimed_at=START + timedelta(days=day),
        )

    return make


def decided(
    model_id: str,
    action: ModerationAction,
    *,
    new: str | None = None,
    reason: str = "contaminated",
    link: str | None = "https://example.org/why",
) -> dict[str, Moderation]:
    return {
        model_id: Moderation(
            model_id=model_id,
            action=action,
            reason=reason,
            link=link,
            new_model_id=new,
            at=START,
            by="someone",
        )
    }
