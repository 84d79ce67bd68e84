"""Bytes a GPU: weights, activations, the engine's own, and what is left for the KV cache."""

from __future__ import annotations

from dataclasses import dataclass

from include.leaderboard.clusters import Cluster
from include.leaderboard.planning.checks import Placement, padded_vocabulary
from include.leaderboard.planning.shape import DTYPE_BYTES, ModelShape

KV_BLOCK_TOKENS = 16
LOADING_OVERHEAD = 1.02
"""Alignment and buffers beside the weights; an estimate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """One GPU's memory, in bytes."""

    usable: int
    """Total times utilisation (M1)."""
    weights: int
    activations: int
    engine: int
    communication: int
    graphs: int
    kv_per_sequence: int
    """Cache of one sequence of the plan's full length (K1)."""

    @property
    def fixed(self) -> int:
        """What does not depend on how many sequences run."""
        return self.weights + self.activations + self.engine + self.communication + self.graphs

    @property
    def free(self) -> int:
        """Left for the KV cache; negative if the weights do not fit."""
        return self.usable - self.fixed

    @property
    def concurrency(self) -> int:
        """Sequences of full length whose cache fits at once; K4 asks for at least one."""
        return max(0, self.free // self.kv_per_sequence)


def kv_bytes_per_token(shape: ModelShape, placement: Placement, *, dtype: str) -> int:
    """Rule K1, a GPU: layers of the stage x key-value heads of the rank x (key and value) x head_dim x bytes.

    Source: ``vllm/v1/kv_cache_interface.py``.
    """
    stage_layers = -(-shape.layers // placement.pipeline_parallel)
    rank_heads = max(1, shape.kv_heads // placement.tensor_parallel)
    return stage_layers * rank_heads * 2 * shape.head_dim * DTYPE_BYTES.get(dtype, 2)


def budget(
    shape: ModelShape,
    placement: Placement,
    cluster: Cluster,
    *,
    weights_bytes: int,
    max_model_len: int,
    dtype: str,
) -> Budget:
    """Estimate one GPU of the fullest stage.

    weights / (tp x pp) x 1.02, an embedding more at a pipeline's ends, engine, communication if there are
    several GPUs, batched tokens x (4 hidden + 3 inner / tp) x bytes for activations, graphs unless eager; the
    rest is KV cache. Constants are the cluster's.
    """
    width = DTYPE_BYTES.get(dtype, 2)
    tp, pp = placement.tensor_parallel, placement.pipeline_parallel
    weights = weights_bytes * LOADING_OVERHEAD / (tp * pp)
    if pp > 1:  # the ends of the pipeline hold an embedding on top of their layers
        weights += padded_vocabulary(shape) * shape.hidden * width / tp
    inner = shape.moe_intermediate if shape.experts else shape.intermediate
    memory = cluster.memory
    blocks = -(-max_model_len // KV_BLOCK_TOKENS)
    return Budget(
        usable=int(cluster.gpu_memory_bytes * cluster.gpu_memory_utilization),
        weights=int(weights),
        activations=int(memory.batched_tokens * (4 * shape.hidden + 3 * inner / tp) * width),
        engine=memory.engine_bytes,
        communication=memory.communication_bytes if placement.world > 1 else 0,
        graphs=0 if cluster.enforce_eager else memory.graphs_bytes,
        kv_per_sequence=blocks * KV_BLOCK_TOKENS * kv_bytes_per_token(shape, placement, dtype=dtype),
    )


def gib(size: float) -> str:
    """Show bytes as GiB."""
    return f"{size / 2**30:.1f} GiB" if size >= 2**30 / 10 else f"{size / 2**20:.1f} MiB"
