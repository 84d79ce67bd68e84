"""What the Hub says about one commit of a model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from palmares.leaderboard.model_classes import needs_custom_code


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFacts:
    """What admission and planning need to know; None means that the Hub does not say."""

    model_id: str
    commit: str
    config: Mapping[str, Any] | None
    weights_bytes: int | None
    weights_format: str | None
    parameters: int | None
    architectures: tuple[str, ...]
    license: str | None
    likes: int
    has_chat_template: bool
    custom_code: bool
    adapter: Mapping[str, Any] | None = None
    """``adapter_config.json``; None: the repository is no adapter."""
    adapter_bytes: int | None = None
    """Size of the adapter's weights."""
    has_tokenizer: bool | None = None
    created_at: str | None = None
    """When the repository was made; ISO 8601, UTC."""


def architectures_of(config: Mapping[str, Any] | None) -> tuple[str, ...]:
    """The classes that config.json names."""
    names = (config or {}).get("architectures")
    return tuple(str(name) for name in names) if isinstance(names, list) else ()


def facts_of_config(
    config: Mapping[str, Any], *, model_id: str, weights_bytes: int | None = None
) -> ModelFacts:
    """What is known of a model of which there is only a config.json.

    Args:
        config: The parsed file.
        model_id: How to name it in sentences.
        weights_bytes: Size of its weights, where the caller knows it.
    """
    return ModelFacts(
        model_id=model_id,
        commit="",
        config=config,
        weights_bytes=weights_bytes,
        weights_format=None,
        parameters=None,
        architectures=architectures_of(config),
        license=None,
        likes=0,
        has_chat_template=False,
        custom_code=needs_custom_code(config),
    )
