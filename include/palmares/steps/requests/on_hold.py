"""Parked evaluations: a person lets their numbers be looked at again."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from palmares.leaderboard.publishing.status import pending_changes
from palmares.leaderboard.submissions.moderation import all_names
from palmares.leaderboard.submissions.submission import Submission
from palmares.steps.outbox import request_edit, write_out
from palmares.steps.services import Services
from palmares.steps.write_back import INFRASTRUCTURE
from palmares.store.store import Evaluation, EvaluationState

log = logging.getLogger(__name__)

UNPARKED = "unparked"
"""Reason code of an evaluation that goes on because a person said so."""


def find_on_hold(services: Services, name: str) -> Sequence[Evaluation]:
    """Parked evaluations of a model (under any of its names) or of a request file."""
    names = all_names(name, services.store.moderation.current())
    quarantined = services.store.evaluations.find(state=EvaluationState.QUARANTINED)
    return [one for one in quarantined if one.model_id in names or one.request_path == name]


def unpark(services: Services, name: str, *, by: str) -> Sequence[Evaluation]:
    """Let the next run go on with a model's quarantined evaluations: fetch, grade, pass the gates, publish.

    Nothing is computed again on the cluster: the run adopts the finished job, and the outputs that were
    accepted are graded anew. A gate that still objects parks it again.

    Args:
        services: Open handles.
        name: Model or request file.
        by: Who decided.

    Returns:
        Those that go on; empty when none is quarantined.
    """
    going_on: list[Evaluation] = []
    for evaluation in find_on_hold(services, name):
        reason = f"looked at again, as {by} decided; it was parked: {evaluation.reason or 'no reason given'}"
        submission = Submission.from_json(dict(evaluation.submission))
        entries = []
        if submission.limit_samples is None:
            changes = pending_changes(UNPARKED, "its results are looked at again by the next run")
            # The moment is part of the key: it may be quarantined and released again.
            writer = f"{UNPARKED}-{evaluation.updated_at:%Y%m%dT%H%M%S%f}"
            entries.append(
                request_edit(
                    services,
                    evaluation.request_path,
                    changes,
                    dag_run_id=writer,
                    job_key=evaluation.job_key,
                )
            )
        if services.store.evaluations.update_if_unchanged(
            evaluation,
            state=EvaluationState.FAILED,
            entries=entries,
            failure_class=INFRASTRUCTURE,
            reason_code=UNPARKED,
            reason=reason,
        ):
            log.info("evaluation %s of %s: %s", evaluation.job_key, evaluation.model_id, reason)
            going_on.append(evaluation)
    if going_on:
        write_out(services, services.settings.hub.requests_repo)
    return going_on
