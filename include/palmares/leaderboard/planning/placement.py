"""How a job lies on a cluster, and every way to lay one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from palmares.leaderboard.clusters import Cluster


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """How a job lies on a cluster."""

    nodes: int
    tensor_parallel: int
    pipeline_parallel: int

    @property
    def gpus_per_node(self) -> int:
        """GPUs that the engine uses on each node."""
        return self.tensor_parallel * self.pipeline_parallel // self.nodes

    @property
    def world(self) -> int:
        return self.tensor_parallel * self.pipeline_parallel


def placements(cluster: Cluster) -> tuple[Placement, ...]:
    """List every way to lay a job on a cluster, legal or not, that one of its queues serves."""
    if cluster.backend == "hf":  # one process, one device
        per_node = 1 if cluster.allocation == "gpu" else cluster.gpus_per_node
        if not cluster.queue(nodes=1, gpus_per_node=per_node):
            return ()
        return (Placement(nodes=1, tensor_parallel=1, pipeline_parallel=1),)
    every = _grid(cluster.nodes, cluster.gpus_per_node, cluster.fabric_between_nodes)
    return tuple(placement for placement in every if queue_of(cluster, placement))


@lru_cache(maxsize=64)
def _grid(nodes: int, gpus_per_node: int, fabric_between_nodes: bool) -> tuple[Placement, ...]:
    return tuple(_every(nodes, gpus_per_node, fabric_between_nodes))


def _every(most_nodes: int, gpus_per_node: int, fabric_between_nodes: bool) -> Iterator[Placement]:
    for nodes in range(1, most_nodes + 1):
        largest = gpus_per_node * (nodes if fabric_between_nodes else 1)
        for tp in range(1, largest + 1):
            for pp in range(1, gpus_per_node * nodes // tp + 1):
                placement = Placement(nodes=nodes, tensor_parallel=tp, pipeline_parallel=pp)
                if placement.world % nodes == 0:
                    yield placement


def reserved_gpus(cluster: Cluster, placement: Placement) -> int:
    """GPUs that the batch scheduler takes: whole nodes, or as many as are used."""
    return placement.nodes * reserved_per_node(cluster, placement)


def reserved_per_node(cluster: Cluster, placement: Placement) -> int:
    return cluster.gpus_per_node if cluster.allocation == "node" else placement.gpus_per_node


def queue_of(cluster: Cluster, placement: Placement) -> str | None:
    """The queue for what a placement reserves."""
    return cluster.queue(nodes=placement.nodes, gpus_per_node=reserved_per_node(cluster, placement))
