"""The plan in plain sentences, English and French."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TypeAlias

from palmares.leaderboard.clusters import Cluster, minutes
from palmares.leaderboard.planning.duration import Correction, hours_minutes
from palmares.leaderboard.planning.memory import gib, memory_checks
from palmares.leaderboard.planning.model_config import ModelConfig
from palmares.leaderboard.planning.placement import p5_fabric, run_checks
from palmares.leaderboard.planning.plan import Alternative
from palmares.leaderboard.planning.search import Candidate, Search, Workload

Sentence: TypeAlias = tuple[str, str]
"""English and French."""

MOST_ALTERNATIVES = 6
_MEASURED = re.compile(r"(?<![\d.])(\d+)\.(\d+)(?= (?:[GM]iB|heures?|kg)\b|,? d'après| pour que)")


def placement_reasons(chosen: Candidate, workload: Workload, cluster: Cluster) -> list[Sentence]:
    """Why here, why so many GPUs, what fills them, and which rules allow the cut."""
    placement, memory, model = chosen.placement, chosen.budget, workload.model
    budgeted = memory_checks(model, memory, max_model_len=workload.max_model_len)
    cache = ", ".join(check.rule for check in budgeted)
    rules = ", ".join(check.rule for check in run_checks(model, placement, cluster) if check.applies)
    why, why_fr = _size(chosen, cluster)
    engine = memory.fixed - memory.weights
    weights = gib(workload.weights.total_bytes)
    found = [
        (
            f"{placement.nodes} x {placement.gpus_per_node} GPU on {cluster.name} {why} "
            f"(GPUs taken: {chosen.reserved}), with room for {memory.concurrency} sequences of "
            f"{workload.max_model_len} tokens.",
            f"{placement.nodes} x {placement.gpus_per_node} GPU sur {cluster.name} {why_fr} "
            f"(GPU réservés : {chosen.reserved}), avec de la place pour {memory.concurrency} séquences de "
            f"{workload.max_model_len} jetons.",
        ),
        (
            f"Of {gib(memory.usable)} usable a GPU, weights ({weights} in all) take {gib(memory.weights)}, "
            f"the engine and activations {gib(engine)}; {gib(memory.free)} are left for the KV cache, "
            f"{gib(memory.kv_per_sequence)} a sequence ({cache}).",
            f"Sur {gib(memory.usable)} utilisables par GPU, les poids ({weights} en tout) prennent "
            f"{gib(memory.weights)}, le moteur et les activations {gib(engine)} ; il reste "
            f"{gib(memory.free)} pour le cache KV, {gib(memory.kv_per_sequence)} par séquence ({cache}).",
        ),
        (
            f"Tensor parallel {placement.tensor_parallel} and pipeline parallel "
            f"{placement.pipeline_parallel} are legal for {model.heads} heads, {model.kv_heads} key-value "
            f"heads of {model.head_dim} and {model.layers} layers ({rules}).",
            f"Le parallélisme de tenseurs {placement.tensor_parallel} et de pipeline "
            f"{placement.pipeline_parallel} est permis pour {model.heads} têtes, {model.kv_heads} têtes "
            f"clé-valeur de {model.head_dim} et {model.layers} couches ({rules}).",
        ),
    ]
    if workload.backend == "hf-seq2seq":
        found.append(
            (
                f"{model.architecture} is an encoder-decoder, which vLLM does not serve: it runs on "
                "transformers, on one device.",
                f"{model.architecture} est un encodeur-décodeur, que vLLM ne sert pas : il tourne avec "
                "transformers, sur un seul processeur.",
            )
        )
    if workload.max_model_len < workload.suite.max_tokens:
        found.append(
            (
                f"The window of {workload.max_model_len} tokens is shorter than the suite's "
                f"{workload.suite.max_tokens}: longer prompts are cut on the left.",
                f"La fenêtre de {workload.max_model_len} jetons est plus courte que les "
                f"{workload.suite.max_tokens} de la suite : les questions plus longues sont coupées à "
                "gauche.",
            )
        )
    found += [*model.notes, *workload.weights.notes]
    if not chosen.is_roomy:
        found.append(
            (
                f"No placement on {cluster.name} holds the preferred {cluster.preferred_concurrency} "
                "sequences; this one holds the most.",
                f"Aucun placement sur {cluster.name} ne tient les {cluster.preferred_concurrency} séquences "
                "souhaitées ; celui-ci en tient le plus.",
            )
        )
    return found


def _size(chosen: Candidate, cluster: Cluster) -> Sentence:
    if chosen.is_good:
        return (
            "is the smallest reservation that holds the model",
            "est la plus petite réservation qui le tient",
        )
    if chosen.is_roomy:
        return (
            f"is the fastest of the largest reservation; none ends within {cluster.max_walltime}",
            f"est le plus rapide de la plus grande réservation ; aucun ne finit en {cluster.max_walltime}",
        )
    return "is the placement with the most room", "est le placement qui laisse le plus de place"


def walltime_reason(
    chosen: Candidate, walltime: int, correction: Correction, cluster: Cluster, family: str
) -> Sentence:
    """What the wall time was made of, and what is known of past jobs."""
    estimate = chosen.estimated_s / 60
    if correction.rows:
        expected = estimate * correction.factor
        basis = (
            f"{estimate:.0f} minutes by the throughput model, times {correction.factor:.2f} as "
            f"{correction.rows} past jobs took ({correction.family_rows} of {family}), times "
            f"{correction.margin:.2f} so that {cluster.speed.quantile:.0%} of such jobs end in time "
            f"(expected: {expected:.0f} minutes)."
        )
        basis_fr = (
            f"{estimate:.0f} minutes selon le modèle de débit, fois {correction.factor:.2f} d'après "
            f"{correction.rows} calculs passés (dont {correction.family_rows} de {family}), fois "
            f"{correction.margin:.2f} pour que {100 * cluster.speed.quantile:.0f} % de tels calculs "
            f"finissent à temps (durée attendue : {expected:.0f} minutes)."
        )
    else:
        basis = (
            f"estimated {estimate:.0f} minutes, times {correction.margin:g}; no history of past jobs "
            "was used."
        )
        basis_fr = (
            f"{estimate:.0f} minutes estimées, fois {correction.margin:g} ; aucun historique de calculs "
            "passés n'a servi."
        )
    text, text_fr = (
        f"Wall time {hours_minutes(walltime)}: {basis}",
        f"Durée {hours_minutes(walltime)} : {basis_fr}",
    )
    if chosen.wanted_minutes > minutes(cluster.max_walltime):
        text += f" It is cut to the longest that {cluster.name} allows."
        text_fr += f" Elle est ramenée au plus long que {cluster.name} permet."
    return text, text_fr


def cost_reason(gpu_hours: float, carbon: float) -> Sentence:
    """What it is expected to cost."""
    text, text_fr = f"Forecast: {gpu_hours:g} GPU-hours", f"Prévision : {gpu_hours:g} heures de GPU"
    if carbon:
        text += f", {carbon:g} kg of CO2 equivalent"
        text_fr += f", {carbon:g} kg d'équivalent CO2"
    return f"{text}.", f"{text_fr}."


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


def in_french(text: str) -> str:
    """Write units, and the numbers before them, as French does."""
    text = _MEASURED.sub(r"\1,\2", text)
    return text.replace("GiB", "Gio").replace("MiB", "Mio")


def _alternative(one: Candidate, chosen: Candidate, model: ModelConfig, cluster: Cluster) -> Alternative:
    why, why_fr = _why_lost(one, chosen, model, cluster)
    return Alternative(
        nodes=one.placement.nodes,
        gpus_per_node=one.placement.gpus_per_node,
        tensor_parallel_size=one.placement.tensor_parallel,
        pipeline_parallel_size=one.placement.pipeline_parallel,
        reserved_gpus=one.reserved,
        why=why,
        why_fr=in_french(why_fr),
    )


def _why_lost(one: Candidate, chosen: Candidate, model: ModelConfig, cluster: Cluster) -> Sentence:
    if not one.is_legal:
        return _broken_rules(one, model, cluster)
    memory = one.budget
    if memory.concurrency < 1:
        need = gib(memory.fixed + memory.kv_per_sequence)
        return (
            f"does not fit: {need} a GPU with one sequence, {gib(memory.usable)} usable (M1, K4)",
            f"ne tient pas : {need} par GPU avec une séquence, {gib(memory.usable)} utilisables (M1, K4)",
        )
    if not one.is_roomy:
        preferred = cluster.preferred_concurrency
        return (
            f"holds {memory.concurrency} sequences at once, fewer than the preferred {preferred}",
            f"tient {memory.concurrency} séquences à la fois, moins que les {preferred} souhaitées",
        )
    if not one.is_in_time:
        wanted = hours_minutes(one.wanted_minutes)
        return (
            f"would ask for {wanted}, longer than the longest wall time {cluster.max_walltime}",
            f"demanderait {wanted}, plus que la durée la plus longue {cluster.max_walltime}",
        )
    if one.reserved > chosen.reserved:
        return (
            f"takes {one.reserved} GPUs where {chosen.reserved} are enough",
            f"prend {one.reserved} GPU là où {chosen.reserved} suffisent",
        )
    if one.reserved < chosen.reserved:  # a person's wish
        return "was not what overrides.yaml asks for", "n'est pas ce que demande overrides.yaml"
    if one.placement.pipeline_parallel > chosen.placement.pipeline_parallel:
        return (
            "takes as many GPUs in more pipeline stages, which wait for each other",
            "prend autant de GPU en plus d'étapes de pipeline, qui s'attendent",
        )
    return "takes as many GPUs and uses fewer of them", "prend autant de GPU et en utilise moins"


def _broken_rules(one: Candidate, model: ModelConfig, cluster: Cluster) -> Sentence:
    broken = [check for check in run_checks(model, one.placement, cluster) if not check.ok]
    return (
        "illegal: " + _joined(f"{check.detail} ({check.rule})" for check in broken),
        "interdit : " + _joined(f"{check.detail_fr} ({check.rule})" for check in broken),
    )


def _joined(texts: Iterable[str]) -> str:
    return "; ".join(texts)
