"""Counts a model's parameters from its shape: all of them, and those that one token passes through."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from palmares.leaderboard.planning.layers import DENSE, FULL, MOE, PARALLEL, SLIDING, STATE

if TYPE_CHECKING:
    from palmares.leaderboard.planning.shape import ModelShape


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """Numbers of weights."""

    total: int
    active: int
    """Of the layers and experts that one token uses."""
    experts: int
    """Of all routed experts together: what some quantisations leave the rest alone for."""


def count_parameters(shape: ModelShape) -> Parameters:
    """Count from the shapes; the biases of feed-forwards and experts are left out, far below 1 %.

    Sources: the layers' constructors in transformers, models/<type>/modeling_<type>.py.
    """
    if shape.encoder_layers:
        total = _encoder_decoder(shape)
        return Parameters(total=total, active=total, experts=0)
    matrices = 3 if shape.gated else 2
    dense = matrices * shape.hidden * shape.intermediate
    expert = matrices * shape.hidden * shape.moe_intermediate
    beside = shape.hidden * shape.experts + matrices * shape.hidden * shape.shared_intermediate
    moe_layers, dense_layers = _counts(shape)
    attention = sum(shape.mixers.count(kind) for kind in (FULL, SLIDING, PARALLEL))
    states = sum(shape.mixers.count(kind) for kind in (STATE, PARALLEL))
    if not shape.mixers:
        attention = shape.layers
    state = shape.state.parameters if shape.state else 0
    experts = moe_layers * shape.experts * expert
    rest = dense_layers * dense + moe_layers * beside + states * state + shape.other_parameters
    rest += shape.layers * shape.norms * shape.hidden + shape.hidden
    if shape.shared_attention_parameters:  # Zamba 2: one block, seen from several layers
        rest += shape.shared_attention_parameters
    else:
        rest += attention * _attention(shape)
    ends = shape.embedding_parameters * (1 if shape.tied_embeddings else 2)
    used = moe_layers * min(shape.experts, max(1, shape.experts_per_token)) * expert
    return Parameters(total=rest + experts + ends, active=rest + used + ends, experts=experts)


def _counts(shape: ModelShape) -> tuple[int, int]:
    """Layers with experts, and with a dense feed-forward."""
    if not shape.feed_forwards:
        return (shape.layers, 0) if shape.experts else (0, shape.layers)
    return shape.feed_forwards.count(MOE), shape.feed_forwards.count(DENSE)


def _attention(shape: ModelShape) -> int:
    latent = shape.latent
    if latent is not None:
        queries = shape.heads * (latent.nope_head_dim + latent.rope_head_dim)
        total = shape.hidden * queries
        if latent.query_rank:
            total = latent.query_rank * (shape.hidden + queries + 1)
        total += shape.hidden * (latent.rank + latent.rope_head_dim) + latent.rank
        total += latent.rank * shape.heads * (latent.nope_head_dim + latent.value_head_dim)
        return total + shape.heads * latent.value_head_dim * shape.hidden
    queries, keys = shape.heads * shape.head_dim, shape.kv_heads * shape.head_dim
    total = shape.hidden * (2 * queries + 2 * keys)
    if shape.output_gate:
        total += shape.hidden * queries
    if shape.attention_bias:
        total += queries + 2 * keys
    if shape.qk_norm:
        total += 2 * shape.head_dim
    return total


def _encoder_decoder(shape: ModelShape) -> int:
    attention = 4 * shape.hidden * shape.heads * shape.head_dim
    feed_forward = (3 if shape.gated else 2) * shape.hidden * shape.intermediate
    encoder = shape.encoder_layers * (attention + feed_forward + 2 * shape.hidden)
    decoder = shape.layers * (2 * attention + feed_forward + 3 * shape.hidden)
    ends = shape.embedding_parameters * (1 if shape.tied_embeddings else 2)
    return encoder + decoder + ends + 2 * shape.hidden + shape.other_parameters
