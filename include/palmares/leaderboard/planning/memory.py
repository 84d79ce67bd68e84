"""Bytes a GPU: weights, activations, the engine's own, and what is left for the KV cache."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from palmares.leaderboard.clusters import Cluster
from palmares.leaderboard.planning.layers import FULL, PARALLEL, SLIDING, STATE, stage_layers
from palmares.leaderboard.planning.model_config import DTYPE_BYTES, ModelConfig, count_parameters
from palmares.leaderboard.planning.placement import Check, Placement, padded_vocabulary
from palmares.leaderboard.submissions.model_facts import ModelFacts
from palmares.texts import Message, message

Source = Literal["safetensors", "files", "shapes", "given"]
DIFFERENCE_TO_TELL = 0.05
"""Sizes by files and by shapes that differ by more are worth a sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """Bytes in a GPU's memory, in the precision that was asked for."""

    total_bytes: int
    embedding_bytes: int
    """Of one end: the input embedding, or the output head."""
    source: Source
    """``safetensors`` (counts in their headers), ``files`` (sizes), ``shapes``, ``given`` (by the caller)."""
    quantization: str | None = None
    layers: int = 1
    tied: bool = False
    adapter_bytes: int = 0
    notes: tuple[Message, ...] = ()

    def bytes_per_gpu(self, placement: Placement) -> int:
        """The fullest GPU's share: its stage's layers and, at a pipeline's ends, an embedding.

        Embeddings that are tied lie on both ends of a pipeline.
        """
        tp, pp = placement.tensor_parallel, placement.pipeline_parallel
        whole = self.total_bytes + self.adapter_bytes
        if pp == 1:
            return -(-whole // tp)
        ends = self.embedding_bytes * (1 if self.tied else 2)
        body = max(0, whole - ends)
        stages = stage_layers(self.layers, min(pp, self.layers))
        first, last, middle = stages[0], stages[-1], max(stages)
        with_end = body * max(first, last) // self.layers + min(whole, self.embedding_bytes)
        return -(-max(with_end, body * middle // self.layers) // tp)


def weights_of(facts: ModelFacts, model: ModelConfig, precision: str) -> Weights:
    """Bytes of the weights as they are loaded.

    Unquantised: the parameters that the safetensors headers count times the precision's bytes; else the
    files' size, converted from the precision that they are stored in; else the shapes. Quantised weights are
    loaded as they are stored: the files' size; else the shapes with the quantisation's bits.
    """
    width = DTYPE_BYTES.get(precision, 2)
    quantization = model.quantization
    notes: tuple[Message, ...] = ()
    source: Source = "shapes"
    if quantization is not None:
        label: str | None = quantization.label.en
        if facts.weights_bytes:
            total, source = facts.weights_bytes, _file_source(facts)
        else:
            total = _quantized_bytes(model)
        width = 2
        notes = (message("Its weights are quantised ({label}).", label=quantization.label),)
    else:
        label = None
        expected = model.parameters * width
        if facts.parameters:
            total, source = facts.parameters * width, "safetensors"
        elif facts.weights_bytes:
            total, source = facts.weights_bytes * width // _stored_width(facts), _file_source(facts)
        else:
            total = expected
        if source != "shapes":
            notes = _difference(total, expected)
    return Weights(
        total_bytes=total,
        embedding_bytes=model.embedding_parameters * width,
        source=source,
        quantization=label,
        layers=max(1, model.layers),
        tied=model.tied_embeddings,
        adapter_bytes=_adapter_bytes(model),
        notes=(*notes, *_adapter_notes(model)),
    )


def _file_source(facts: ModelFacts) -> Source:
    return "files" if facts.weights_format else "given"


def _stored_width(facts: ModelFacts) -> int:
    """Bytes a weight in the files; 16 bits where config.json does not say."""
    config = facts.config or {}
    stored = config.get("dtype") or config.get("torch_dtype")
    return DTYPE_BYTES.get(stored.removeprefix("torch."), 2) if isinstance(stored, str) else 2


def _quantized_bytes(model: ModelConfig) -> int:
    quantization = model.quantization
    assert quantization is not None
    parameters = count_parameters(model)
    if quantization.experts_only:
        return quantization.bytes_of(parameters.experts) + 2 * (parameters.total - parameters.experts)
    ends = model.embedding_parameters * (1 if model.tied_embeddings else 2) + model.other_parameters
    return quantization.bytes_of(max(0, parameters.total - ends)) + 2 * ends


def _adapter_bytes(model: ModelConfig) -> int:
    """Of the adapter's matrices; without its file's size, at every linear layer of its rank."""
    if model.adapter is None:
        return 0
    if model.adapter.weights_bytes:
        return model.adapter.weights_bytes
    sides = 4 * model.hidden + 2 * model.head_dim * (model.heads + model.kv_heads)
    sides += 3 * (model.hidden + (model.intermediate or model.moe_intermediate))
    return 2 * model.layers * model.adapter.rank * sides


def _adapter_notes(model: ModelConfig) -> tuple[Message, ...]:
    if model.adapter is None:
        return ()
    return (
        message(
            "An adapter of rank {rank} lies beside its base's weights: {size:.1f} MiB.",
            rank=model.adapter.rank,
            size=_adapter_bytes(model) / 2**20,
        ),
    )


def _difference(total: int, expected: int) -> tuple[Message, ...]:
    if not expected or abs(total - expected) <= DIFFERENCE_TO_TELL * expected:
        return ()
    return (
        message(
            "The files say {stored:.2f} GiB of weights and the shapes {computed:.2f} GiB; the files are "
            "believed.",
            stored=total / 2**30,
            computed=expected / 2**30,
        ),
    )


KV_BLOCK_TOKENS = 16
LOADING_OVERHEAD = 1.02
"""Alignment and buffers beside the weights; an estimate."""
UNKNOWN_OVERHEAD = 1.1
"""The same of a model that is read without rules of its family: config.json may leave much unsaid."""
INDEX_SCALE_TOKENS = 128
"""Values of an indexer's key that share a scale of 4 bytes. Source: vLLM, models/deepseek_v2.py."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """One GPU's memory, in bytes."""

    usable: int
    """Total times utilisation (M1)."""
    weights: int
    activations: int
    engine: int
    communication: int
    graphs: int
    kv_per_sequence: int
    """Cache and states of one sequence of the plan's full length (K1 to K3)."""

    @property
    def fixed(self) -> int:
        """What does not depend on how many sequences run."""
        return self.weights + self.activations + self.engine + self.communication + self.graphs

    @property
    def free(self) -> int:
        """Left for the KV cache; negative if the weights do not fit."""
        return self.usable - self.fixed

    @property
    def concurrency(self) -> int:
        """Sequences of full length whose cache fits at once; K4 asks for at least one."""
        return max(0, self.free // max(1, self.kv_per_sequence))


def kv_bytes_per_token(model: ModelConfig, placement: Placement, *, dtype: str) -> int:
    """Bytes that one more token takes on a GPU of the fullest stage, below every window.

    K1: layers of the stage x key-value heads of the rank x (key and value) x head_dim x bytes. K2, latent
    attention: layers x (rank + rope) x bytes, on every rank. Layers with a state take nothing (K3).
    Source: ``vllm/v1/kv_cache_interface.py``.
    """
    if model.caches:
        return _most_in_a_stage(model, placement, dtype, lambda kind: 1)
    full, sliding, _ = _stage_kinds(model, placement)
    return (full + sliding) * _layer_bytes_per_token(model, placement, dtype)


def kv_bytes_per_sequence(
    model: ModelConfig, placement: Placement, *, tokens: int, dtype: str, batched_tokens: int = 1
) -> int:
    """Bytes of one sequence on a GPU of the fullest stage, in blocks of 16 tokens.

    K3: a sliding layer holds min(window - 1 + tokens of a step, length) tokens, as vLLM's check at the start
    counts it (``v1/kv_cache_interface.py``, SlidingWindowSpec); a state is the same whatever the length. An
    encoder-decoder keeps the encoder's output beside the decoder's cache in every layer, both of full length.
    """
    window = min(tokens, (model.sliding_window or tokens) - 1 + batched_tokens)
    if model.caches:
        return _most_in_a_stage(
            model, placement, dtype, lambda kind: _blocks(window if kind == SLIDING else tokens)
        )
    full, sliding, states = _stage_kinds(model, placement)
    layer = _layer_bytes_per_token(model, placement, dtype)
    total = full * _blocks(tokens) * layer
    if sliding:
        total += sliding * _blocks(window) * layer
    if states and model.state is not None:
        width = model.state_bytes or DTYPE_BYTES.get(dtype, 2)
        total += states * -(-model.state.elements // placement.tensor_parallel) * width
    return total * 2 if model.encoder_decoder else total


def _most_in_a_stage(
    model: ModelConfig, placement: Placement, dtype: str, tokens_of: Callable[[str], int]
) -> int:
    """Bytes of the stage that caches the most, of a model whose layers differ.

    Args:
        model: With ``caches`` and ``mixers``, one a layer.
        placement: How it is cut.
        dtype: Of the cache.
        tokens_of: Tokens that a layer of a kind holds.
    """
    width, tp = DTYPE_BYTES.get(dtype, 2), placement.tensor_parallel
    most = start = 0
    for size in stage_layers(model.layers, min(placement.pipeline_parallel, model.layers)):
        part = range(start, start + size)
        start += size
        held = sum(
            max(1, model.caches[index].kv_heads // tp)
            * model.caches[index].values
            * width
            * tokens_of(model.mixers[index])
            for index in part
            if model.caches[index].kv_heads
        )
        most = max(most, held)
    return most


def _blocks(tokens: int) -> int:
    return -(-tokens // KV_BLOCK_TOKENS) * KV_BLOCK_TOKENS


def _layer_bytes_per_token(model: ModelConfig, placement: Placement, dtype: str) -> int:
    width = DTYPE_BYTES.get(dtype, 2)
    latent = model.latent
    if latent is not None and latent.is_cached_whole:  # values are padded to the keys' width
        per_head = 2 * (latent.nope_head_dim + latent.rope_head_dim)
        return max(1, model.heads // placement.tensor_parallel) * per_head * width
    if latent is not None:
        index = latent.index_head_dim + 4 * -(-latent.index_head_dim // INDEX_SCALE_TOKENS)
        return (latent.rank + latent.rope_head_dim) * width + (index if latent.index_heads else 0)
    if not model.kv_heads:
        return 0
    return max(1, model.kv_heads // placement.tensor_parallel) * 2 * model.head_dim * width


def _stage_kinds(model: ModelConfig, placement: Placement) -> tuple[int, int, int]:
    """Layers with full attention, with a window and with a state, of the stage with the most of each."""
    stages = min(model.layers, placement.pipeline_parallel)
    mixers = model.mixers
    most = -(-model.layers // stages)
    if not mixers:
        return most, 0, 0
    first = mixers[0]
    if mixers.count(first) == len(mixers):
        return (
            most if first in {FULL, PARALLEL} else 0,
            most if first == SLIDING else 0,
            most if first in {STATE, PARALLEL} else 0,
        )
    full = sliding = states = start = 0
    for size in stage_layers(model.layers, stages):
        part = mixers[start : start + size]
        start += size
        both = part.count(PARALLEL)
        full = max(full, part.count(FULL) + both)
        sliding = max(sliding, part.count(SLIDING))
        states = max(states, part.count(STATE) + both)
    return full, sliding, states


def budget(
    model: ModelConfig,
    placement: Placement,
    cluster: Cluster,
    *,
    weights: Weights | None = None,
    weights_bytes: int | None = None,
    max_model_len: int,
    dtype: str,
    enforce_eager: bool | None = None,
    max_num_seqs: int | None = None,
) -> Budget:
    """Estimate one GPU of the fullest stage.

    The stage's weights / tp x 1.02, engine, communication if there are several GPUs, batched tokens x (4
    hidden + 3 inner / tp) x bytes for activations, graphs unless eager; the rest is KV cache. Constants are
    the cluster's.

    Args:
        model: The model's.
        placement: How it is cut.
        cluster: Where.
        weights: What its weights take; or
        weights_bytes: the sum alone, when no more is known.
        max_model_len: Tokens of the longest sequence.
        dtype: Of the activations and the cache.
        enforce_eager: No CUDA graphs; None: as the cluster says.
        max_num_seqs: Sequences of one step, where they are more than its batched tokens.
    """
    width = DTYPE_BYTES.get(dtype, 2)
    tp = placement.tensor_parallel
    if weights is None:
        weights = Weights(
            total_bytes=weights_bytes or 0,
            embedding_bytes=padded_vocabulary(model) * model.hidden * width,
            source="given",
            layers=model.layers,
            tied=model.tied_embeddings,
        )
    memory = cluster.memory
    inner = max(
        model.intermediate if model.has_dense else 0,
        model.moe_intermediate * max(1, model.experts_per_token) if model.has_moe else 0,
        model.state.inner if model.state else 0,
    )
    tokens = max(memory.batched_tokens, max_num_seqs or 0)
    eager = cluster.enforce_eager if enforce_eager is None else enforce_eager
    return Budget(
        usable=int(cluster.gpu_memory_bytes * cluster.gpu_memory_utilization),
        weights=int(
            weights.bytes_per_gpu(placement) * (LOADING_OVERHEAD if model.is_known else UNKNOWN_OVERHEAD)
        ),
        activations=int(tokens * (4 * model.hidden + 3 * inner / tp) * width),
        engine=memory.engine_bytes,
        communication=memory.communication_bytes if placement.world > 1 else 0,
        graphs=0 if eager else memory.graphs_bytes,
        kv_per_sequence=max(
            1,
            kv_bytes_per_sequence(
                model,
                placement,
                tokens=max_model_len,
                dtype=dtype,
                batched_tokens=memory.batched_tokens,
            ),
        ),
    )


def cache_rule(model: ModelConfig) -> str:
    """The rule that a model's cache follows: K1 (keys and values), K2 (latent), K3 (windows, states)."""
    if model.latent is not None:
        return "K2"
    return "K3" if model.state is not None or SLIDING in model.mixers else "K1"


def memory_checks(model: ModelConfig, memory: Budget, *, max_model_len: int) -> tuple[Check, ...]:
    """M1, the rule of K1 to K3 that the cache follows, and K4; see ``checks.run_checks`` for the others."""
    need = gib(memory.kv_per_sequence)
    return (
        Check(
            "M1",
            "config/cache.py, v1/worker/utils.py",
            memory.fixed <= memory.usable,
            message(
                "{needed} without the cache, of {usable} usable",
                needed=gib(memory.fixed),
                usable=gib(memory.usable),
            ),
        ),
        Check(
            cache_rule(model),
            "v1/kv_cache_interface.py",
            True,
            message("{cache} of cache for a sequence of {tokens} tokens", cache=need, tokens=max_model_len),
        ),
        Check(
            "K4",
            "v1/core/kv_cache_planning.py",
            memory.concurrency >= 1,
            message(
                "a sequence of {tokens} tokens takes {needed} of the {left} that are left",
                tokens=max_model_len,
                needed=need,
                left=gib(memory.free),
            ),
        ),
    )


def gib(size: float) -> Message:
    """Show bytes as GiB."""
    if size >= 2**30 / 10:
        return message("{size:.1f} GiB", size=size / 2**30)
    return message("{size:.1f} MiB", size=size / 2**20)
