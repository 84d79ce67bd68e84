"""The order in which admitted submissions are evaluated, and why each stands where it stands.

Each submission has a priority score, and the lowest goes first. Its organisation's evaluations under way, and
its organisation's submissions that go before it, count one point each, divided by the organisation's share.
Days of waiting, likes and votes take points away. So organisations alternate, and nobody waits for ever: a
day of waiting is worth the same to all, and what comes later starts later.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from palmares.leaderboard.planning import JobPlan
from palmares.leaderboard.submissions.policy import QueuePolicy
from palmares.leaderboard.submissions.submission import Submission

DAY = timedelta(days=1)
_LAST = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """An admitted submission that nobody evaluates yet."""

    submission: Submission
    gpu_hours: float | None = None
    """What its plan forecasts; None: not known, and taken for large."""
    plan: JobPlan | None = None
    """Where it would run now; None: not known."""
    votes: int = 0
    is_tried_again: bool = False
    """An earlier evaluation failed through no fault of the model's: it goes first."""

    @property
    def organisation(self) -> str:
        return organisation_of(self.submission.model_id)

    @property
    def sender(self) -> str:
        return sender_of(self.submission)

    @property
    def submitted(self) -> datetime | None:
        time = self.submission.submitted_time
        return None if time is None else datetime.fromisoformat(time)


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """An evaluation that was begun: what the shares and the quotas count."""

    organisation: str
    sender: str
    at: datetime
    """When it was first claimed; aware."""
    is_live: bool
    """Still under way."""


class Hold(StrEnum):
    """Why a submission does not start now, however far in front it is."""

    AT_ONCE = "at_once"
    PER_DAY = "per_day"


@dataclass(frozen=True, slots=True, kw_only=True)
class Queued:
    """A submission with its place, and everything that decided it."""

    waiting: Waiting
    position: int
    """From 1; those that are held back come after all others."""
    before_it: int
    """Of the same organisation: under way, or earlier in its line."""
    live: int
    """How many of these are under way."""
    days: int
    """Whole days of waiting; 0 without a readable time."""
    line_score: float
    waiting_bonus: float
    popularity_boost: float
    """For likes and votes."""
    hold: Hold | None = None
    held_by: tuple[int, int] | None = None
    """With a hold: how many the sender has, and may have."""

    @property
    def submission(self) -> Submission:
        return self.waiting.submission

    @property
    def priority_score(self) -> float:
        """The lowest goes first."""
        return round(self.line_score - self.waiting_bonus - self.popularity_boost, 6)


def organisation_of(model_id: str) -> str:
    """The model's namespace; a model without one, as ``gpt2``, is an organisation of its own."""
    return model_id.partition("/")[0].lower()


def sender_of(submission: Submission) -> str:
    """Who is charged for a submission: its sender, or where the file names none, the organisation."""
    return submission.sender or organisation_of(submission.model_id)


def order(
    submissions: Iterable[Waiting], now: datetime, policy: QueuePolicy, running: Iterable[Taken] = ()
) -> list[Queued]:
    """Put submissions in order; the same whatever order they are given in.

    1. What failed through no fault of its own, oldest first.
    2. The lowest priority score (:class:`Queued`); on equal scores the smaller job, then the one submitted
       earlier, then the path. Those without a readable time come after all that have one.
    3. What its sender's quota holds back, in the same order.

    Args:
        submissions: With distinct request paths.
        now: Aware; days of waiting are counted from it.
        policy: Shares, weights and quotas.
        running: What is under way, and what was begun in the last day.

    Returns:
        All of them; those with a ``hold`` must not start now.
    """
    begun = list(running)
    live = Counter(one.organisation for one in begun if one.is_live)
    lines: dict[str, list[Waiting]] = defaultdict(list)
    for one in sorted(submissions, key=lambda one: _in_line(one, now, policy)):
        lines[one.organisation].append(one)
    placed = [
        _placed(one, ahead=ahead, live=live[organisation], now=now, policy=policy)
        for organisation, line in lines.items()
        for ahead, one in enumerate(line)
    ]
    placed.sort(key=_global)
    free, held = _within_quota(placed, begun, now=now, policy=policy)
    return [_at(one, position) for position, one in enumerate([*free, *held], start=1)]


def _days(one: Waiting, now: datetime) -> int:
    # Whole days: only then are two ever equal, so that the smaller job goes first.
    return 0 if one.submitted is None else max(0, (now - one.submitted) // DAY)


def _popularity(one: Waiting, policy: QueuePolicy) -> float:
    likes = int(math.log2(1 + max(0, one.submission.likes)))
    votes = int(math.log2(1 + max(0, one.votes)))
    boost = policy.score_per_like_doubling * likes + policy.score_per_vote_doubling * votes
    return round(min(policy.max_popularity_boost, boost), 6)


def _tie(one: Waiting) -> tuple[float, datetime, str]:
    hours = math.inf if one.gpu_hours is None else one.gpu_hours
    return hours, one.submitted or _LAST, one.submission.request_path


def _in_line(one: Waiting, now: datetime, policy: QueuePolicy) -> tuple[object, ...]:
    """Place in the line of its own organisation."""
    if one.is_tried_again:
        return (0, one.submitted or _LAST, one.submission.request_path)
    merit = policy.score_per_day * _days(one, now) + _popularity(one, policy)
    return (1, one.submitted is None, -round(merit, 6), *_tie(one))


def _placed(one: Waiting, *, ahead: int, live: int, now: datetime, policy: QueuePolicy) -> Queued:
    days, share = _days(one, now), policy.shares.get(one.organisation, 1.0)
    return Queued(
        waiting=one,
        position=0,
        before_it=live + ahead,
        live=live,
        days=days,
        line_score=round((live + ahead) / share, 6),
        waiting_bonus=round(policy.score_per_day * days, 6),
        popularity_boost=_popularity(one, policy),
    )


def _global(one: Queued) -> tuple[object, ...]:
    if one.waiting.is_tried_again:
        return (0, one.waiting.submitted or _LAST, one.submission.request_path)
    return (1, one.waiting.submitted is None, one.priority_score, *_tie(one.waiting))


def _within_quota(
    placed: Sequence[Queued], begun: Sequence[Taken], *, now: datetime, policy: QueuePolicy
) -> tuple[list[Queued], list[Queued]]:
    """Tell those that may start from those that their sender's quota holds back; both keep their order."""
    quota = policy.quota
    live = Counter(one.sender for one in begun if one.is_live)
    today = Counter(one.sender for one in begun if now - one.at < DAY)
    free: list[Queued] = []
    held: list[Queued] = []
    for one in placed:
        sender = one.waiting.sender
        if quota.at_once is not None and live[sender] >= quota.at_once:
            held.append(_held(one, Hold.AT_ONCE, has=live[sender], may=quota.at_once))
            continue
        # Not charged: it was begun before, and failed through no fault of its own.
        is_charged = not one.waiting.is_tried_again
        if is_charged and quota.per_day is not None and today[sender] >= quota.per_day:
            held.append(_held(one, Hold.PER_DAY, has=today[sender], may=quota.per_day))
            continue
        live[sender] += 1
        today[sender] += is_charged
        free.append(one)
    return free, held


def _held(one: Queued, hold: Hold, *, has: int, may: int) -> Queued:
    return replace(one, hold=hold, held_by=(has, may))


def _at(one: Queued, position: int) -> Queued:
    return replace(one, position=position)
