"""The sizes of a model that decide its placement, and the parameters that they add up to."""

from __future__ import annotations

from dataclasses import dataclass

from palmares.leaderboard.planning.adapters import Adapter
from palmares.leaderboard.planning.layers import DENSE, FULL, MOE, PARALLEL, SLIDING, STATE, StateSpace
from palmares.leaderboard.planning.quantization import Quantization
from palmares.texts import Message

DTYPE_BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class LatentAttention:
    """Multi-head latent attention (MLA): one compressed vector a token instead of keys and values."""

    rank: int
    rope_head_dim: int
    nope_head_dim: int
    value_head_dim: int
    query_rank: int
    """0: queries are not compressed."""
    is_cached_whole: bool = False
    """Keys and values are cached for every head, as vLLM does for MiniCPM3."""
    index_heads: int = 0
    """Heads of the indexer of sparse attention (DeepSeek V3.2); 0: attention is dense."""
    index_head_dim: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerCache:
    """What one layer caches of a token, where layers differ."""

    kv_heads: int
    """0: the layer reads another one's cache."""
    values: int
    """Numbers a head: key and value together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelConfig:
    """A model's sizes."""

    architecture: str
    hidden: int
    layers: int
    """Of the decoder."""
    heads: int
    """0: no attention at all."""
    kv_heads: int
    head_dim: int
    intermediate: int
    vocabulary: int
    window: int | None
    """Longest sequence; None: config.json does not say."""
    tied_embeddings: bool
    experts: int = 0
    moe_intermediate: int = 0
    gated: bool = True
    model_type: str = ""
    """Family, in transformers' words; empty: not known here."""
    is_known: bool = True
    """False: read from config.json without rules of its family."""
    attention_parameters: int | None = None
    """Of all layers' attention together, where layers differ; None: by the sizes above."""
    caches: tuple[LayerCache, ...] = ()
    """Of each layer, where layers differ; empty: by the sizes above."""
    moe_latent: int = 0
    """Width of a token inside the routed experts; 0: the model's."""
    state_bytes: int | None = None
    """Bytes of a number of the state; None: the cache's."""
    experts_per_token: int = 0
    shared_intermediate: int = 0
    """Width of the experts that every token passes, together."""
    mixers: tuple[str, ...] = ()
    """Attention or state of each layer (``layers``); empty: full attention everywhere."""
    feed_forwards: tuple[str, ...] = ()
    """Feed-forward of each layer; empty: all alike."""
    sliding_window: int | None = None
    """Tokens that a sliding layer sees, or its chunk."""
    latent: LatentAttention | None = None
    state: StateSpace | None = None
    shared_attention_parameters: int = 0
    """Of attention blocks that several layers share (Zamba 2)."""
    encoder_layers: int = 0
    norms: int = 2
    qk_norm: bool = False
    attention_bias: bool = False
    output_gate: bool = False
    """Attention's output is gated by a projection as wide as the queries (Qwen3-Next)."""
    other_parameters: int = 0
    """Learned positions, and the vision encoder of a multimodal model."""
    quantization: Quantization | None = None
    adapter: Adapter | None = None
    pipeline: bool = True
    """May be cut into stages."""
    explicit_head_dim: bool = False
    """``head_dim`` stands in config.json (H1)."""
    notes: tuple[Message, ...] = ()
    """What was assumed."""

    @property
    def embedding_parameters(self) -> int:
        """Of one of the two ends: the input embedding or the output head."""
        return self.vocabulary * self.hidden

    @property
    def parameters(self) -> int:
        """Computed from the shapes; most biases are left out, far below 1 %."""
        return count_parameters(self).total

    @property
    def active_parameters(self) -> int:
        """Those that one token passes through: fewer than all in a mixture of experts."""
        return count_parameters(self).active

    @property
    def encoder_decoder(self) -> bool:
        return self.encoder_layers > 0

    @property
    def has_dense(self) -> bool:
        """Some layer has a feed-forward without experts."""
        if not self.feed_forwards:
            return not self.experts
        return DENSE in self.feed_forwards

    @property
    def has_moe(self) -> bool:
        """Some layer has experts."""
        return bool(self.experts) and (not self.feed_forwards or MOE in self.feed_forwards)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """Numbers of weights."""

    total: int
    active: int
    """Of the layers and experts that one token uses."""
    experts: int
    """Of all routed experts together: what some quantisations leave the rest alone for."""


