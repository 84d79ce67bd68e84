"""The next plan after an outcome that the same plan would meet again: less at once, more GPUs, more time.

Each step asks more of the cluster or less of the engine than the one before, never the other way round, so
the policy ends. No step changes what is measured: prompts are never cut shorter than the suite needs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from palmares.leaderboard.clusters import Cluster, minutes
from palmares.leaderboard.planning.duration import hours_minutes
from palmares.leaderboard.planning.model_config import ModelConfig
from palmares.leaderboard.planning.placement import (
    Placement,
    queue_of,
    reserved_gpus,
    run_checks,
)
from palmares.leaderboard.planning.plan import JobPlan
from palmares.leaderboard.suites import Suite
from palmares.texts import message

FEWEST_SEQUENCES: Final = 4
"""Fewer sequences at once free next to nothing more and take for ever."""
FEWER: Final = 4
"""By what the sequences at once are divided: each attempt loads the model anew, and retries are few."""
LONGER: Final = 2
"""How many times more wall time a job gets that outlived its own."""


def next_plan(
    plan: JobPlan, failure_class: str, *, suite: Suite, cluster: Cluster, model: ModelConfig | None = None
) -> JobPlan | None:
    """The plan for the attempt after one that ended as *failure_class*.

    ``out_of_memory``: a quarter of the sequences at once, a context no longer than the suite needs, no CUDA
    graphs, then more GPUs. ``wall_time``: twice the wall time. Any other class: the same plan.

    Args:
        plan: Of the attempt that has ended.
        failure_class: How it ended.
        suite: What is evaluated.
        cluster: Where; the plan's.
        model: The model's; None: more GPUs are added as pipeline stages only, which any model allows.

    Returns:
        None: this cluster has nothing else to offer.
    """
    if failure_class == "out_of_memory":
        return _with_more_memory(plan, suite, cluster, model)
    if failure_class == "wall_time":
        return _with_more_time(plan, cluster)
    return plan


def describe_change(old: JobPlan, new: JobPlan) -> str:
    """Describe what a step changed; empty when nothing did."""
    changes = []
    if (old.nodes, old.gpus_per_node) != (new.nodes, new.gpus_per_node):
        changes.append(f"{_gpus(new)} instead of {_gpus(old)}")
    if old.max_num_seqs != new.max_num_seqs:
        changes.append(f"{new.max_num_seqs} sequences at once instead of {old.max_num_seqs}")
    if old.max_model_len != new.max_model_len:
        changes.append(f"{new.max_model_len} tokens of context instead of {old.max_model_len}")
    if old.enforce_eager != new.enforce_eager:
        changes.append("no CUDA graphs")
    if old.walltime != new.walltime:
        changes.append(f"wall time {new.walltime} instead of {old.walltime}")
    return ", ".join(changes)


def _with_more_memory(
    plan: JobPlan, suite: Suite, cluster: Cluster, model: ModelConfig | None
) -> JobPlan | None:
    if plan.max_num_seqs > FEWEST_SEQUENCES:
        fewer = max(FEWEST_SEQUENCES, plan.max_num_seqs // FEWER)
        return replace(
            plan,
            max_num_seqs=fewer,
            bytes_per_gpu=_freed(plan, kv=_kv(plan) * fewer // plan.max_num_seqs),
        ).because(
            message(
                "Memory ran out: {fewer} sequences at once instead of {before}.",
                fewer=fewer,
                before=plan.max_num_seqs,
            )
        )
    if plan.max_model_len > suite.max_tokens:
        return replace(
            plan,
            max_model_len=suite.max_tokens,
            bytes_per_gpu=_freed(plan, kv=_kv(plan) * suite.max_tokens // plan.max_model_len),
        ).because(
            message(
                "Memory ran out: a context of {tokens} tokens, all that the suite needs.",
                tokens=suite.max_tokens,
            )
        )
    if plan.backend != "vllm":  # one process on one device
        return None
    if not plan.enforce_eager:
        return replace(plan, enforce_eager=True, bytes_per_gpu=_freed(plan, graphs=0)).because(
            message("Memory ran out: no CUDA graphs, which hold memory of their own.")
        )
    for placement in _larger(plan, cluster):
        if _is_legal(placement, plan, cluster, model):
            return _moved(plan, placement, cluster)
    return None


def _with_more_time(plan: JobPlan, cluster: Cluster) -> JobPlan | None:
    longest = minutes(cluster.max_walltime)
    now = minutes(plan.walltime)
    if now >= longest:
        return None
    longer = min(LONGER * now, longest)
    return replace(_costing(plan, longer / max(1, now)), walltime=hours_minutes(longer)).because(
        message(
            "The job outlived {before}: it gets {now} and begins where it was.",
            before=plan.walltime,
            now=hours_minutes(longer),
        )
    )


def _larger(plan: JobPlan, cluster: Cluster) -> Iterator[Placement]:
    """Placements of more GPUs that a queue serves, the least more first; pipelines keep to whole nodes.

    Within a node, tensor parallelism is tried before more stages: it is what a batch's memory divides by.
    """
    tp, pp = plan.tensor_parallel_size, plan.pipeline_parallel_size
    candidates = []
    if 2 * plan.gpus_per_node <= cluster.gpus_per_node:
        candidates += [(plan.nodes, 2 * tp, pp), (plan.nodes, tp, 2 * pp)]
    for nodes in range(plan.nodes + 1, cluster.nodes + 1):
        world = nodes * plan.gpus_per_node
        if world % tp == 0:
            candidates.append((nodes, tp, world // tp))
    for nodes, tensor, pipeline in candidates:
        placement = Placement(nodes=nodes, tensor_parallel=tensor, pipeline_parallel=pipeline)
        if queue_of(cluster, placement):
            yield placement


def _is_legal(placement: Placement, plan: JobPlan, cluster: Cluster, model: ModelConfig | None) -> bool:
    if model is None:
        return placement.tensor_parallel == plan.tensor_parallel_size
    return all(check.ok for check in run_checks(model, placement, cluster))


def _moved(plan: JobPlan, placement: Placement, cluster: Cluster) -> JobPlan:
    old = Placement(
        nodes=plan.nodes,
        tensor_parallel=plan.tensor_parallel_size,
        pipeline_parallel=plan.pipeline_parallel_size,
    )
    growth = reserved_gpus(cluster, placement) / reserved_gpus(cluster, old)
    moved = replace(
        _costing(plan, growth),
        queue=queue_of(cluster, placement) or plan.queue,
        nodes=placement.nodes,
        gpus_per_node=placement.gpus_per_node,
        tensor_parallel_size=placement.tensor_parallel,
        pipeline_parallel_size=placement.pipeline_parallel,
        reserved_gpus=reserved_gpus(cluster, placement),
        bytes_per_gpu={},  # of another cut
    )
    return moved.because(
        message("Memory ran out: {now} instead of {before}.", now=_gpus(moved), before=_gpus(plan))
    )


def _costing(plan: JobPlan, growth: float) -> JobPlan:
    """The plan with forecasts of so many times the cost."""
    return replace(
        plan, gpu_hours=round(plan.gpu_hours * growth, 3), carbon_kg=round(plan.carbon_kg * growth, 3)
    )


def _kv(plan: JobPlan) -> int:
    return plan.bytes_per_gpu.get("kv", 0)


def _freed(plan: JobPlan, **less: int) -> dict[str, int]:
    """The budget with less for some uses, and as much more free; empty for a plan that has none."""
    if not plan.bytes_per_gpu:
        return {}
    old = plan.bytes_per_gpu
    return {**old, **less, "free": old["free"] + sum(old[use] - size for use, size in less.items())}


def _gpus(plan: JobPlan) -> str:
    return f"{plan.nodes} x {plan.gpus_per_node} GPU"
