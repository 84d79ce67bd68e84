"""How a job lies on a cluster, and where a model may be cut: vLLM's rules, each a named check.

Sources of the rules are files of vLLM 0.33.0, below ``vllm/``. The rules that compare bytes (M1, K1 to K4)
are checks too, in ``memory.memory_checks``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NamedTuple

from palmares.leaderboard.clusters import Cluster
from palmares.leaderboard.model_classes import registry
from palmares.leaderboard.planning.model_config import ModelConfig
from palmares.texts import Message, message


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """How a job lies on a cluster."""

    nodes: int
    tensor_parallel: int
    pipeline_parallel: int

    @property
    def gpus_per_node(self) -> int:
        """GPUs that the engine uses on each node."""
        return self.tensor_parallel * self.pipeline_parallel // self.nodes

    @property
    def world(self) -> int:
        return self.tensor_parallel * self.pipeline_parallel


def placements(cluster: Cluster) -> tuple[Placement, ...]:
    """List every way to lay a job on a cluster, legal or not, that one of its queues serves."""
    if cluster.backend == "hf":  # one process, one device
        per_node = 1 if cluster.allocation == "gpu" else cluster.gpus_per_node
        if not cluster.queue(nodes=1, gpus_per_node=per_node):
            return ()
        return (Placement(nodes=1, tensor_parallel=1, pipeline_parallel=1),)
    every = _grid(cluster.nodes, cluster.gpus_per_node, cluster.fabric_between_nodes)
    return tuple(placement for placement in every if queue_of(cluster, placement))


@lru_cache(maxsize=64)
def _grid(nodes: int, gpus_per_node: int, fabric_between_nodes: bool) -> tuple[Placement, ...]:
    return tuple(_every(nodes, gpus_per_node, fabric_between_nodes))


def _every(most_nodes: int, gpus_per_node: int, fabric_between_nodes: bool) -> Iterator[Placement]:
    for nodes in range(1, most_nodes + 1):
        largest = gpus_per_node * (nodes if fabric_between_nodes else 1)
        for tp in range(1, largest + 1):
            for pp in range(1, gpus_per_node * nodes // tp + 1):
                placement = Placement(nodes=nodes, tensor_parallel=tp, pipeline_parallel=pp)
                if placement.world % nodes == 0:
                    yield placement


def reserved_gpus(cluster: Cluster, placement: Placement) -> int:
    """GPUs that the batch scheduler takes: whole nodes, or as many as are used."""
    return placement.nodes * reserved_per_node(cluster, placement)


def reserved_per_node(cluster: Cluster, placement: Placement) -> int:
    return cluster.gpus_per_node if cluster.allocation == "node" else placement.gpus_per_node


def queue_of(cluster: Cluster, placement: Placement) -> str | None:
    """The queue for what a placement reserves."""
    return cluster.queue(nodes=placement.nodes, gpus_per_node=reserved_per_node(cluster, placement))


class Check(NamedTuple):
    """The outcome of one rule."""

    rule: str
    source: str
    ok: bool
    detail: Message
    applies: bool = True
    """False: the model has nothing that the rule is about."""


def nothing(rule: str, source: str, detail: Message) -> Check:
    """A rule that a model keeps because it lacks what the rule is about."""
    return Check(rule, source, True, detail, applies=False)


VOCABULARY_PADDING: Final = 64


def t1_heads(model: ModelConfig, placement: Placement, _: Cluster) -> Check:
    """T1: attention heads divide by tp."""
    tp = placement.tensor_parallel
    return Check(
        "T1",
        "config/model.py",
        model.heads % tp == 0,
        message("{heads} attention heads over {gpus} GPUs", heads=model.heads, gpus=tp),
    )


def t2_kv_heads(model: ModelConfig, placement: Placement, _: Cluster) -> Check:
    """T2: key-value heads divide by tp, or tp by them (then they are replicated); not checked by vLLM.

    Latent attention has none: there T6 holds.
    """
    kv, tp = model.kv_heads, placement.tensor_parallel
    source = "layers/linear.py QKVParallelLinear"
    if model.latent is not None or kv == 0:
        return nothing("T2", source, message("no key-value heads"))
    return Check(
        "T2",
        source,
        kv % tp == 0 if kv >= tp else tp % kv == 0,
        message("{heads} key-value heads over {gpus} GPUs", heads=kv, gpus=tp),
    )


def t3_intermediate(model: ModelConfig, placement: Placement, _: Cluster) -> Check:
    """T3: the feed-forward's width divides by tp; so does that of shared experts."""
    tp = placement.tensor_parallel
    shared = model.shared_intermediate
    return Check(
        "T3",
        "layers/linear.py",
        (not model.has_dense or model.intermediate % tp == 0) and shared % tp == 0,
        message(
            "feed-forward of {width} over {gpus} GPUs",
            width=model.intermediate if model.has_dense else shared,
            gpus=tp,
        ),
    )