def count_parameters(model: ModelConfig) -> Parameters:
    """Count from the shapes; the biases of feed-forwards and experts are left out, far below 1 %.

    Sources: the layers' constructors in transformers, models/<type>/modeling_<type>.py.
    """
    if model.encoder_layers:
        total = _encoder_decoder(model)
        return Parameters(total=total, active=total, experts=0)
    matrices = 3 if model.gated else 2
    dense = matrices * model.hidden * model.intermediate
    expert = matrices * (model.moe_latent or model.hidden) * model.moe_intermediate
    beside = model.hidden * model.experts + matrices * model.hidden * model.shared_intermediate
    beside += 2 * model.hidden * model.moe_latent
    moe_layers, dense_layers = _counts(model)
    attention = sum(model.mixers.count(kind) for kind in (FULL, SLIDING, PARALLEL))
    states = sum(model.mixers.count(kind) for kind in (STATE, PARALLEL))
    if not model.mixers:
        attention = model.layers
    state = model.state.parameters if model.state else 0
    experts = moe_layers * model.experts * expert
    rest = dense_layers * dense + moe_layers * beside + states * state + model.other_parameters
    rest += model.layers * model.norms * model.hidden + model.hidden
    if model.shared_attention_parameters:  # Zamba 2: one block, seen from several layers
        rest += model.shared_attention_parameters
    elif model.attention_parameters is not None:
        rest += model.attention_parameters
    else:
        rest += attention * attention_parameters(model)
    ends = model.embedding_parameters * (1 if model.tied_embeddings else 2)
    used = moe_layers * min(model.experts, max(1, model.experts_per_token)) * expert
    return Parameters(total=rest + experts + ends, active=rest + used + ends, experts=experts)


def _counts(model: ModelConfig) -> tuple[int, int]:
    """Layers with experts, and with a dense feed-forward."""
    if not model.feed_forwards:
        return (model.layers, 0) if model.experts else (0, model.layers)
    return model.feed_forwards.count(MOE), model.feed_forwards.count(DENSE)


def attention_parameters(model: ModelConfig) -> int:
    """Of one layer's attention."""
    latent = model.latent
    if latent is not None:
        queries = model.heads * (latent.nope_head_dim + latent.rope_head_dim)
        total = model.hidden * queries
        if latent.query_rank:
            total = latent.query_rank * (model.hidden + queries + 1)
        total += model.hidden * (latent.rank + latent.rope_head_dim) + latent.rank
        total += latent.rank * model.heads * (latent.nope_head_dim + latent.value_head_dim)
        if latent.index_heads:  # queries, one key with its norm, and a weight a head
            total += (latent.query_rank or model.hidden) * latent.index_heads * latent.index_head_dim
            total += model.hidden * (latent.index_head_dim + latent.index_heads) + 2 * latent.index_head_dim
        return total + model.heads * latent.value_head_dim * model.hidden
    queries, keys = model.heads * model.head_dim, model.kv_heads * model.head_dim
    total = model.hidden * (2 * queries + 2 * keys)
    if model.output_gate:
        total += model.hidden * queries
    if model.attention_bias:
        total += queries + 2 * keys
    if model.qk_norm:
        total += 2 * model.head_dim
    return total


def _encoder_decoder(model: ModelConfig) -> int:
    attention = 4 * model.hidden * model.heads * model.head_dim
    feed_forward = (3 if model.gated else 2) * model.hidden * model.intermediate
    encoder = model.encoder_layers * (attention + feed_forward + 2 * model.hidden)
    decoder = model.layers * (2 * attention + feed_forward + 3 * model.hidden)
    ends = model.embedding_parameters * (1 if model.tied_embeddings else 2)
    return encoder + decoder + ends + 2 * model.hidden + model.other_parameters
