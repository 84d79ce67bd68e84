"""Where a model may be cut: vLLM's placement rules, each a named check with its source.

Sources are files of vLLM 0.33.0, below ``vllm/``. M1 and K4 compare bytes and live in ``memory``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from include.leaderboard.clusters import Cluster
from include.leaderboard.planning.shape import ModelShape

VOCABULARY_PADDING = 64


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """The outcome of one rule."""

    rule: str
    source: str
    ok: bool
    detail: str


def t1_heads(shape: ModelShape, placement: Placement, _: Cluster) -> Check:
    """T1: attention heads divide by tp."""
    tp = placement.tensor_parallel
    return Check(
        rule="T1",
        source="config/model.py",
        ok=shape.heads % tp == 0,
        detail=f"{shape.heads} attention heads over {tp} GPUs",
    )


def t2_kv_heads(shape: ModelShape, placement: Placement, _: Cluster) -> Check:
    """T2: key-value heads divide by tp, or tp by them (then they are replicated); not checked by vLLM."""
    kv, tp = shape.kv_heads, placement.tensor_parallel
    return Check(
        rule="T2",
        source="layers/linear.py QKVParallelLinear",
        ok=kv % tp == 0 if kv >= tp else tp % kv == 0,
        detail=f"{kv} key-value heads over {tp} GPUs",
    )


def t3_intermediate(shape: ModelShape, placement: Placement, _: Cluster) -> Check:
    """T3: the feed-forward's width divides by tp."""
    tp = placement.tensor_parallel
    return Check(
        rule="T3",
        source="layers/linear.py",
        ok=shape.intermediate % tp == 0,
        detail=f"feed-forward of {shape.intermediate} over {tp} GPUs",
    )


def t4_vocabulary(shape: ModelShape, placement: Placement, _: Cluster) -> Check:
    """T4: the vocabulary, padded to 64, divides by tp."""
    tp = placement.tensor_parallel
    padded = padded_vocabulary(shape)
    return Check(
        rule="T4",
        source="layers/vocab_parallel_embedding.py",
        ok=padded % tp == 0,
        detail=f"vocabulary of {padded} over {tp} GPUs",
    )


def t5_experts(shape: ModelShape, placement: Placement, _: Cluster) -> Check:
    """T5: an expert's width divides by tp, and there are as many experts as GPUs; true without experts."""
    tp = placement.tensor_parallel
    return Check(
        rule="T5",
        source="layers/fused_moe/config.py",
        ok=not shape.experts or (shape.moe_intermediate % tp == 0 and tp <= shape.experts),
        detail=f"{shape.experts} experts of {shape.moe_intermediate} over {tp} GPUs",
    )


def p1_layers(shape: ModelShape, placement: Placement, _: Cluster) -> Check:
    """P1: at least one layer a stage."""
    return Check(
        rule="P1",
        source="distributed/utils.py",
        ok=placement.pipeline_parallel <= shape.layers,
        detail=f"{shape.layers} layers in {placement.pipeline_parallel} stages",
    )


def p5_fabric(_: ModelShape, placement: Placement, cluster: Cluster) -> Check:
    """P5: tensor parallelism never crosses a slow fabric."""
    if not cluster.fabric_inside_node:
        limit = 1
    elif cluster.fabric_between_nodes:
        limit = cluster.gpus_per_node * placement.nodes
    else:
        limit = cluster.gpus_per_node
    return Check(
        rule="P5",
        source="docs/serving/parallelism_scaling.md",
        ok=placement.tensor_parallel <= limit
        and (cluster.fabric_between_nodes or placement.pipeline_parallel % placement.nodes == 0),
        detail=f"tensor parallel {placement.tensor_parallel}, at most {limit} over a fast fabric",
    )


RULES: tuple[Callable[[ModelShape, Placement, Cluster], Check], ...] = (
    t1_heads,
    t2_kv_heads,
    t3_intermediate,
    t4_vocabulary,
    t5_experts,
    p1_layers,
    p5_fabric,
)


def run_checks(shape: ModelShape, placement: Placement, cluster: Cluster) -> tuple[Check, ...]:
    """Run every rule on one placement."""
    return tuple(rule(shape, placement, cluster) for rule in RULES)


def placements(cluster: Cluster) -> Iterable[Placement]:
    """List every way to lay a job on a cluster, legal or not, that one of its queues serves."""
    if cluster.backend == "hf":  # one process, one device
        if cluster.queue(nodes=1, gpus_per_node=1 if cluster.allocation == "gpu" else cluster.gpus_per_node):
            yield Placement(nodes=1, tensor_parallel=1, pipeline_parallel=1)
        return
    for nodes in range(1, cluster.nodes + 1):
        largest = cluster.gpus_per_node * (nodes if cluster.fabric_between_nodes else 1)
        for tp in range(1, largest + 1):
            for pp in range(1, cluster.gpus_per_node * nodes // tp + 1):
                placement = Placement(nodes=nodes, tensor_parallel=tp, pipeline_parallel=pp)
                if placement.world % nodes == 0 and queue_of(cluster, placement):
                    yield placement


def reserved_gpus(cluster: Cluster, placement: Placement) -> int:
    """GPUs that the batch scheduler takes: whole nodes, or as many as are used."""
    return placement.nodes * reserved_per_node(cluster, placement)


def reserved_per_node(cluster: Cluster, placement: Placement) -> int:
    return cluster.gpus_per_node if cluster.allocation == "node" else placement.gpus_per_node


def queue_of(cluster: Cluster, placement: Placement) -> str | None:
    """The queue for what a placement reserves."""
    return cluster.queue(nodes=placement.nodes, gpus_per_node=reserved_per_node(cluster, placement))


def padded_vocabulary(shape: ModelShape) -> int:
    return -(-shape.vocabulary // VOCABULARY_PADDING) * VOCABULARY_PADDING
