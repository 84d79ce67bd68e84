"""Known models' configurations for the planner's tests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from palmares.leaderboard.submissions.model_facts import ModelFacts, facts_of_config

_FILE = Path(__file__).parents[3] / "data" / "model_configs.json"
KNOWN: dict[str, dict[str, Any]] = json.loads(_FILE.read_text(encoding="utf-8"))

LLAMA = "meta-llama/Llama-3.1-8B"


def known(model: str, **changes: Any) -> ModelFacts:
    """Facts of a known model; *changes* replace members of its config.json."""
    return facts_of_config({**KNOWN[model]["config"], **changes}, model_id=model)
