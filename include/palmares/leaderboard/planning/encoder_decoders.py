"""Reads the shape of an encoder-decoder (T5, BART and their kin)."""

from __future__ import annotations

from palmares.leaderboard.planning.architectures import Family
from palmares.leaderboard.planning.config_values import ConfigValues
from palmares.leaderboard.planning.shape import ModelShape


def read_encoder_decoder(values: ConfigValues, family: Family, architecture: str) -> ModelShape:
    """Read both halves' sizes; ``layers`` are the decoder's.

    Sources: transformers, models/t5 and models/bart. T5 has relative positions, so no window.

    Raises:
        RefusedError: ``incompatible``: a size is missing or broken.
    """
    hidden = values.required("d_model", "hidden_size")
    if family.positions:
        layers, encoder = values.required("decoder_layers"), values.required("encoder_layers")
        heads = values.required("decoder_attention_heads")
        inner = values.required("decoder_ffn_dim")
        window = values.optional("max_position_embeddings")
        head_dim, gated = max(1, hidden // heads), False
        positions = 2 * (window or 0) * hidden
    else:
        encoder = values.required("num_layers")
        layers = values.optional("num_decoder_layers") or encoder
        heads, head_dim = values.required("num_heads"), values.optional("d_kv") or 64
        inner = values.optional("d_ff") or 4 * hidden
        window, positions = None, 0
        projection = values.raw("feed_forward_proj")
        gated = projection.startswith("gated") if isinstance(projection, str) else family.gated
    return ModelShape(
        architecture=architecture,
        model_type=family.model_type,
        hidden=hidden,
        layers=values.bounded_layers(layers),
        encoder_layers=values.bounded_layers(encoder),
        heads=heads,
        kv_heads=heads,
        head_dim=head_dim,
        explicit_head_dim=not family.positions,
        intermediate=inner,
        vocabulary=values.required("vocab_size"),
        window=window,
        tied_embeddings=values.flag("tie_word_embeddings", default=family.tied),
        gated=gated,
        other_parameters=positions,
    )
