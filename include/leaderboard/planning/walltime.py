"""How long a job may take: a plain throughput model with a margin."""

from __future__ import annotations

import math

from include.leaderboard.clusters import Cluster, minutes
from include.leaderboard.planning.checks import Placement
from include.leaderboard.planning.shape import DTYPE_BYTES
from include.leaderboard.suites import Suite

STEP_MINUTES = 15
"""Wall times are rounded up to this."""


def estimate_s(
    suite: Suite,
    cluster: Cluster,
    placement: Placement,
    *,
    weights_bytes: int,
    dtype: str,
    max_model_len: int,
    concurrency: int,
    limit_samples: int | None,
) -> float:
    """Estimate a job's duration, in seconds, start to end.

    Load by disk; prefill by FLOP/s (two operations a parameter and token); decode by memory bandwidth (a step
    reads a GPU's weights once, stage after stage), each prompt and generation as long as the suite and the
    model allow.
    """
    speed = cluster.speed
    parameters = weights_bytes / DTYPE_BYTES.get(dtype, 2)
    total = speed.startup_s + weights_bytes / speed.load_bytes_per_s
    step_s = weights_bytes / placement.tensor_parallel / speed.memory_bytes_per_s + speed.step_s
    for task in suite.tasks:
        rows = min(task.planned_rows, limit_samples or task.planned_rows)
        requests = rows * task.choices
        prompt = min(task.max_prompt_tokens, max_model_len)
        generated = min(task.max_generated_tokens, max_model_len)
        total += 2 * parameters * prompt * requests / (speed.flops * placement.world)
        total += math.ceil(requests / concurrency) * generated * step_s
    return total


def walltime_minutes(estimate: float, cluster: Cluster) -> int:
    """Apply the margin, round up, and stay within the cluster's bounds."""
    wanted = math.ceil(estimate * cluster.speed.margin / 60 / STEP_MINUTES) * STEP_MINUTES
    return max(minutes(cluster.min_walltime), min(wanted, minutes(cluster.max_walltime)))


def hours_minutes(value: int) -> str:
    """Write minutes as ``HH:MM``."""
    return f"{value // 60:02d}:{value % 60:02d}"
