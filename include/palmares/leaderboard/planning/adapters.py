"""LoRA adapters: a base model, and small matrices beside its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from palmares.leaderboard.errors import RefusedError
from palmares.leaderboard.planning.config_values import ConfigValues
from palmares.leaderboard.submissions.model_facts import ModelFacts
from palmares.leaderboard.submissions.refusals import refused
from palmares.texts import message

HIGHEST_RANK: Final = 512
"""Source: ``vllm/config/lora.py`` MaxLoRARanks."""
_MERGE: Final = message("Merge the adapter into its base and submit that.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapter:
    """What an adapter adds to its base."""

    base_model: str
    rank: int
    weights_bytes: int
    """Of the adapter's file; 0: not known."""


def join(adapter: ModelFacts, base: ModelFacts) -> ModelFacts:
    """Put an adapter's facts together with its base's: the base's sizes and weights, the adapter's name.

    Args:
        adapter: Of the submitted repository, with ``adapter_config.json``.
        base: Of the model that it was trained on.
    """
    return replace(
        base,
        model_id=adapter.model_id,
        commit=adapter.commit,
        license=adapter.license,
        likes=adapter.likes,
        has_chat_template=adapter.has_chat_template or base.has_chat_template,
        custom_code=adapter.custom_code or base.custom_code,
        adapter=adapter.adapter or {},
        adapter_bytes=adapter.adapter_bytes or adapter.weights_bytes,
        has_tokenizer=adapter.has_tokenizer or base.has_tokenizer,
    )


def with_base(own: ModelFacts, base: ModelFacts | None) -> ModelFacts:
    """Facts of what is evaluated: an adapter needs those of its base, any other model has its own."""
    return own if base is None or own.adapter is None else join(own, base)


def read_adapter(facts: ModelFacts) -> Adapter | None:
    """Read ``adapter_config.json``; None: the model is no adapter.

    Raises:
        RefusedError: ``incompatible``: vLLM cannot serve it (DoRA, saved modules, a rank above 512), or a
            value is broken. Source: ``vllm/lora/peft_helper.py``.
    """
    config: Mapping[str, Any] | None = facts.adapter
    if config is None:
        return None
    rank = ConfigValues(config, facts.model_id).optional("r") or 8
    problem = None
    if rank > HIGHEST_RANK:
        problem = message(
            "its rank is {rank}, above the highest of {highest}", rank=rank, highest=HIGHEST_RANK
        )
    elif config.get("use_dora") is True:
        problem = message("it is a DoRA adapter")
    elif config.get("modules_to_save"):
        problem = message("the adapter replaces whole modules (modules_to_save)")
    if problem is not None:
        raise refused(
            "incompatible",
            name=facts.model_id,
            detail=problem,
            advice=_MERGE,
        )
    base = config.get("base_model_name_or_path")
    return Adapter(
        base_model=base[:200] if isinstance(base, str) else "",
        rank=rank,
        weights_bytes=facts.adapter_bytes or 0,
    )


def no_adapters(model_id: str, architecture: str) -> RefusedError:
    """The refusal of an adapter whose base's class takes none."""
    return refused(
        "incompatible",
        name=model_id,
        detail=message("it is an adapter, and vLLM takes none for {architecture}", architecture=architecture),
        advice=_MERGE,
    )
