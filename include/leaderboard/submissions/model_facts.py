"""What the Hub says about one commit of a model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


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
