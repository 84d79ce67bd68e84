"""Writes down the chosen placement as a plan, or why there is none."""

from __future__ import annotations

from palmares.leaderboard.clusters import Cluster
from palmares.leaderboard.errors import RefusedError
from palmares.leaderboard.planning.candidates import Candidate, Search, Workload
from palmares.leaderboard.planning.checks import queue_of, run_checks
from palmares.leaderboard.planning.memory import gib
from palmares.leaderboard.planning.plan import JobPlan
from palmares.leaderboard.planning.reasons import (
    Sentence,
    alternatives,
    cost_reason,
    in_french,
    placement_reasons,
    walltime_reason,
)
from palmares.leaderboard.planning.walltime import carbon_kg, hours_minutes, walltime_minutes
from palmares.leaderboard.submissions.refusals import refused


def place(workload: Workload, cluster: Cluster, found: Search, model_id: str) -> JobPlan:
    """Write down what a search has chosen.

    Raises:
        RefusedError: It chose nothing: ``too_large``, or ``incompatible`` if no cut is legal.
    """
    chosen = found.chosen
    if chosen is None:
        raise _refused(model_id, workload, found, cluster)
    placement, correction = chosen.placement, workload.correction
    walltime = walltime_minutes(chosen.wanted_minutes, cluster)
    expected = chosen.estimated_s * correction.factor
    gpu_hours = round(min(expected, walltime * 60) * chosen.reserved / 3600, 3)
    carbon = carbon_kg(gpu_hours, cluster)
    sentences = [
        *placement_reasons(chosen, workload, cluster),
        walltime_reason(chosen, walltime, correction, cluster, workload.shape.architecture),
        cost_reason(gpu_hours, carbon),
    ]
    return JobPlan(
        cluster=cluster.name,
        queue=queue_of(cluster, placement) or "",
        nodes=placement.nodes,
        gpus_per_node=placement.gpus_per_node,
        tensor_parallel_size=placement.tensor_parallel,
        pipeline_parallel_size=placement.pipeline_parallel,
        gpu_memory_utilization=cluster.gpu_memory_utilization,
        max_model_len=workload.max_model_len,
        max_num_seqs=chosen.sequences,
        dtype=workload.dtype,
        enforce_eager=cluster.enforce_eager,
        backend=workload.backend,
        walltime=hours_minutes(walltime),
        gpu_hours=gpu_hours,
        carbon_kg=carbon,
        reserved_gpus=chosen.reserved,
        bytes_per_gpu=_bytes(chosen, cluster),
        reasons=tuple(text for text, _ in sentences),
        reasons_fr=tuple(in_french(text) for _, text in sentences),
        alternatives=alternatives(found, workload.shape, cluster),
        family=workload.shape.architecture,
        parameters=workload.parameters,
        estimated_s=round(chosen.estimated_s, 1),
        expected_s=round(expected, 1),
    )


def _bytes(chosen: Candidate, cluster: Cluster) -> dict[str, int]:
    """What is usable is the sum of weights, kv, activations, graphs, communication, engine and free."""
    memory = chosen.budget
    kv = min(chosen.sequences * memory.kv_per_sequence, max(0, memory.free))
    return {
        "weights": memory.weights,
        "kv": kv,
        "activations": memory.activations,
        "graphs": memory.graphs,
        "communication": memory.communication,
        "engine": memory.engine,
        "free": memory.free - kv,
        "usable": memory.usable,
        "total": cluster.gpu_memory_bytes,
    }


def obstacle(found: Search, workload: Workload, cluster: Cluster) -> str:
    """Why a search that was narrowed by hand found nothing."""
    legal = [one for one in found.looked_at if one.is_legal]
    if not legal:
        return _broken_rules(found, workload, cluster)[0]
    best = max(legal, key=lambda one: one.room)
    need = best.budget.fixed + best.budget.kv_per_sequence
    return f"it needs {gib(need)} a GPU and {gib(best.budget.usable)} are usable"


def _refused(model_id: str, workload: Workload, found: Search, cluster: Cluster) -> RefusedError:
    legal = [one for one in found.looked_at if one.is_legal]
    if not legal:
        why, why_fr = _broken_rules(found, workload, cluster)
        return refused(
            "incompatible",
            name=model_id,
            detail=f"no placement on {cluster.name} is legal: {why}",
            detail_fr=f"aucun placement sur {cluster.name} n'est permis : {why_fr}",
            advice="Choose another cluster.",
            advice_fr="Choisissez une autre grappe.",
        )
    best = max(legal, key=lambda one: one.budget.free - one.budget.kv_per_sequence)
    need = gib(best.budget.fixed + best.budget.kv_per_sequence)
    weights, usable, gpus = gib(workload.weights.total_bytes), gib(best.budget.usable), best.placement.world
    return refused(
        "too_large",
        name=model_id,
        cluster=cluster.name,
        detail=f"its weights take {weights}; spread over {gpus} GPUs it needs {need} on each, and {usable} "
        "are usable",
        detail_fr=f"ses poids font {weights} ; réparti sur {gpus} GPU il demande {need} sur chacun, et "
        f"{usable} sont utilisables",
    )


def _broken_rules(found: Search, workload: Workload, cluster: Cluster) -> Sentence:
    """The rules that the placement with the fewest broken ones breaks."""
    broken = [
        [check for check in run_checks(workload.shape, one.placement, cluster) if not check.ok]
        for one in found.looked_at
    ]
    if not broken:
        return "no queue serves such a shape", "aucune file ne sert une telle forme"
    fewest = min(broken, key=len)
    return (
        "; ".join(f"{check.detail} ({check.rule})" for check in fewest),
        " ; ".join(f"{check.detail_fr} ({check.rule})" for check in fewest),
    )
