"""What the leaderboard shows of a model beside its scores: from the request and the Hub, at admission."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from palmares.leaderboard.submissions.model_facts import ModelFacts
from palmares.leaderboard.submissions.request_file import RequestFile

EXPERT_COUNTS = ("num_local_experts", "num_experts", "n_routed_experts", "moe_num_experts")
"""Members of config.json that count routed experts, as the planner reads them."""
LONGEST = 200
"""Characters kept of a text that a stranger wrote."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AboutModel:
    """Shown, and never a part of the job key; None: neither the request nor the Hub says."""

    model_type: str | None = None
    """As the request says it: a stranger's words."""
    license: str | None = None
    architecture: str | None = None
    parameters: int | None = None
    is_mixture: bool | None = None
    """Whether it is a mixture of experts."""
    base_model: str | None = None
    """As the request says it, also for merged weights."""
    uploaded_at: str | None = None
    """When the repository was created on the Hub; ISO 8601, UTC."""


def about_model(request: RequestFile, facts: ModelFacts) -> AboutModel:
    """Gather what is shown; the Hub goes before the request, except in what only people know."""
    parameters = facts.parameters
    if parameters is None and request.params is not None:
        parameters = round(request.params * 1e9)
    return AboutModel(
        model_type=_short(request.model_type),
        license=_short(facts.license or request.license),
        architecture=_short(facts.architectures[0]) if facts.architectures else None,
        parameters=parameters,
        is_mixture=None if facts.config is None else _has_experts(facts.config),
        base_model=_short(request.base_model),
        uploaded_at=facts.created_at,
    )


def _has_experts(config: Mapping[str, Any]) -> bool:
    nested = (config, config.get("text_config"), config.get("ffn_config"))
    counts = [part.get(name) for part in nested if isinstance(part, Mapping) for name in EXPERT_COUNTS]
    return any(isinstance(count, int) and count > 1 for count in counts)


def _short(text: str | None) -> str | None:
    return None if text is None else text[:LONGEST]
