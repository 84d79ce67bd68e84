"""When each submission of the queue should start: the queue laid onto the machines, by the plans' forecasts.

Simple on purpose: jobs start in the queue's order on each cluster, none overtakes, and each holds its GPUs
for as long as its plan expects (which past jobs have corrected). Nothing is said of what is not known.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from palmares.leaderboard.clusters import Cluster
from palmares.leaderboard.planning import JobPlan
from palmares.leaderboard.submissions.policy import QueuePolicy
from palmares.leaderboard.submissions.queue import Queued


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """An evaluation under way."""

    plan: JobPlan | None
    """None: not planned yet, so nobody knows what it takes."""
    began: datetime
    """When its attempt was enqueued, or it was claimed; aware."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """When a submission should start."""

    at: datetime | None
    """Aware; None: unknown."""
    is_earliest: bool = False
    """Something before it has no forecast: not before *at*."""


UNKNOWN = Start(at=None)


def next_sweep(now: datetime, policy: QueuePolicy) -> datetime:
    """The next nightly sweep's begin, in UTC's terms of the local clock's time.

    Args:
        now: Aware.
        policy: Holds the time and its zone.
    """
    zone = ZoneInfo(policy.time_zone)
    local = now.astimezone(zone)
    moment = datetime.combine(local.date(), time.fromisoformat(policy.nightly), tzinfo=zone)
    if moment <= local:
        moment = datetime.combine(
            local.date() + timedelta(days=1), time.fromisoformat(policy.nightly), tzinfo=zone
        )
    return moment.astimezone(now.tzinfo)


def expected_starts(
    queue: Sequence[Queued],
    running: Iterable[Running],
    *,
    clusters: Mapping[str, Cluster],
    begins: datetime,
    now: datetime,
) -> list[Start]:
    """Say of each submission when it should start.

    Args:
        queue: In order.
        running: What holds GPUs now.
        clusters: By name; their GPUs are the capacity.
        begins: When the queue is taken up; aware.
        now: Aware.

    Returns:
        One for each of *queue*, in its order; unknown for what a quota holds back or nobody has planned.
    """
    free = {name: [now] * (one.nodes * one.gpus_per_node) for name, one in clusters.items()}
    last = dict.fromkeys(free, begins)
    is_earliest = False
    for job in sorted(running, key=lambda one: one.began):
        if job.plan is None or job.plan.cluster not in free:
            is_earliest = True
            continue
        ends = max(now, job.began + timedelta(seconds=_duration_s(job.plan)))
        _hold(free[job.plan.cluster], _gpus(job.plan), begins=now, ends=ends)
    starts: list[Start] = []
    for one in queue:
        plan = one.waiting.plan
        if one.hold is not None or plan is None or plan.cluster not in free:
            starts.append(UNKNOWN)
            continue
        slots = sorted(free[plan.cluster])
        needed = min(_gpus(plan), len(slots))
        at = max(last[plan.cluster], slots[needed - 1])
        last[plan.cluster] = at
        _hold(free[plan.cluster], needed, begins=at, ends=at + timedelta(seconds=_duration_s(plan)))
        starts.append(Start(at=at, is_earliest=is_earliest))
    return starts


def _gpus(plan: JobPlan) -> int:
    return plan.reserved_gpus or plan.nodes * plan.gpus_per_node


def _duration_s(plan: JobPlan) -> float:
    """The forecast; a plan older than it has only its GPU-hours."""
    return plan.expected_s or plan.gpu_hours * 3600 / max(1, _gpus(plan))


def _hold(free: list[datetime], gpus: int, *, begins: datetime, ends: datetime) -> None:
    """Take the GPUs that are free first, until *ends*."""
    free.sort()
    for index in range(min(gpus, len(free))):
        free[index] = max(ends, begins)
