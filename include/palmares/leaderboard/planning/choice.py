"""Chooses, among the clusters that can run a model, the one that is expected to be done first."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from palmares.leaderboard.clusters import Cluster, minutes
from palmares.leaderboard.errors import RefusedError
from palmares.leaderboard.planning.plan import JobPlan
from palmares.texts import Message, listed, message

ABOUT_AS_EARLY: Final = 0.1
"""Part of the earliest completion within which another counts as equal."""
_SHAPE: Final = re.compile(r"^(\d+)x(\d+)$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranked:
    """One cluster that can run the model."""

    plan: JobPlan
    waiting_jobs: int | None
    """In the cluster's queues; None: at least one of them is not known, and counts as empty."""
    wait_s: float
    """Expected in the queue."""
    is_cut: bool
    """The expected duration is longer than the wall time that the cluster allows."""

    @property
    def completion_s(self) -> float:
        """Expected until the results are there, from now."""
        return self.wait_s + self.plan.expected_s


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterChoice:
    """The cluster to use, and why."""

    plan: JobPlan
    ranking: tuple[Ranked, ...]
    """The chosen first."""
    refusals: Mapping[str, RefusedError]
    """Clusters that cannot run it."""
    reason: Message


def choose_cluster(
    plans_by_cluster: Mapping[str, JobPlan | RefusedError],
    queue_depths: Mapping[str, int | None],
    *,
    clusters: Mapping[str, Cluster],
) -> ClusterChoice:
    """Take the cluster with the earliest expected completion; of those about as early, the least GPU-hours.

    The wait: each job ahead is taken to last as long as this one and to hold the GPUs that its queue's
    shape says; their GPU-seconds are shared by all GPUs of the cluster. A cluster whose longest wall time is
    shorter than the expected duration comes after all others. `ABOUT_AS_EARLY` is less than a forecast is
    wrong by.

    Args:
        plans_by_cluster: The plan on each cluster, or why there is none.
        queue_depths: Jobs that wait or run, by ClearML queue; absent or None: not known.
        clusters: Each by name.

    Raises:
        RefusedError: No cluster can run it; the refusal of the largest cluster that said ``too_large``, else
            the first.
        ValueError: No cluster was given.
    """
    if not plans_by_cluster:
        raise ValueError("No cluster to choose from: give the plan of at least one.")
    refusals = {name: plan for name, plan in plans_by_cluster.items() if isinstance(plan, RefusedError)}
    ranking = sorted(
        (
            _rank(plan, queue_depths, clusters[name])
            for name, plan in plans_by_cluster.items()
            if isinstance(plan, JobPlan)
        ),
        key=lambda one: (one.is_cut, one.completion_s, one.plan.gpu_hours, one.plan.cluster),
    )
    if not ranking:
        raise _most_telling(refusals, clusters)
    best = _cheapest_of_the_early(ranking)
    ranking.remove(best)
    ranking.insert(0, best)
    return ClusterChoice(
        plan=best.plan,
        ranking=tuple(ranking),
        refusals=refusals,
        reason=message("Cluster by expected completion: {clusters}.", clusters=listed(map(_shown, ranking))),
    )


def _cheapest_of_the_early(ranking: Sequence[Ranked]) -> Ranked:
    first = ranking[0]
    latest_s = first.completion_s * (1 + ABOUT_AS_EARLY)
    early = [one for one in ranking if one.is_cut == first.is_cut and one.completion_s <= latest_s]
    return min(early, key=lambda one: one.plan.gpu_hours)


def _rank(plan: JobPlan, queue_depths: Mapping[str, int | None], cluster: Cluster) -> Ranked:
    jobs, busy_gpus, is_known = 0, 0, True
    shapes: dict[str, int] = {}
    for shape, queue in cluster.queues.items():
        gpus = _gpus(shape) or plan.reserved_gpus
        shapes[queue] = max(gpus, shapes.get(queue, 0))
    for queue, gpus in shapes.items():
        depth = queue_depths.get(queue)
        is_known = is_known and depth is not None
        jobs += depth or 0
        busy_gpus += (depth or 0) * gpus
    return Ranked(
        plan=plan,
        waiting_jobs=jobs if is_known else None,
        wait_s=plan.expected_s * busy_gpus / (cluster.nodes * cluster.gpus_per_node),
        is_cut=plan.expected_s > minutes(cluster.max_walltime) * 60,
    )


def _gpus(shape: str) -> int | None:
    found = _SHAPE.match(shape)
    return int(found[1]) * int(found[2]) if found else None


def _most_telling(refusals: Mapping[str, RefusedError], clusters: Mapping[str, Cluster]) -> RefusedError:
    def size(name: str) -> int:
        cluster = clusters[name]
        return cluster.nodes * cluster.gpus_per_node * cluster.gpu_memory_bytes

    too_large = [name for name, error in refusals.items() if error.refusal.code == "too_large"]
    return refusals[max(too_large, key=size)] if too_large else next(iter(refusals.values()))


def _shown(one: Ranked) -> Message:
    return message(
        "{cluster} in {minutes:.0f} minutes for {hours:g} GPU-hours ({depth})",
        cluster=one.plan.cluster,
        minutes=one.completion_s / 60,
        hours=one.plan.gpu_hours,
        depth=_depth(one),
    )


def _depth(one: Ranked) -> Message:
    if one.is_cut:
        return message("longer than its longest wall time")
    if one.waiting_jobs is None:
        return message("queues not known")
    return message("{jobs} jobs ahead", jobs=one.waiting_jobs)
