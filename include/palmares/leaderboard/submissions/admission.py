"""Decides whether a request is evaluated, and pins it to a commit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from palmares.leaderboard.errors import Refusal
from palmares.leaderboard.planning import JobPlan
from palmares.leaderboard.planning.duration import History
from palmares.leaderboard.settings import Settings
from palmares.leaderboard.submissions.checks import CHECKS, Case, FactsSource
from palmares.leaderboard.submissions.moderation import Moderation
from palmares.leaderboard.submissions.names import validate_model_id
from palmares.leaderboard.submissions.refusals import duplicate_refusal, evaluated_refusal
from palmares.leaderboard.submissions.request_file import RequestFile
from palmares.leaderboard.submissions.submission import Submission

__all__ = [
    "Admissible",
    "FactsSource",
    "admit",
    "duplicate_refusal",
    "evaluated_refusal",
    "examine",
    "find_duplicates",
    "validate_model_id",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Admissible:
    """A submission that passed every check, and where it would run."""

    submission: Submission
    plan: JobPlan
    hub_name: str
    """What the Hub calls the model: another name, where it was renamed and the Hub passes on who asks."""


def examine(
    request: RequestFile,
    *,
    blob_oid: str,
    facts: FactsSource,
    settings: Settings,
    suite_name: str,
    suite_hash: str,
    limit_samples: int | None = None,
    run_number: int = 1,
    cluster_name: str | None = None,
    moderation: Mapping[str, Moderation] | None = None,
    history: Mapping[str, History] | None = None,
) -> Admissible:
    """Check a request (`checks.CHECKS`), freeze it, and place it.

    The request's status is not looked at: whoever lists requests decides which are due.

    Args:
        request: The parsed file.
        blob_oid: Object id of the file's content.
        facts: Asks the Hub.
        settings: Policies, seed, evaluator's version, clusters.
        suite_name: Suite to evaluate.
        suite_hash: See :func:`palmares.leaderboard.suites.suite_hash`.
        limit_samples: Rows a task of a preliminary run; None: all.
        run_number: Raised by ``force`` and RERUN; 1 for a first evaluation.
        cluster_name: Cluster whose backend enters the job key; None: the default one.
        moderation: What people decided, by name: a renamed model is evaluated under its new name, a withdrawn
            one is refused.
        history: Past jobs by cluster, which correct the plan's forecast.

    Raises:
        RefusedError: The model cannot be evaluated, with a code of docs/operate/requests.md.
        HubUnavailableError: The Hub is out of reach; not a refusal.
    """
    case = Case(
        request=request,
        blob_oid=blob_oid,
        settings=settings,
        facts=facts,
        suite_name=suite_name,
        suite_hash=suite_hash,
        limit_samples=limit_samples,
        run_number=run_number,
        cluster_name=cluster_name,
        moderation=moderation or {},
        history=history or {},
    )
    for check in CHECKS:
        case = check.run(case)
    assert case.plan is not None  # fits_on_a_cluster is among the checks
    return Admissible(submission=case.pinned, plan=case.plan, hub_name=case.known.model_id)


def admit(
    request: RequestFile,
    *,
    blob_oid: str,
    facts: FactsSource,
    settings: Settings,
    suite_name: str,
    suite_hash: str,
    limit_samples: int | None = None,
    run_number: int = 1,
    cluster_name: str | None = None,
    moderation: Mapping[str, Moderation] | None = None,
) -> Submission:
    """Check a request and freeze it; see :func:`examine`.

    Raises:
        RefusedError: The model cannot be evaluated, with a code of docs/operate/requests.md.
        HubUnavailableError: The Hub is out of reach; not a refusal.
    """
    return examine(
        request,
        blob_oid=blob_oid,
        facts=facts,
        settings=settings,
        suite_name=suite_name,
        suite_hash=suite_hash,
        limit_samples=limit_samples,
        run_number=run_number,
        cluster_name=cluster_name,
        moderation=moderation,
    ).submission


def find_duplicates(
    submissions: Iterable[Submission], hub_names: Mapping[str, str] | None = None
) -> dict[str, Refusal]:
    """Refuse all but the first of the submissions that share a job key.

    The earliest submitted one wins, then the first path.

    Args:
        submissions: With distinct request paths.
        hub_names: What the Hub calls a model, by the name that was submitted, where that is another: two
            names of one model share what they would share under the Hub's.

    Returns:
        Refusal ``duplicate``, naming the winner, by the loser's request path.
    """
    winners: dict[str, Submission] = {}
    losers: dict[str, Refusal] = {}
    for submission in sorted(submissions, key=_age):
        name = (hub_names or {}).get(submission.model_id, submission.model_id)
        winner = winners.setdefault(replace(submission, model_id=name).job_key, submission)
        if winner is not submission:
            losers[submission.request_path] = duplicate_refusal(winner.request_path)
    return losers


def _age(submission: Submission) -> tuple[datetime, str]:
    if submission.submitted_time is None:
        return datetime.max.replace(tzinfo=UTC), submission.request_path
    return datetime.fromisoformat(submission.submitted_time), submission.request_path
