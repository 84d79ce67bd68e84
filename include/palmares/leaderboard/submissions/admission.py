"""Decides whether a request is evaluated, and pins it to a commit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime

from palmares.leaderboard.errors import Refusal
from palmares.leaderboard.submissions.checks import CHECKS, Case, FactsSource
from palmares.leaderboard.submissions.names import validate_model_id
from palmares.leaderboard.submissions.refusals import duplicate_refusal, evaluated_refusal
from palmares.leaderboard.submissions.submission import Submission

__all__ = [
    "Case",
    "FactsSource",
    "duplicate_refusal",
    "evaluated_refusal",
    "examine",
    "find_duplicates",
    "validate_model_id",
]


def examine(case: Case) -> Case:
    """Check a request (`checks.CHECKS`), freeze it, and place it.

    The request's status is not looked at: whoever lists requests decides which are due.

    Returns:
        The case with the submission that is pinned to a commit, the model's facts and its plan.

    Raises:
        RefusedError: The model cannot be evaluated, with a code of docs/operate/requests.md.
        HubUnavailableError: The Hub is out of reach; not a refusal.
    """
    for check in CHECKS:
        case = check.run(case)
    return case


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
