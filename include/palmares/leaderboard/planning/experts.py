"""Reads the sizes of a mixture of experts, under the names that its family uses."""

from __future__ import annotations

from typing import Final

from palmares.leaderboard.planning.architectures import Family
from palmares.leaderboard.planning.config_values import ConfigValues

_WITHOUT_SHARED: Final = frozenset(
    {"mixtral", "qwen3_moe", "olmoe", "phimoe", "granitemoe", "gpt_oss", "jamba", "dbrx"}
)
"""Families that have none, whatever their config says."""


def read_experts(values: ConfigValues, family: Family) -> int:
    """How many experts are routed to; 0: the model has none."""
    if family.model_type == "dbrx":
        return values.nested("ffn_config").optional("moe_num_experts", zero=True) or 0
    names = ("num_local_experts", "num_experts", "n_routed_experts", "moe_num_experts")
    experts = values.optional(*names, zero=True) or 0
    return 0 if experts == 1 and family.model_type == "jamba" else experts


def experts_per_token(values: ConfigValues, experts: int) -> int:
    """Experts that one token uses; 2 where config.json does not say."""
    if not experts:
        return 0
    found = values.optional("num_experts_per_tok", "num_experts_per_token", "moe_k", "moe_topk", zero=True)
    found = found or values.nested("ffn_config").optional("moe_top_k")
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
    return moe_intermediate * (values.optional("n_shared_experts", "moe_num_shared_experts", zero=True) or 0)
