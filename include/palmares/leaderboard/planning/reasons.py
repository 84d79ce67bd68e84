"""The plan in plain sentences."""

from __future__ import annotations

from collections.abc import Iterable

from palmares.leaderboard.clusters import Cluster, minutes
from palmares.leaderboard.planning.duration import Correction, hours_minutes
from palmares.leaderboard.planning.memory import gib, memory_checks
from palmares.leaderboard.planning.model_config import ModelConfig
from palmares.leaderboard.planning.placement import Check, p5_fabric, run_checks
from palmares.leaderboard.planning.plan import Alternative
from palmares.leaderboard.planning.search import Candidate, Search, Workload
from palmares.texts import Message, listed, message

MOST_ALTERNATIVES = 6


def placement_reasons(chosen: Candidate, workload: Workload, cluster: Cluster) -> list[Message]:
    """Why here, why so many GPUs, what fills them, and which rules allow the cut."""
    placement, memory, model = chosen.placement, chosen.budget, workload.model
    budgeted = memory_checks(model, memory, max_model_len=workload.max_model_len)
    found = [
        message(
            "{nodes} x {gpus_per_node} GPU on {cluster} {why} (GPUs taken: {reserved}), with room for "
            "{sequences} sequences of {tokens} tokens.",
            nodes=placement.nodes,
            gpus_per_node=placement.gpus_per_node,
            cluster=cluster.name,
            why=_size(chosen, cluster),
            reserved=chosen.reserved,
            sequences=memory.concurrency,
            tokens=workload.max_model_len,
        ),
        message(
            "Of {usable} usable a GPU, weights ({all_weights} in all) take {weights}, the engine and "
            "activations {engine}; {free} are left for the KV cache, {sequence} a sequence ({rules}).",
            usable=gib(memory.usable),
            all_weights=gib(workload.weights.total_bytes),
            weights=gib(memory.weights),
            engine=gib(memory.fixed - memory.weights),
            free=gib(memory.free),
            sequence=gib(memory.kv_per_sequence),
            rules=", ".join(check.rule for check in budgeted),
        ),
        message(
            "Tensor parallel {tensor} and pipeline parallel {pipeline} are legal for {heads} heads, "
            "{kv_heads} key-value heads of {head_dim} and {layers} layers ({rules}).",
            tensor=placement.tensor_parallel,
            pipeline=placement.pipeline_parallel,
            heads=model.heads,
            kv_heads=model.kv_heads,
            head_dim=model.head_dim,
            layers=model.layers,
            rules=", ".join(check.rule for check in run_checks(model, placement, cluster) if check.applies),
        ),
    ]
    if workload.backend == "hf-seq2seq":
        found.append(
            message(
                "{architecture} is an encoder-decoder, which vLLM does not serve: it runs on transformers, "
                "on one device.",
                architecture=model.architecture,
            )
        )
    if workload.max_model_len < workload.suite.max_tokens:
        found.append(
            message(
                "The window of {window} tokens is shorter than the suite's {suite}: longer prompts are cut "
                "on the left.",
                window=workload.max_model_len,
                suite=workload.suite.max_tokens,
            )
        )
    found += [*model.notes, *workload.weights.notes]
    if not chosen.is_roomy:
        found.append(
            message(
                "No placement on {cluster} holds the preferred {sequences} sequences; this one holds the "
                "most.",
                cluster=cluster.name,
                sequences=cluster.preferred_concurrency,
            )
        )
    return found


def _size(chosen: Candidate, cluster: Cluster) -> Message:
    if chosen.is_good:
        return message("is the smallest reservation that holds the model")
    if chosen.is_roomy:
        return message(
            "is the fastest of the largest reservation; none ends within {longest}",
            longest=cluster.max_walltime,
        )
    return message("is the placement with the most room")