def t4_vocabulary(model: ModelConfig, placement: Placement, _: Cluster) -> Check:
    """T4: the vocabulary, padded to 64, divides by tp."""
    tp, padded = placement.tensor_parallel, padded_vocabulary(model)
    return Check(
        "T4",
        "layers/vocab_parallel_embedding.py",
        padded % tp == 0,
        message("vocabulary of {size} over {gpus} GPUs", size=padded, gpus=tp),
    )


def t5_experts(model: ModelConfig, placement: Placement, _: Cluster) -> Check:
    """T5: an expert's width divides by tp; true without experts."""
    tp, source = placement.tensor_parallel, "layers/fused_moe/config.py"
    if not model.has_moe:
        return nothing("T5", source, message("no experts"))
    return Check(
        "T5",
        source,
        model.moe_intermediate % tp == 0,
        message(
            "{experts} experts of {width} over {gpus} GPUs",
            experts=model.experts,
            width=model.moe_intermediate,
            gpus=tp,
        ),
    )


def t6_latent(model: ModelConfig, placement: Placement, _: Cluster) -> Check:
    """T6: latent attention divides its heads by tp; its cache is whole on every GPU."""
    tp, source = placement.tensor_parallel, "models/deepseek_v2.py"
    if model.latent is None:
        return nothing("T6", source, message("no latent attention"))
    return Check(
        "T6",
        source,
        model.heads % tp == 0,
        message(
            "{heads} heads of latent attention over {gpus} GPUs, its cache whole on each",
            heads=model.heads,
            gpus=tp,
        ),
    )


def t7_state(model: ModelConfig, placement: Placement, _: Cluster) -> Check:
    """T7: a state's heads divide by tp, and its groups do, or it has one that is replicated."""
    tp, state, source = placement.tensor_parallel, model.state, "layers/mamba/mamba_mixer2.py"
    if state is None:
        return nothing("T7", source, message("no state"))
    one = state.groups == 1 and state.kind != "delta"
    return Check(
        "T7",
        source,
        state.heads % tp == 0 and (one or state.groups % tp == 0),
        message(
            "{heads} heads and {groups} groups of the state over {gpus} GPUs",
            heads=state.heads,
            groups=state.groups,
            gpus=tp,
        ),
    )


