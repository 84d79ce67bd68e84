"""How long a job may take: a throughput model, corrected by past jobs, with a margin."""

from __future__ import annotations

import math
from typing import Final

from palmares.leaderboard.clusters import Cluster, minutes
from palmares.leaderboard.planning.checks import Placement
from palmares.leaderboard.suites import Suite, SuiteTask

STEP_MINUTES: Final = 15
"""Wall times are rounded up to this."""


def estimate_s(
    suite: Suite,
    cluster: Cluster,
    placement: Placement,
    *,
    weights_bytes: int,
    active_parameters: int,
    kv_per_sequence: int,
    max_model_len: int,
    concurrency: int,
    limit_samples: int | None,
) -> float:
    """Estimate a job's duration, in seconds, start to end.

    Load by disk: the weights once. Prefill by FLOP/s: two operations an active parameter and token;
    attention's own, below a tenth at these lengths, are left to the margin. Decode by memory bandwidth: a
    step of all running sequences reads a rank's weights (of experts too: a batch touches nearly all), and
    each generated token its sequence's cache, stage after stage. More room never makes it slower. The
    constants are the cluster's.

    Args:
        suite: What is asked.
        cluster: Its ``speed``.
        placement: How the model is cut.
        weights_bytes: All weights, as they lie in memory.
        active_parameters: Those that one token passes through; all of them without experts.
        kv_per_sequence: Bytes a GPU that a sequence of *max_model_len* tokens caches.
        max_model_len: Tokens; longer prompts are cut.
        concurrency: Sequences at once.
        limit_samples: Rows a task; None: all.
    """
    speed = cluster.speed
    total = speed.startup_s + weights_bytes / speed.load_bytes_per_s
    read = weights_bytes / placement.tensor_parallel
    cached = kv_per_sequence * placement.pipeline_parallel / max_model_len
    for task in suite.tasks:
        requests = task.requests(limit_samples)
        prompt, generated = _lengths(task, max_model_len)
        total += 2 * active_parameters * prompt * requests / (speed.flops * placement.world)
        if generated:
            steps = math.ceil(requests / concurrency) * generated
            context = min(prompt + generated / 2, max_model_len)
            total += steps * (read / speed.memory_bytes_per_s + speed.step_s)
            total += requests * generated * context * cached / speed.memory_bytes_per_s
    return total


def _lengths(task: SuiteTask, max_model_len: int) -> tuple[int, int]:
    """Tokens of a prompt and of what follows, as far as the model's window goes."""
    generated = (
        task.max_generated_tokens if task.mean_generated_tokens is None else task.mean_generated_tokens
    )
    return (
        min(task.mean_prompt_tokens or task.max_prompt_tokens, max_model_len),
        min(generated + task.thinking_tokens, max_model_len),
    )


def wanted_minutes(expected_s: float, margin: float) -> int:
    """Apply a margin and round up."""
    return math.ceil(expected_s * margin / 60 / STEP_MINUTES) * STEP_MINUTES


def walltime_minutes(wanted: int, cluster: Cluster) -> int:
    """Stay within the cluster's bounds."""
    return max(minutes(cluster.min_walltime), min(wanted, minutes(cluster.max_walltime)))


def carbon_kg(gpu_hours: float, cluster: Cluster) -> float:
    """GPU-hours x kW a GPU x kg of CO2 equivalent a kWh; the constants are the cluster's."""
    return round(gpu_hours * cluster.gpu_power_kw * cluster.carbon_kg_per_kwh, 3)


def hours_minutes(value: int) -> str:
    """Write minutes as ``HH:MM``."""
    return f"{value // 60:02d}:{value % 60:02d}"
