"""The model classes that transformers and vLLM have: ``model_classes.json``, with the two versions.

``devstack/write_registry.py`` writes the file from the installed packages.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchitectureRegistry:
    """The model classes of the two libraries."""

    vllm_version: str
    transformers_version: str
    served: Mapping[str, frozenset[str]]
    """vLLM's own classes, with ``multimodal``, ``pipeline`` and ``lora`` where it supports them."""
    removed: frozenset[str]
    """Classes that vLLM served once, or serves through a plug-in only."""
    native: Mapping[str, tuple[str, frozenset[str]]]
    """transformers' classes: model type; ``causal``, ``seq2seq`` or ``multimodal``; ``attention_backend``."""

    def is_served_by_vllm(self, architecture: str) -> bool:
        """vLLM has the class, or runs transformers' (its Transformers backend)."""
        if architecture in self.served:
            return True
        _, traits = self.native.get(architecture, ("", frozenset()))
        return "attention_backend" in traits and "seq2seq" not in traits

    def is_known(self, architecture: str) -> bool:
        """One of the two has the class: a model of it needs no code of its own."""
        return architecture in self.served or architecture in self.native

    def is_encoder_decoder(self, architecture: str) -> bool:
        return "seq2seq" in self.native.get(architecture, ("", frozenset()))[1]

    def has_pipeline(self, architecture: str) -> bool:
        """The class may be cut into stages (P1); vLLM's Transformers backend always can."""
        return "pipeline" in self.served.get(architecture, {"pipeline"})

    def takes_adapters(self, architecture: str) -> bool:
        return "lora" in self.served.get(architecture, {"lora"})


@lru_cache(maxsize=1)
def registry() -> ArchitectureRegistry:
    """The classes of the versions that ``model_classes.json`` was written from."""
    data = json.loads((Path(__file__).parent / "model_classes.json").read_text(encoding="utf-8"))
    return ArchitectureRegistry(
        vllm_version=data["versions"]["vllm"],
        transformers_version=data["versions"]["transformers"],
        served={name: frozenset(traits) for name, traits in data["vllm"]["served"].items()},
        removed=frozenset(data["vllm"]["removed"]),
        native={name: (traits[0], frozenset(traits[1:])) for name, traits in data["transformers"].items()},
    )


def needs_custom_code(config: Mapping[str, Any]) -> bool:
    """Tell whether a model is loaded only with code from its own repository.

    ``auto_map`` names such code. Without ``trust_remote_code`` transformers ignores it where it has the class
    itself (``resolve_trust_remote_code``), and so does vLLM.
    """
    names = config.get("architectures")
    first = names[0] if isinstance(names, list) and names else None
    return bool(config.get("auto_map")) and not (isinstance(first, str) and registry().is_known(first))
