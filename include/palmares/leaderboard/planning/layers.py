"""What each layer of a model is: attention or state, and which feed-forward."""

from __future__ import annotations

from dataclasses import dataclass
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

_KINDS: Final = {
    "full_attention": FULL,
    "attention": FULL,
    "global_attention": FULL,
    "sliding_attention": SLIDING,
    "chunked_attention": SLIDING,
    "indexed_attention": FULL,
    "compressed_sparse_attention": FULL,
    "heavily_compressed_attention": FULL,
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
        RefusedError: ``incompatible``: the list is no list of known kinds, one a layer.
    """
    if family.model_type == "nemotron_h" and values.raw("hybrid_override_pattern") is not None:
        return tuple(mixer for mixer, _ in _letters(values, layers))
    for name in ("layer_types", "layers_block_type"):
        kinds = values.names(name, layers)
        if kinds is not None:
            unknown = sorted(set(kinds) - set(_KINDS))
            if unknown and not family.is_known:  # whatever it is, it takes no more than full attention
                return tuple(_KINDS.get(kind, FULL) for kind in kinds)
            if unknown:
                raise broken(values.model_id, name, f"of unknown kinds ({', '.join(unknown[:3])[:60]})")
            return tuple(_KINDS[kind] for kind in kinds)
    return _by_rule(values, family, layers) if family.is_known else _by_sizes(values, layers)


def _by_sizes(values: ConfigValues, layers: int) -> tuple[str, ...]:
    """The kinds of an unknown family, from names that several families share; else full attention."""
    linear = values.nested("linear_attn_config")
    full = linear.indices("full_attn_layers") or values.indices("full_attn_idxs")
    if full:  # counted from 1 in Kimi Linear, from 0 in LFM2
        first = 1 if linear.raw("full_attn_layers") is not None else 0
        return tuple(FULL if index + first in full else STATE for index in range(layers))
    pattern = values.raw("hybrid_layer_pattern")  # MiMo V2: 1 a window, 0 everything
    if isinstance(pattern, list | tuple) and len(pattern) == layers:
        return tuple(SLIDING if kind == 1 else FULL for kind in pattern)
    every = values.optional("full_attention_interval", "layer_group_size", zero=True)
    if every and values.optional("linear_num_key_heads", "linear_conv_kernel_dim", "group_norm_size"):
        return tuple(FULL if (index + 1) % every == 0 else STATE for index in range(layers))
    return (FULL,) * layers


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
        blocks = values.names("layers_block_type", layers) or values.names("layer_types", layers) or ()
        return tuple({"mlp": DENSE, "moe": MOE}.get(kind, NONE) for kind in blocks) or (DENSE,) * layers
    if family.model_type == "zamba2" or family.pattern == "state":
        return (NONE,) * layers
    if not experts:
        return (DENSE,) * layers
    kinds = values.names("mlp_layer_types", layers)
    if kinds is not None:
        return tuple(DENSE if kind == "dense" else MOE for kind in kinds)
    if not family.is_known:
        return _generic_feed_forwards(values, layers)
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


def _generic_feed_forwards(values: ConfigValues, layers: int) -> tuple[str, ...]:
    """Experts of an unknown family, by the names under which others list their layers."""
    for name in ("moe_layer_freq", "moe_layers_pattern"):  # a list of 0 and 1, one a layer
        flags = values.raw(name)
        if isinstance(flags, list | tuple) and len(flags) == layers:
            return tuple(MOE if flag else DENSE for flag in flags)
    listed = values.raw("moe_layers_enum")  # Step 3: numbers in one string
    if isinstance(listed, str) and all(part.strip().isdigit() for part in listed.split(",")):
        numbers = {int(part) for part in listed.split(",")}
        return tuple(MOE if index in numbers else DENSE for index in range(layers))
    names = ("first_k_dense_replace", "num_dense_layers", "moe_layer_start_index")
    first = values.optional(*names, zero=True) or 0
    period = values.optional("moe_layer_freq", "moe_layer_interval", "decoder_sparse_step", zero=True) or 1
    dense = values.indices("mlp_only_layers")
    return tuple(
        MOE if index >= first and index not in dense and (index + 1) % period == 0 else DENSE
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


_WITHOUT_SHARED: Final = frozenset(
    {"mixtral", "qwen3_moe", "olmoe", "phimoe", "granitemoe", "gpt_oss", "jamba", "dbrx"}
)
"""Families that have none, whatever their config says."""


def read_experts(values: ConfigValues, family: Family) -> int:
    """How many experts are routed to; 0: the model has none."""
    if family.model_type == "dbrx":
        return values.nested("ffn_config").optional("moe_num_experts", zero=True) or 0
    names = ("num_local_experts", "num_experts", "n_routed_experts", "moe_num_experts", "num_moe_experts")
    experts = values.optional(*names, zero=True) or 0
    return 0 if experts == 1 and family.model_type == "jamba" else experts


def experts_per_token(values: ConfigValues, experts: int) -> int:
    """Experts that one token uses; 2 where config.json does not say."""
    if not experts:
        return 0
    names = (
        "num_experts_per_tok",
        "num_experts_per_token",
        "moe_k",
        "moe_topk",
        "moe_top_k",
        "top_k_experts",
    )
    found = values.optional(*names, zero=True)
    found = found or values.optional("top_k_experts") or values.nested("ffn_config").optional("moe_top_k")
    return min(experts, found or 2)


def shared_width(values: ConfigValues, family: Family, moe_intermediate: int) -> int:
    """Width of the experts that every token passes, together."""
    if family.model_type in _WITHOUT_SHARED:
        return 0
    names = (
        "shared_expert_intermediate_size",
        "shared_intermediate_size",
        "moe_shared_expert_intermediate_size",
    )
    width = values.optional(*names, zero=True)
    if width is not None:
        return width
    if family.model_type == "llama4_text":
        return moe_intermediate
    counts = ("n_shared_experts", "num_shared_experts", "moe_num_shared_experts", "num_shared_expert")
    shared = values.optional(*counts, zero=True) or 0
    if not shared and not family.is_known:
        return values.optional("share_expert_dim", zero=True) or 0  # Step 3
    return moe_intermediate * shared


@dataclass(frozen=True, slots=True, kw_only=True)
class StateSpace:
    """One such layer."""

    kind: str
    """``mamba``, ``mamba2``, ``delta`` (gated delta rule) or ``conv``."""
    parameters: int
    inner: int
    """Width inside the layer."""
    heads: int
    """What is dealt out to the GPUs; for Mamba 1 the inner width."""
    groups: int
    """Groups that share their input and output projections; for the delta rule the key heads."""
    elements: int
    """Numbers of one sequence's state, whatever its length: the state and the convolution's tail."""


def read_state(values: ConfigValues, family: Family, hidden: int) -> StateSpace | None:
    """Read the layer's sizes; None: the family has none.

    Sources: transformers, models/mamba, mamba2, jamba, qwen3_next, lfm2; vllm/model_executor/layers/mamba.

    Raises:
        RefusedError: ``incompatible``: a size is broken.
    """
    if not family.is_known:
        return _generic_state(values, family, hidden)
    if family.state == "mamba":
        return _mamba(values, family, hidden)
    if family.state == "mamba2":
        return _mamba2(values, family, hidden)
    if family.state == "delta":
        return _delta(values, hidden)
    if family.state == "conv":
        return _short_convolution(values.number("conv_L_cache", 3), hidden)
    return None


def _generic_state(values: ConfigValues, family: Family, hidden: int) -> StateSpace | None:
    """The state of an unknown family, by the sizes that it gives; None: it gives none."""
    linear = values.nested("linear_attn_config")
    if linear.raw("num_heads") is not None or values.raw("linear_num_heads") is not None:
        return _kimi_delta(linear if linear.raw("num_heads") is not None else values, family, hidden)
    if values.raw("linear_num_key_heads") is not None:
        return _delta(values, hidden)
    if any(values.raw(name) is not None for name in ("mamba_d_state", "ssm_state_size", "mamba_num_heads")):
        return _mamba2(values, family, hidden)
    if values.raw("conv_L_cache") is not None:
        return _short_convolution(values.number("conv_L_cache", 3), hidden)
    return None


def _short_convolution(kernel: int, hidden: int) -> StateSpace:
    """LFM2's layer: three projections in, one out, and a filter a channel."""
    return StateSpace(
        kind="conv",
        parameters=hidden * (4 * hidden + kernel),
        inner=hidden,
        heads=hidden,
        groups=1,
        elements=hidden * max(0, kernel - 1),
    )


def _kimi_delta(linear: ConfigValues, family: Family, hidden: int) -> StateSpace:
    """Kimi Delta Attention: queries, keys and values of equal width, two gates, of low rank but in Ling's.

    Source: ``vllm/model_executor/layers/kda.py``.
    """
    heads = linear.required("linear_num_heads", "num_heads")
    width = linear.optional("linear_head_dim", "head_dim") or 128
    kernel = linear.optional("linear_conv_kernel_dim", "short_conv_kernel_size") or 4
    inner = heads * width
    gates = 2 * hidden * inner if family.model_type == "bailing_hybrid" else 2 * width * (hidden + inner)
    return StateSpace(
        kind="delta",
        parameters=4 * hidden * inner + 3 * inner * kernel + gates + hidden * heads + 3 * inner,
        inner=inner,
        heads=heads,
        groups=heads,
        elements=inner * width + 3 * inner * (kernel - 1),
    )


def _mamba(values: ConfigValues, family: Family, hidden: int) -> StateSpace:
    size = values.optional("state_size", "mamba_d_state") or 16
    kernel = values.optional("conv_kernel", "mamba_d_conv") or 4
    expand = values.optional("expand", "mamba_expand") or 2
    inner = expand * hidden
    if family.model_type in {"mamba", "falcon_mamba"}:
        inner = values.optional("intermediate_size", "d_inner") or inner
    rank = -(-hidden // 16)
    for name in ("time_step_rank", "mamba_dt_rank"):
        if values.raw(name) != "auto":
            rank = values.optional(name) or rank
    return StateSpace(
        kind="mamba",
        parameters=2 * hidden * inner
        + inner * (kernel + 1)
        + inner * (rank + 2 * size)
        + (rank + 1) * inner
        + inner * (size + 1)
        + inner * hidden,
        inner=inner,
        heads=inner,
        groups=1,
        elements=inner * (size + kernel - 1),
    )


def _mamba2(values: ConfigValues, family: Family, hidden: int) -> StateSpace:
    size = values.optional("state_size", "mamba_d_state", "ssm_state_size") or 128
    kernel = values.optional("conv_kernel", "mamba_d_conv") or 4
    groups = values.optional("n_groups", "mamba_n_groups", "mamba_ngroups") or 1
    expand = values.optional("expand", "mamba_expand") or 2
    heads = values.optional("mamba_num_heads", "mamba_n_heads", "n_mamba_heads")
    width = values.optional("mamba_head_dim", "mamba_headdim")
    if values.raw("mamba_d_head") != "auto":
        width = width or values.optional("mamba_d_head")
    if family.model_type == "mamba2":
        heads, width = values.optional("num_heads"), values.optional("head_dim")
    inner = values.optional("mamba_d_ssm") or expand * hidden
    if heads is None:
        heads = inner // (width or 64) or 1
    if width is None:
        width = inner // heads or 1
    inner = heads * width
    channels = inner + 2 * groups * size
    norm = inner if values.flag("mamba_rms_norm", default=family.model_type != "falcon_h1") else 0
    return StateSpace(
        kind="mamba2",
        parameters=hidden * (inner + channels + heads)
        + channels * (kernel + 1)
        + 3 * heads
        + norm
        + inner * hidden,
        inner=inner,
        heads=heads,
        groups=groups,
        elements=inner * size + channels * (kernel - 1),
    )


def _delta(values: ConfigValues, hidden: int) -> StateSpace:
    key_heads = values.optional("linear_num_key_heads") or 16
    value_heads = values.optional("linear_num_value_heads") or 32
    key_dim = values.optional("linear_key_head_dim") or 128
    value_dim = values.optional("linear_value_head_dim") or 128
    kernel = values.optional("linear_conv_kernel_dim") or 4
    keys, inner = key_heads * key_dim, value_heads * value_dim
    return StateSpace(
        kind="delta",
        parameters=hidden * (2 * keys + 2 * inner + 2 * value_heads)
        + (2 * keys + inner) * kernel
        + 2 * value_heads
        + value_dim
        + inner * hidden,
        inner=inner,
        heads=value_heads,
        groups=key_heads,
        elements=inner * key_dim + (2 * keys + inner) * (kernel - 1),
    )