def t8_groups(model: ModelConfig, placement: Placement, _: Cluster) -> Check:
    """T8: what a GPU holds of a quantised layer is whole groups.

    The inputs of the layers that are cut by rows, and with FP8 in blocks the outputs of those that are cut by
    columns.
    """
    tp, source = placement.tensor_parallel, "distributed/utils.py"
    quantization = model.quantization
    if quantization is not None and quantization.method == "mxfp4" and model.has_moe:
        blocks = -(-model.moe_intermediate // (quantization.group_size or 32))
        return Check(  # each GPU takes as many blocks; the last must get one
            "T8",
            "model_executor/models/gpt_oss.py",
            (tp - 1) * -(-blocks // tp) < blocks,
            message(
                "{blocks} blocks of an expert's quantised width over {gpus} GPUs", blocks=blocks, gpus=tp
            ),
        )
    pairs = _quantized_widths(model)
    if not pairs:
        return nothing("T8", source, message("not quantised in groups"))
    width, group = next((pair for pair in pairs if pair[0] // tp % pair[1]), pairs[-1])
    return Check(
        "T8",
        source,
        tp == 1 or width // tp % group == 0,
        message(
            "quantised layers of {width} in groups of {size} over {gpus} GPUs",
            width=width,
            size=group,
            gpus=tp,
        ),
    )


def _quantized_widths(model: ModelConfig) -> list[tuple[int, int]]:
    quantization = model.quantization
    if quantization is None or not quantization.group_size or quantization.experts_only:
        return []  # MXFP4 experts are padded (layers/quantization/mxfp4.py)
    group = quantization.group_size
    value_dim = model.latent.value_head_dim if model.latent else model.head_dim
    widths = [model.heads * value_dim] if model.heads else []
    if model.has_dense:
        widths.append(model.intermediate)
    if model.has_moe:
        widths.append(model.moe_intermediate)
    widths += [model.shared_intermediate] if model.shared_intermediate else []
    pairs = [(width, group) for width in widths]
    if quantization.block_rows:
        pairs += [(width, quantization.block_rows) for width in widths[1 if model.heads else 0 :]]
    return pairs


def h1_head_dim(model: ModelConfig, _: Placement, __: Cluster) -> Check:
    """H1: ``head_dim`` of config.json wins over hidden / heads; always true, it says which was taken."""
    if not model.heads:
        return nothing("H1", "config/model.py", message("no attention heads"))
    return Check(
        "H1",
        "config/model.py",
        True,
        message(
            "heads of {width} ({origin})",
            width=model.head_dim,
            origin="config.json" if model.explicit_head_dim else "hidden / heads",
        ),
    )


def p1_layers(model: ModelConfig, placement: Placement, _: Cluster) -> Check:
    """P1: at least one layer a stage, and a class that can be cut into stages."""
    return Check(
        "P1",
        "distributed/utils.py",
        placement.pipeline_parallel == 1 or (model.pipeline and placement.pipeline_parallel <= model.layers),
        message(
            "{layers} layers, pipeline stages: {stages}",
            layers=model.layers,
            stages=placement.pipeline_parallel,
        ),
    )


def p5_fabric(_: ModelConfig, placement: Placement, cluster: Cluster) -> Check:
    """P5: tensor parallelism never crosses a slow fabric."""
    if not cluster.fabric_inside_node:
        limit = 1
    elif cluster.fabric_between_nodes:
        limit = cluster.gpus_per_node * placement.nodes
    else:
        limit = cluster.gpus_per_node
    return Check(
        "P5",
        "docs/serving/parallelism_scaling.md",
        placement.tensor_parallel <= limit
        and (cluster.fabric_between_nodes or placement.pipeline_parallel % placement.nodes == 0),
        message(
            "tensor parallel {size}, at most {most} over a fast fabric",
            size=placement.tensor_parallel,
            most=limit,
        ),
    )


def b1_backend(model: ModelConfig, _: Placement, cluster: Cluster) -> Check:
    """B1: transformers loads quantised weights with packages that the evaluator does not carry."""
    plain, source = model.encoder_decoder or cluster.backend == "hf", "requirements-evaluator.in"
    if model.quantization is None:
        return nothing("B1", source, message("not quantised"))
    return Check(
        "B1",
        source,
        not plain,
        message(
            "quantisation {method} on the backend {backend}",
            method=model.quantization.method,
            backend="hf" if plain else cluster.backend,
        ),
    )


def b2_class(model: ModelConfig, _: Placement, cluster: Cluster) -> Check:
    """B2: the backend has the model's class."""
    known = registry()
    name, version = ("transformers", known.transformers_version)
    is_there = model.encoder_decoder or model.architecture in known.native
    if cluster.backend == "vllm" and not model.encoder_decoder:
        name, version = "vLLM", known.vllm_version
        is_there = known.is_served_by_vllm(model.architecture)
    if not known.is_known(model.architecture):  # the policy lets it pass, as a dense decoder
        is_there = True
    return Check(
        "B2",
        "model_executor/models/registry.py",
        is_there,
        message(
            "class {name} in {library} {version}", name=model.architecture, library=name, version=version
        ),
    )


RULES: tuple[Callable[[ModelConfig, Placement, Cluster], Check], ...] = (
    t1_heads,
    t2_kv_heads,
    t3_intermediate,
    t4_vocabulary,
    t5_experts,
    t6_latent,
    t7_state,
    t8_groups,
    p1_layers,
    p5_fabric,
    h1_head_dim,
    b1_backend,
    b2_class,
)
_WHOLE: Final = (p1_layers, p5_fabric, b1_backend, b2_class)
"""What is left to ask where nothing is divided by tp."""


def run_checks(model: ModelConfig, placement: Placement, cluster: Cluster) -> tuple[Check, ...]:
    """Run every rule on one placement."""
    return tuple(rule(model, placement, cluster) for rule in RULES)


def is_legal(model: ModelConfig, placement: Placement, cluster: Cluster) -> bool:
    """Whether every rule holds; stops at the first that does not."""
    rules = _WHOLE if placement.tensor_parallel == 1 else RULES
    return all(rule(model, placement, cluster).ok for rule in rules)


def padded_vocabulary(model: ModelConfig) -> int:
    return -(-model.vocabulary // VOCABULARY_PADDING) * VOCABULARY_PADDING
