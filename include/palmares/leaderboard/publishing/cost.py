"""What an evaluation took: GPU-hours as measured, and their carbon by the cluster's constants."""

from __future__ import annotations

from dataclasses import dataclass

from palmares.leaderboard.clusters import Cluster
from palmares.leaderboard.planning.plan import JobPlan

SECONDS_AN_HOUR = 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Of the attempt whose results were accepted; failed attempts before it are not counted."""

    gpu_hours: float
    """Reserved GPUs times the job's duration. On a CPU, which counts as one GPU, hours of that."""
    carbon_kg: float | None
    """kg of CO2 equivalent; None: clusters.yaml gives no constants."""
    gpu_power_kw: float | None
    carbon_kg_per_kwh: float | None


def cost_of(plan: JobPlan, *, duration_s: float, cluster: Cluster | None) -> Cost:
    """Compute the cost of a finished job.

    Args:
        plan: Says how many GPUs were reserved.
        duration_s: Of the job, as its manifest says.
        cluster: Where it ran; None: it is in clusters.yaml no more.
    """
    gpus = plan.reserved_gpus or plan.nodes * plan.gpus_per_node
    hours = gpus * duration_s / SECONDS_AN_HOUR
    if cluster is None or not cluster.gpu_power_kw or not cluster.carbon_kg_per_kwh:
        return Cost(gpu_hours=hours, carbon_kg=None, gpu_power_kw=None, carbon_kg_per_kwh=None)
    return Cost(
        gpu_hours=hours,
        carbon_kg=hours * cluster.gpu_power_kw * cluster.carbon_kg_per_kwh,
        gpu_power_kw=cluster.gpu_power_kw,
        carbon_kg_per_kwh=cluster.carbon_kg_per_kwh,
    )