def walltime_reason(
    chosen: Candidate, walltime: int, correction: Correction, cluster: Cluster, family: str
) -> Message:
    """What the wall time was made of, and what is known of past jobs."""
    estimate = chosen.estimated_s / 60
    if correction.rows:
        basis = message(
            "{estimate:.0f} minutes by the throughput model, times {factor:.2f} as {rows} past jobs took "
            "({family_rows} of {family}), times {margin:.2f} so that {share:.0f}% of such jobs end in time "
            "(expected: {expected:.0f} minutes).",
            estimate=estimate,
            factor=correction.factor,
            rows=correction.rows,
            family_rows=correction.family_rows,
            family=family,
            margin=correction.margin,
            share=100 * cluster.speed.quantile,
            expected=estimate * correction.factor,
        )
    else:
        basis = message(
            "estimated {estimate:.0f} minutes, times {margin:g}; no history of past jobs was used.",
            estimate=estimate,
            margin=correction.margin,
        )
    time = hours_minutes(walltime)
    if chosen.wanted_minutes > minutes(cluster.max_walltime):
        return message(
            "Wall time {time}: {basis} It is cut to the longest that {cluster} allows.",
            time=time,
            basis=basis,
            cluster=cluster.name,
        )
    return message("Wall time {time}: {basis}", time=time, basis=basis)


def cost_reason(gpu_hours: float, carbon: float) -> Message:
    """What it is expected to cost."""
    if carbon:
        return message(
            "Forecast: {hours:g} GPU-hours, {carbon:g} kg of CO2 equivalent.", hours=gpu_hours, carbon=carbon
        )
    return message("Forecast: {hours:g} GPU-hours.", hours=gpu_hours)


def alternatives(found: Search, model: ModelConfig, cluster: Cluster) -> tuple[Alternative, ...]:
    """The best of each other size, and the illegal of the chosen's own, with why they lost.

    What would cross a slow fabric (P5) is not listed: nobody would try it.
    """
    chosen = found.chosen
    if chosen is None:
        return ()
    losers: dict[tuple[int, bool], Candidate] = {}
    for one in sorted(found.looked_at, key=lambda one: (not one.fits, -one.room, one.order)):
        if one is not chosen and (one.is_legal or p5_fabric(model, one.placement, cluster).ok):
            losers.setdefault((one.reserved, one.is_legal), one)
    # A size that has a legal placement needs no illegal one beside it, but for the chosen's own.
    shown = [
        one
        for (reserved, is_legal), one in losers.items()
        if is_legal or reserved == chosen.reserved or (reserved, True) not in losers
    ]
    shown.sort(key=lambda one: (abs(one.reserved - chosen.reserved), one.order))
    return tuple(_alternative(one, chosen, model, cluster) for one in shown[:MOST_ALTERNATIVES])


def _alternative(one: Candidate, chosen: Candidate, model: ModelConfig, cluster: Cluster) -> Alternative:
    why = _why_lost(one, chosen, model, cluster)
    return Alternative(
        nodes=one.placement.nodes,
        gpus_per_node=one.placement.gpus_per_node,
        tensor_parallel_size=one.placement.tensor_parallel,
        pipeline_parallel_size=one.placement.pipeline_parallel,
        reserved_gpus=one.reserved,
        why=why.en,
        why_fr=why.fr,
    )


def _why_lost(one: Candidate, chosen: Candidate, model: ModelConfig, cluster: Cluster) -> Message:
    if not one.is_legal:
        broken = [check for check in run_checks(model, one.placement, cluster) if not check.ok]
        return message("illegal: {rules}", rules=with_rules(broken))
    memory = one.budget
    if memory.concurrency < 1:
        return message(
            "does not fit: {need} a GPU with one sequence, {usable} usable (M1, K4)",
            need=gib(memory.fixed + memory.kv_per_sequence),
            usable=gib(memory.usable),
        )
    if not one.is_roomy:
        return message(
            "holds {sequences} sequences at once, fewer than the preferred {preferred}",
            sequences=memory.concurrency,
            preferred=cluster.preferred_concurrency,
        )
    if not one.is_in_time:
        return message(
            "would ask for {time}, longer than the longest wall time {longest}",
            time=hours_minutes(one.wanted_minutes),
            longest=cluster.max_walltime,
        )
    if one.reserved > chosen.reserved:
        return message(
            "takes {reserved} GPUs where {enough} are enough", reserved=one.reserved, enough=chosen.reserved
        )
    if one.reserved < chosen.reserved:  # a person's wish
        return message("was not what overrides.yaml asks for")
    if one.placement.pipeline_parallel > chosen.placement.pipeline_parallel:
        return message("takes as many GPUs in more pipeline stages, which wait for each other")
    return message("takes as many GPUs and uses fewer of them")


def with_rules(broken: Iterable[Check]) -> Message:
    """What is wrong with a placement, each with its rule.

    Args:
        broken: At least one.
    """
    return listed(message("{detail} ({rule})", detail=check.detail, rule=check.rule) for check in broken)
