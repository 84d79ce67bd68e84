"""The memory of layers without a key-value cache: Mamba, Mamba 2, linear attention, short convolutions."""

from __future__ import annotations

from dataclasses import dataclass

from palmares.leaderboard.planning.architectures import Family
from palmares.leaderboard.planning.config_values import ConfigValues


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
    if family.state == "mamba":
        return _mamba(values, family, hidden)
    if family.state == "mamba2":
        return _mamba2(values, family, hidden)
    if family.state == "delta":
        return _delta(values, hidden)
    if family.state == "conv":
        kernel = values.number("conv_L_cache", 3)
        return StateSpace(
            kind="conv",
            parameters=hidden * (4 * hidden + kernel),
            inner=hidden,
            heads=hidden,
            groups=1,
            elements=hidden * max(0, kernel - 1),
        )
    return None


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
