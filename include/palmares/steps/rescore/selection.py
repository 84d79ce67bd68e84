"""Which stored models the present scorers have not graded, and whether a scorer is new."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict

from palmares.benchmarks.registry import all_scorers
from palmares.leaderboard.errors import LeaderboardError
from palmares.leaderboard.scoring import IDENTITY
from palmares.leaderboard.submissions.submission import Submission
from palmares.leaderboard.suites import Suite
from palmares.steps.services import Services
from palmares.store.store import Rescorable, RescoringOutcome

log = logging.getLogger(__name__)


class RescoreOptions(BaseModel):
    """The DAG's params, and the interval of a backfill."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    models: tuple[str, ...] | None = ()
    """Empty or None: all."""
    suite: str | None = None
    """Only models evaluated with it; None: with any."""
    force: bool = False
    """Also what the present scorers have graded, or have been stopped at."""
    dry_run: bool = False
    max_models: int = 150
    accepted_after: datetime | None = None
    """Backfills only: inclusive."""
    accepted_before: datetime | None = None
    """Backfills only: exclusive."""


@dataclass(frozen=True, slots=True)
class Selected:
    """What a run takes, and what it leaves."""

    models: list[dict[str, str]]
    """``job_key`` and ``model_id``, the longest accepted first."""
    waiting: int
    """Models beyond ``max_models``: the next run's."""


def note_scorer(services: Services, task: str, *, dag_run_id: str) -> bool:
    """Store the scorer of *task*, and return whether it is another than the one before."""
    scorer = all_scorers(services.settings.grading)[task]
    is_new = services.store.rescorings.note_scorer(
        task, name=scorer.name, version=scorer.version, code_hash=scorer.code_hash, dag_run_id=dag_run_id
    )
    log.info(
        "%s is graded by version %s, %s%s",
        task, scorer.version, scorer.code_hash[:12], ": a new scorer" if is_new else ", as before",
    )  # fmt: skip
    return is_new


def select_models(services: Services, *, options: RescoreOptions) -> Selected:
    """Find published models whose scores come from other scorers than the present ones.

    Raises:
        LeaderboardError: None of ``options.models`` has published results.
    """
    found = services.store.rescorings.rescorable(
        accepted_after=options.accepted_after, accepted_before=options.accepted_before
    )
    known = {one.evaluation.model_id for one in found}
    if options.models and options.accepted_after is None and known.isdisjoint(options.models):
        raise LeaderboardError(
            f"None of {', '.join(options.models)} has published results to grade again. "
            "Write names as in the requests: organisation/name."
        )
    wanted = [one for one in found if _is_wanted(services, one, options)]
    taken, rest = wanted[: options.max_models], wanted[options.max_models :]
    log.info("%s of %s published models to grade again, %s more wait", len(taken), len(found), len(rest))
    return Selected(
        models=[{"job_key": one.evaluation.job_key, "model_id": one.evaluation.model_id} for one in taken],
        waiting=len(rest),
    )


def _is_wanted(services: Services, one: Rescorable, options: RescoreOptions) -> bool:
    submission = Submission.from_json(one.evaluation.submission)
    if options.models and submission.model_id not in options.models:
        return False
    if options.suite is not None and submission.suite != options.suite:
        return False
    try:
        suite = services.settings.suite(submission.suite)
    except LeaderboardError as error:
        log.warning("%s is left as it is: %s", submission.model_id, error)
        return False
    if missing := sorted(set(suite.task_keys) - one.task_keys):
        log.warning(
            "%s is left as it is: suite %s has gained %s since; evaluate again",
            submission.model_id, suite.name, ", ".join(missing),
        )  # fmt: skip
        return False
    if options.force:
        return True
    present = present_scorers(services, suite, one.evaluation.scores or {})
    if not differing(present, one.evaluation.scores or {}):
        return False
    was_stopped = one.last is not None and one.last.outcome is RescoringOutcome.QUARANTINED
    if was_stopped and one.last is not None and one.last.scorers == present and not options.models:
        log.info("%s was stopped with these scorers: %s", submission.model_id, one.last.reason)
        return False
    return True


def present_scorers(services: Services, suite: Suite, scores: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """Who would grade each task of *suite* now; tasks whose verdicts are the evaluator's are left out.

    Args:
        services: Their settings hold the grading policy, which is part of a scorer's hash.
        suite: Says who grades which task.
        scores: As stored; they name the scorer of each average.
    """
    known = all_scorers(services.settings.grading)
    found = {}
    for task in suite.tasks:
        scorer = known.get(task.name)
        if scorer is None:
            continue
        is_own = task.metric.graded_by == "scorer" or scores.get(task.name, {}).get("scorer") == scorer.name
        if is_own:
            values = (scorer.name, scorer.version, scorer.code_hash)
            found[task.name] = dict(zip(IDENTITY, values, strict=True))
    return found


def differing(present: Mapping[str, Mapping[str, str]], scores: Mapping[str, Any]) -> list[str]:
    """Tasks whose stored score is not by the present scorer."""
    return [
        task
        for task, identity in present.items()
        if any(scores.get(task, {}).get(name) != value for name, value in identity.items())
    ]
