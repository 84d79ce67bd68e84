"""What all attempts cost, failed ones included: hours, energy, carbon and money, added up as asked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from palmares.leaderboard.clusters import Cluster

if TYPE_CHECKING:
    import pandas as pd

GROUPINGS = ("month", "organisation", "model", "cluster", "outcome")
"""What the ledger can be added up by."""
SUMS = ("attempts", "node_hours", "gpu_hours", "used_gpu_hours", "energy_kwh", "carbon_kg", "cost", "at_most")
SECONDS_AN_HOUR = 3600
ZONE = ZoneInfo("Europe/Paris")


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerAttempt:
    """One attempt, as the store knows it."""

    job_key: str
    model_id: str
    attempt: int
    outcome: str
    """Its failure class, ``succeeded``, or ``running``."""
    plan: Mapping[str, Any]
    """Of the attempt; what it lacks counts as one node with one GPU."""
    started_at: datetime
    """When it was put into its queue."""
    ended_at: datetime | None
    ran_s: float | None
    """Seconds in progress; None: nobody knows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerEntry:
    """What one attempt cost."""

    month: str
    """``2026-11``, of its end, in the leaderboard's zone."""
    organisation: str
    """Of the model; empty: it has none."""
    model: str
    cluster: str
    outcome: str
    attempts: int
    node_hours: float
    """Reserved."""
    gpu_hours: float
    """Reserved: whole nodes where the cluster hands these out."""
    used_gpu_hours: float
    """Of the GPUs that the model was spread over."""
    energy_kwh: float
    """Of reserved GPUs at the cluster's power; 0: no power is given."""
    carbon_kg: float
    cost: float
    """In the currency of ``cost_per_gpu_hour``; 0: no price is given."""
    at_most: int
    """1: its time is from its queueing to its end, an upper bound."""


def entry(attempt: LedgerAttempt, clusters: Mapping[str, Cluster], *, now: datetime) -> LedgerEntry:
    """Compute what an attempt cost.

    Args:
        attempt: Which.
        clusters: Constants, by name; those of a cluster that is gone are 0.
        now: Aware; a running attempt costs until then.
    """
    plan = attempt.plan
    nodes, gpus_a_node = _count(plan, "nodes"), _count(plan, "gpus_per_node")
    reserved = _count(plan, "reserved_gpus", default=nodes * gpus_a_node)
    spread = _count(plan, "tensor_parallel_size") * _count(plan, "pipeline_parallel_size")
    end = attempt.ended_at or now
    is_bound = attempt.ran_s is None
    seconds = (end - attempt.started_at).total_seconds() if attempt.ran_s is None else attempt.ran_s
    hours = max(0.0, seconds) / SECONDS_AN_HOUR
    cluster = clusters.get(str(plan.get("cluster", "")))
    energy = hours * reserved * (cluster.gpu_power_kw if cluster else 0.0)
    organisation, _, _ = attempt.model_id.rpartition("/")
    return LedgerEntry(
        month=end.astimezone(ZONE).strftime("%Y-%m"),
        organisation=organisation,
        model=attempt.model_id,
        cluster=str(plan.get("cluster", "")),
        outcome=attempt.outcome,
        attempts=1,
        node_hours=hours * nodes,
        gpu_hours=hours * reserved,
        used_gpu_hours=hours * min(spread, reserved),
        energy_kwh=energy,
        carbon_kg=energy * (cluster.carbon_kg_per_kwh if cluster else 0.0),
        cost=hours * reserved * (cluster.cost_per_gpu_hour if cluster else 0.0),
        at_most=int(is_bound),
    )


def ledger_frame(entries: Iterable[LedgerEntry]) -> pd.DataFrame:
    """Entries as a table, a row an attempt; typed also when it is empty."""
    import pandas as pd

    rows = [asdict(one) for one in entries]
    return pd.DataFrame(rows, columns=[*GROUPINGS, *SUMS])


def added_up(frame: pd.DataFrame, by: str) -> list[dict[str, Any]]:
    """Add a ledger up: one mapping a group (months newest first, others by their GPU-hours).

    Args:
        frame: See `ledger_frame`.
        by: One of `GROUPINGS`.

    Raises:
        ValueError: *by* is none of them.
    """
    if by not in GROUPINGS:
        raise ValueError(f"a ledger is added up by {', '.join(GROUPINGS)}, not by {by!r}")
    sums = frame.groupby(by, as_index=False)[list(SUMS)].sum()
    sums = sums.sort_values([by] if by == "month" else ["gpu_hours", by], ascending=False)
    return [{str(name): value for name, value in row.items()} for row in sums.to_dict("records")]


def total(frame: pd.DataFrame) -> dict[str, Any]:
    """The sums of all of it."""
    counts = ("attempts", "at_most")
    return {name: (int if name in counts else float)(frame[name].sum()) for name in SUMS}


def _count(plan: Mapping[str, Any], name: str, *, default: int = 1) -> int:
    value = plan.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else default
