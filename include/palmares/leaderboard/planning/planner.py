"""Chooses the smallest reservation on which a model runs well, unless a person set it otherwise."""

from __future__ import annotations

from dataclasses import replace

from palmares.leaderboard.clusters import Cluster, minutes
from palmares.leaderboard.errors import RefusedError
from palmares.leaderboard.planning.duration import History, carbon_kg, hours_minutes, walltime_minutes
from palmares.leaderboard.planning.memory import gib, weights_of
from palmares.leaderboard.planning.model_config import ModelConfig, count_parameters
from palmares.leaderboard.planning.overrides import Override, Overrides
from palmares.leaderboard.planning.placement import queue_of, run_checks
from palmares.leaderboard.planning.plan import Backend, JobPlan
from palmares.leaderboard.planning.reading import Reading, read_model_config
from palmares.leaderboard.planning.reasons import (
    alternatives,
    cost_reason,
    placement_reasons,
    walltime_reason,
    with_rules,
)
from palmares.leaderboard.planning.search import Candidate, Search, Workload, search
from palmares.leaderboard.submissions.model_facts import ModelFacts
from palmares.leaderboard.submissions.refusals import refused
from palmares.leaderboard.submissions.submission import Submission
from palmares.leaderboard.suites import Suite
from palmares.texts import Message, message


def plan_job(
    facts: ModelFacts,
    submission: Submission,
    suite: Suite,
    cluster: Cluster,
    *,
    history: History | None = None,
    overrides: Overrides | None = None,
    reading: Reading | None = None,
) -> JobPlan:
    """Plan one model's job: least reserved GPUs first, subject to concurrency and the longest wall time.

    Args:
        facts: The model.
        submission: What was asked for.
        suite: What is evaluated.
        cluster: Where.
        history: Past jobs, which correct the duration; None: none are known.
        overrides: What people set by hand; None: nothing. A legal override wins; one that cannot be followed
            leaves a warning in the plan.
        reading: What may be read of a doubtful config; None: nothing.

    Raises:
        RefusedError: ``incompatible`` (unknown or unsupported architecture, broken config) or ``too_large``
            (with the numbers), or a person's verdict of one of both.
    """
    override = overrides.find(facts.model_id, cluster.name) if overrides else None
    if override is not None and override.verdict is not None:
        raise _refused_by_hand(facts, override, cluster)
    workload = _workload(facts, submission, suite, cluster, history or History(), reading)
    warnings = overrides.warnings_for(facts.model_id) if overrides else ()
    if override is None or not override.members():
        plan = place(workload, cluster, search(workload, cluster), facts.model_id)
        return _warned(plan, warnings)
    return _with_override(workload, cluster, override, facts, warnings)


def _workload(
    facts: ModelFacts,
    submission: Submission,
    suite: Suite,
    cluster: Cluster,
    history: History,
    reading: Reading | None,
) -> Workload:
    model = read_model_config(facts, reading)
    size = count_parameters(model)
    return Workload(
        model=model,
        weights=weights_of(facts, model, submission.precision),
        parameters=size.total,
        active_parameters=size.active,
        dtype=submission.precision,
        suite=suite,
        backend=_backend(model, cluster),
        max_model_len=min(suite.max_tokens, model.window or suite.max_tokens),
        max_num_seqs=None,
        limit_samples=submission.limit_samples,
        correction=history.correction(
            family=model.architecture,
            parameters=size.total,
            quantile=cluster.speed.quantile,
            prior_margin=cluster.speed.margin,
        ),
    )


def _backend(model: ModelConfig, cluster: Cluster) -> Backend:
    return "hf-seq2seq" if model.encoder_decoder else cluster.backend


def _with_override(
    workload: Workload, cluster: Cluster, override: Override, facts: ModelFacts, warnings: tuple[str, ...]
) -> JobPlan:
    """Follow each part that can be followed, and report which could not."""
    remarks = list(warnings)
    try:
        own: JobPlan | None = place(workload, cluster, search(workload, cluster), facts.model_id)
    except RefusedError:
        if not (override.engine or override.max_model_len):
            raise
        own = None
    machines = cluster.model_copy(update=override.engine) if override.engine else cluster
    applied = [*override.engine]
    if override.max_model_len is not None:
        window = workload.model.window
        if window is not None and override.max_model_len > window:
            remarks.append(
                f"Override not applied: max_model_len {override.max_model_len} is more than the model's "
                f"window of {window} tokens."
            )
        else:
            workload = replace(workload, max_model_len=override.max_model_len)
            applied.append("max_model_len")
    if override.max_num_seqs is not None:
        workload = replace(workload, max_num_seqs=override.max_num_seqs)
        applied.append("max_num_seqs")
    found = search(workload, machines, override.placement)
    if override.placement and found.chosen is None:
        wanted = ", ".join(f"{name} {value}" for name, value in override.placement.items())
        why = blocker(found, workload, machines)
        remarks.append(f"Override not applied: {wanted} is illegal or too small on {cluster.name}: {why}.")
        found = search(workload, machines)
    else:
        applied += override.placement
    plan = place(workload, machines, found, facts.model_id)
    if override.max_num_seqs is not None and plan.max_num_seqs < override.max_num_seqs:
        remarks.append(
            f"Override cut: max_num_seqs {override.max_num_seqs}, but the cache holds {plan.max_num_seqs}."
        )
    if override.walltime is not None:
        plan = _with_walltime(plan, override.walltime, cluster, remarks, applied)
    return _marked(plan, own, applied, remarks)


