"""Every way to lay one job on a cluster, looked at from the smallest reservation up."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from typing import Final

from palmares.leaderboard.clusters import Cluster, minutes
from palmares.leaderboard.planning.duration import Correction, estimate_s, wanted_minutes
from palmares.leaderboard.planning.memory import Budget, Weights, budget
from palmares.leaderboard.planning.model_config import ModelConfig
from palmares.leaderboard.planning.placement import Placement, is_legal, placements, reserved_gpus
from palmares.leaderboard.planning.plan import Backend
from palmares.leaderboard.suites import Suite

HF_SEQUENCES: Final = 8
"""Rows at once of the transformers backends on a GPU (include/palmares/evaluator/backends.py)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """One model and what is asked of it."""

    model: ModelConfig
    weights: Weights
    parameters: int
    active_parameters: int
    """Those that one token passes through."""
    dtype: str
    suite: Suite
    backend: Backend
    max_model_len: int
    max_num_seqs: int | None
    """A person's limit; None: the cluster's."""
    limit_samples: int | None
    correction: Correction


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One placement, judged."""

    placement: Placement
    is_legal: bool
    """By the rules on cuts; ``placement.run_checks`` says which are broken."""
    budget: Budget
    reserved: int
    """GPUs that the batch scheduler takes."""
    sequences: int
    """At once; 1 where not even one fits."""
    estimated_s: float
    """Before the correction by past jobs; infinite where it does not fit."""
    wanted_minutes: int
    """Wall time that it should get, whatever the cluster allows."""
    fits: bool
    """Legal, with room for one sequence (K4)."""
    is_roomy: bool
    """Holds as many sequences as the cluster prefers."""
    is_in_time: bool

    @property
    def is_good(self) -> bool:
        """As a plan should be."""
        return self.is_roomy and self.is_in_time

    @property
    def order(self) -> tuple[int, int, int]:
        """Fewer GPUs; then fewer stages (no idle bubbles); then more tensor parallelism (speed)."""
        return self.reserved, self.placement.pipeline_parallel, -self.placement.tensor_parallel

    @property
    def room(self) -> float:
        """Sequences of full length that fit, fractions included."""
        return self.budget.free / max(1, self.budget.kv_per_sequence)


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """What a search found."""

    chosen: Candidate | None
    looked_at: tuple[Candidate, ...]
    """Smallest reservation first, up to one size beyond the chosen; all of them if none is good."""


def search(workload: Workload, cluster: Cluster, wanted: Mapping[str, int] | None = None) -> Search:
    """Take the smallest reservation with a sensible concurrency that ends in time.

    If no roomy one ends in time: the fastest of the largest reservation; if none is roomy, the one with the
    most room. So more memory never asks for more GPUs, nor a longer context for fewer.

    Args:
        workload: The job.
        cluster: Where.
        wanted: Sizes that a person set: ``nodes``, ``gpus_per_node``, ``tensor_parallel_size``,
            ``pipeline_parallel_size``.
    """
    looked_at: list[Candidate] = []
    chosen: Candidate | None = None
    found = _matching(cluster, workload.backend, wanted or {})
    for _, same_size in groupby(found, key=lambda pair: pair[0]):
        candidates: list[Candidate] = []
        for reserved, placement in same_size:
            candidates.append(_judge(workload, cluster, placement, reserved))
            if chosen is not None and candidates[-1].fits:  # one that would do as well is enough to show
                break
        looked_at += candidates
        if chosen is not None:
            return Search(chosen=chosen, looked_at=tuple(looked_at))
        chosen = min((one for one in candidates if one.is_good), key=lambda one: one.order, default=None)
    if chosen is None:
        fitting = [one for one in looked_at if one.fits]
        roomy = [one for one in fitting if one.is_roomy]
        if roomy:
            chosen = min(roomy, key=lambda one: (-one.reserved, one.estimated_s, one.order))
        elif fitting:
            chosen = min(fitting, key=lambda one: (-one.room, one.order))
    return Search(chosen=chosen, looked_at=tuple(looked_at))


def _judge(workload: Workload, cluster: Cluster, placement: Placement, reserved: int) -> Candidate:
    legal = is_legal(workload.model, placement, cluster)
    memory = budget(
        workload.model,
        placement,
        cluster,
        weights=workload.weights,
        max_model_len=workload.max_model_len,
        dtype=workload.dtype,
    )
    most = workload.max_num_seqs or cluster.max_num_seqs
    if workload.backend != "vllm":
        most = min(most, HF_SEQUENCES)
    concurrency = memory.concurrency
    if not legal or concurrency < 1:  # how long it would take does not matter
        return Candidate(
            placement=placement,
            is_legal=legal,
            budget=memory,
            reserved=reserved,
            sequences=1,
            estimated_s=math.inf,
            wanted_minutes=0,
            fits=False,
            is_roomy=False,
            is_in_time=False,
        )
    sequences = min(concurrency, most)
    estimated = estimate_s(
        workload.suite,
        cluster,
        placement,
        weights_bytes=workload.weights.total_bytes,
        active_parameters=workload.active_parameters,
        kv_per_sequence=memory.kv_per_sequence,
        max_model_len=workload.max_model_len,
        concurrency=sequences,
        limit_samples=workload.limit_samples,
    )
    wanted = wanted_minutes(estimated * workload.correction.factor, workload.correction.margin)
    return Candidate(
        placement=placement,
        is_legal=legal,
        budget=memory,
        reserved=reserved,
        sequences=sequences,
        estimated_s=estimated,
        wanted_minutes=wanted,
        fits=True,
        is_roomy=concurrency >= min(cluster.preferred_concurrency, most),
        is_in_time=wanted <= minutes(cluster.max_walltime),
    )


def _matching(
    cluster: Cluster, backend: Backend, wanted: Mapping[str, int]
) -> Iterator[tuple[int, Placement]]:
    every = _by_size(_Layout.of(cluster, backend))
    if not wanted:
        yield from every
        return
    for reserved, placement in every:
        sizes = {
            "nodes": placement.nodes,
            "gpus_per_node": placement.gpus_per_node,
            "tensor_parallel_size": placement.tensor_parallel,
            "pipeline_parallel_size": placement.pipeline_parallel,
        }
        if all(sizes[name] == value for name, value in wanted.items()):
            yield reserved, placement


@dataclass(frozen=True, slots=True)
class _Layout:
    """What decides a cluster's placements: equal for equal clusters, so that they are listed once."""

    key: tuple[object, ...]
    cluster: Cluster

    @classmethod
    def of(cls, cluster: Cluster, backend: Backend) -> _Layout:
        # One process on one device, whatever else the cluster serves.
        engine = "vllm" if backend == "vllm" else "hf"
        return cls(
            (
                engine,
                cluster.nodes,
                cluster.gpus_per_node,
                cluster.allocation,
                cluster.fabric_between_nodes,
                tuple(cluster.queues.items()),
            ),
            cluster if cluster.backend == engine else cluster.model_copy(update={"backend": engine}),
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Layout) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)


@lru_cache(maxsize=64)
def _by_size(layout: _Layout) -> tuple[tuple[int, Placement], ...]:
    found = [
        (reserved_gpus(layout.cluster, placement), placement) for placement in placements(layout.cluster)
    ]
    return tuple(sorted(found, key=lambda pair: (pair[0], pair[1].pipeline_parallel)))
