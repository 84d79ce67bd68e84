"""What each layer of a model is: which attention or state, and which feed-forward."""

from __future__ import annotations

from typing import Final

from palmares.leaderboard.planning.architectures import Family
from palmares.leaderboard.planning.config_values import ConfigValues, broken, shown

FULL: Final = "full"
SLIDING: Final = "sliding"
"""Attention to the last tokens only: a window, or a chunk."""
STATE: Final = "state"
"""A state space model or linear attention: memory that does not grow with the length."""
PARALLEL: Final = "parallel"
"""Full attention and a state, side by side."""
NONE: Final = "none"
DENSE: Final = "dense"
MOE: Final = "moe"

_WORDS: Final = {
    "full_attention": FULL,
    "attention": FULL,
    "global_attention": FULL,
    "sliding_attention": SLIDING,
    "chunked_attention": SLIDING,
    "linear_attention": STATE,
    "mamba": STATE,
    "mamba2": STATE,
    "conv": STATE,
    "short_conv": STATE,
    "recurrent": STATE,
    "hybrid": PARALLEL,
    "mlp": NONE,
    "moe": NONE,
}
_LETTERS: Final = {"M": (STATE, NONE), "*": (FULL, NONE), "-": (NONE, DENSE), "E": (NONE, MOE)}
"""Nemotron-H writes its layers as one string (transformers, models/nemotron_h)."""


def read_mixers(values: ConfigValues, family: Family, layers: int) -> tuple[str, ...]:
    """One of FULL, SLIDING, STATE, PARALLEL, NONE a layer.

    A list in config.json (``layer_types``, ``layers_block_type``) decides; else the family's rule.

    Raises:
        RefusedError: ``incompatible``: the list is no list of known words, one a layer.
    """
    if family.model_type == "nemotron_h" and values.raw("hybrid_override_pattern") is not None:
        return tuple(mixer for mixer, _ in _letters(values, layers))
    for name in ("layer_types", "layers_block_type"):
        words = values.names(name, layers)
        if words is not None:
            unknown = sorted(set(words) - set(_WORDS))
            if unknown:
                raise broken(values.model_id, name, f"of unknown kinds ({', '.join(unknown[:3])[:60]})")
            return tuple(_WORDS[word] for word in words)
    return _by_rule(values, family, layers)


def _by_rule(values: ConfigValues, family: Family, layers: int) -> tuple[str, ...]:
    if family.pattern == "state":
        return (STATE,) * layers
    if family.pattern == "parallel":
        return (PARALLEL,) * layers
    if family.pattern == "hybrid":
        return _hybrid(values, family, layers)
    if family.pattern == "full":
        return (FULL,) * layers
    if family.pattern == "chunked":
        every = values.number("no_rope_layer_interval", family.every) or family.every
        return tuple(FULL if (index + 1) % every == 0 else SLIDING for index in range(layers))
    if values.optional("sliding_window", zero=True) is None:
        return (FULL,) * layers
    if family.pattern == "sliding":
        return (SLIDING,) * layers
    if family.pattern == "upper":
        if not values.flag("use_sliding_window", default=False):
            return (FULL,) * layers
        first = values.number("max_window_layers", layers)
        return tuple(SLIDING if index >= first else FULL for index in range(layers))
    every = _every(values, family)
    return tuple(FULL if every and (index + 1) % every == 0 else SLIDING for index in range(layers))


def _every(values: ConfigValues, family: Family) -> int:
    """Every so many layers sees everything; EXAONE 4 may write it as letters (``LLLG``)."""
    raw = values.raw("sliding_window_pattern")
    if raw is None:
        raw = values.raw("_sliding_window_pattern")
    if raw is None:
        return family.every
    if isinstance(raw, str):
        return len(raw)
    if isinstance(raw, bool) or not isinstance(raw, int) or raw < 0:
        raise broken(values.model_id, "sliding_window_pattern", shown(raw))
    return raw


def _hybrid(values: ConfigValues, family: Family, layers: int) -> tuple[str, ...]:
    if family.model_type == "jamba":
        period, offset = values.number("attn_layer_period", 8) or 8, values.number("attn_layer_offset", 4)
        return tuple(FULL if index % period == offset else STATE for index in range(layers))
    if family.every:
        every = values.number("full_attention_interval", family.every) or family.every
        return tuple(FULL if (index + 1) % every == 0 else STATE for index in range(layers))
    name = "full_attn_idxs" if family.model_type == "lfm2" else "attn_layer_indices"
    attention = values.indices(name)
    if family.model_type == "zamba2":
        attention = values.indices("hybrid_layer_ids")
        return tuple(PARALLEL if index in attention else STATE for index in range(layers))
    return tuple(FULL if index in attention else STATE for index in range(layers))


def read_feed_forwards(values: ConfigValues, family: Family, layers: int, *, experts: int) -> tuple[str, ...]:
    """One of DENSE, MOE, NONE a layer."""
    if family.model_type == "nemotron_h":
        if values.raw("hybrid_override_pattern") is not None:
            return tuple(kind for _, kind in _letters(values, layers))
        kinds = values.names("layers_block_type", layers) or values.names("layer_types", layers) or ()
        return tuple({"mlp": DENSE, "moe": MOE}.get(kind, NONE) for kind in kinds) or (DENSE,) * layers
    if family.model_type == "zamba2" or family.pattern == "state":
        return (NONE,) * layers
    if not experts:
        return (DENSE,) * layers
    words = values.names("mlp_layer_types", layers)
    if words is not None:
        return tuple(DENSE if word == "dense" else MOE for word in words)
    dense_first = values.number("first_k_dense_replace", 0)
    period, offset = 1, 0
    dense = values.indices("mlp_only_layers")
    if family.model_type == "jamba":
        period, offset = values.number("expert_layer_period", 2) or 2, values.number("expert_layer_offset", 1)
        return tuple(MOE if index % period == offset else DENSE for index in range(layers))
    if family.model_type == "llama4_text":
        listed = values.indices("moe_layers")
        if listed:
            return tuple(MOE if index in listed else DENSE for index in range(layers))
        period = values.number("interleave_moe_layer_step", 1) or 1
        return tuple(MOE if (index + 1) % period == 0 else DENSE for index in range(layers))
    if family.model_type == "ernie4_5_moe":
        dense_first = values.number("moe_layer_start_index", 1)
        period = values.number("moe_layer_interval", 1) or 1
    elif family.model_type in {"qwen2_moe", "qwen3_moe", "qwen3_next"}:
        period = values.number("decoder_sparse_step", 1) or 1
        offset = period - 1
    elif family.latent:
        period = values.number("moe_layer_freq", 1) or 1
    return tuple(
        MOE if index >= dense_first and index not in dense and index % period == offset else DENSE
        for index in range(layers)
    )


def _letters(values: ConfigValues, layers: int) -> list[tuple[str, str]]:
    pattern = values.raw("hybrid_override_pattern")
    if not isinstance(pattern, str) or len(pattern) != layers or not set(pattern) <= set(_LETTERS):
        raise broken(
            values.model_id, "hybrid_override_pattern", f"{shown(pattern)}, not {layers} letters of M*-E"
        )
    return [_LETTERS[letter] for letter in pattern]


def stage_layers(layers: int, stages: int) -> list[int]:
    """Layers of each pipeline stage, as vLLM cuts them: a remainder goes to the last stages but one.

    Source: ``vllm/distributed/utils.py get_pp_indices``.
    """
    each, remainder = divmod(layers, stages)
    sizes = [each] * stages
    for position in range(2, remainder + 2):
        sizes[-position] += 1
    return sizes