def _with_walltime(
    plan: JobPlan, walltime: str, cluster: Cluster, remarks: list[str], applied: list[str]
) -> JobPlan:
    if not 0 < minutes(walltime) <= minutes(cluster.max_walltime):
        remarks.append(
            f"Override not applied: wall time {walltime} is not between 00:01 and the {cluster.max_walltime} "
            f"of {cluster.name}."
        )
        return plan
    applied.append("walltime")
    if minutes(walltime) * 60 < plan.expected_s:
        remarks.append(
            f"Override: wall time {walltime} is shorter than the expected {plan.expected_s / 60:.0f} minutes."
        )
    elif minutes(walltime) > minutes(plan.walltime):
        remarks.append(f"Override: wall time {walltime} is longer than the planned {plan.walltime}.")
    return replace(plan, walltime=hours_minutes(minutes(walltime)))


def _marked(plan: JobPlan, own: JobPlan | None, applied: list[str], remarks: list[str]) -> JobPlan:
    """Mark what a person set, and warn if it costs more."""
    if own is not None and plan.gpu_hours > own.gpu_hours:
        remarks.append(
            f"Override costs more than the plan: {plan.gpu_hours:g} GPU-hours on {plan.reserved_gpus} GPUs, "
            f"instead of {own.gpu_hours:g} on {own.reserved_gpus}. Remove it from overrides.yaml if it is "
            "not needed."
        )
    if applied:
        by_hand = message("Set by hand in overrides.yaml: {names}.", names=", ".join(applied))
        plan = replace(
            plan,
            overridden=tuple(applied),
            reasons=(by_hand.en, *plan.reasons),
            reasons_fr=(by_hand.fr, *plan.reasons_fr),
        )
    return _warned(plan, tuple(remarks))


def _warned(plan: JobPlan, warnings: tuple[str, ...]) -> JobPlan:
    if not warnings:
        return plan
    return replace(plan, warnings=warnings, reasons=(*plan.reasons, *warnings))


def _refused_by_hand(facts: ModelFacts, override: Override, cluster: Cluster) -> RefusedError:
    detail = message("a person set so in overrides.yaml")
    if override.verdict == "too_large":
        return refused("too_large", name=facts.model_id, cluster=cluster.name, detail=detail)
    return refused(
        "incompatible",
        name=facts.model_id,
        detail=detail,
        advice=message("Ask the leaderboard's team."),
    )


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
        walltime_reason(chosen, walltime, correction, cluster, workload.model.architecture),
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
        reasons=tuple(one.en for one in sentences),
        reasons_fr=tuple(one.fr for one in sentences),
        alternatives=alternatives(found, workload.model, cluster),
        family=workload.model.architecture,
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


def blocker(found: Search, workload: Workload, cluster: Cluster) -> str:
    """Why a search that was narrowed by hand found nothing, in English."""
    legal = [one for one in found.looked_at if one.is_legal]
    if not legal:
        return _broken_rules(found, workload, cluster).en
    best = max(legal, key=lambda one: one.room)
    need = best.budget.fixed + best.budget.kv_per_sequence
    return f"it needs {gib(need).en} a GPU and {gib(best.budget.usable).en} are usable"


def _refused(model_id: str, workload: Workload, found: Search, cluster: Cluster) -> RefusedError:
    legal = [one for one in found.looked_at if one.is_legal]
    if not legal:
        return refused(
            "incompatible",
            name=model_id,
            detail=message(
                "no placement on {cluster} is legal: {rules}",
                cluster=cluster.name,
                rules=_broken_rules(found, workload, cluster),
            ),
            advice=message("Choose another cluster."),
        )
    best = max(legal, key=lambda one: one.budget.free - one.budget.kv_per_sequence)
    return refused(
        "too_large",
        name=model_id,
        cluster=cluster.name,
        detail=message(
            "its weights take {weights}; spread over {gpus} GPUs it needs {need} on each, and {usable} are "
            "usable",
            weights=gib(workload.weights.total_bytes),
            gpus=best.placement.world,
            need=gib(best.budget.fixed + best.budget.kv_per_sequence),
            usable=gib(best.budget.usable),
        ),
    )


def _broken_rules(found: Search, workload: Workload, cluster: Cluster) -> Message:
    """The rules that the placement with the fewest broken ones breaks."""
    broken = [
        [check for check in run_checks(workload.model, one.placement, cluster) if not check.ok]
        for one in found.looked_at
    ]
    if not broken:
        return message("no queue serves such a shape")
    fewest = min(broken, key=len)
    return with_rules(fewest)
