"""Counts what a multimodal model carries beside its text model: it is loaded too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from include.leaderboard.planning.config_values import ConfigValues, broken, shown


def tower_parameters(config: Mapping[str, Any], text_hidden: int, model_id: str) -> int:
    """Parameters of the vision tower and its projector, from ``vision_config``; 0: there is none.

    An estimate: four attention matrices and a feed-forward of two (or, as Pixtral's and Qwen 2.5's, three) a
    layer, patches, and a projector of two matrices.

    Raises:
        RefusedError: ``incompatible``: a size is broken.
    """
    vision = config.get("vision_config")
    if vision is None:
        return 0
    if not isinstance(vision, Mapping):
        raise broken(model_id, "vision_config", shown(vision))
    values = ConfigValues(vision, model_id)
    # Qwen 2 VL calls the text's width hidden_size and its own embed_dim.
    hidden = values.optional("embed_dim", "hidden_size", "width") or 1024
    layers = values.bounded_layers(values.optional("num_hidden_layers", "depth", "layers") or 24)
    width = values.optional("intermediate_size") or 4 * hidden
    kind = vision.get("model_type")
    matrices = 3 if kind in {"pixtral", "qwen2_5_vl"} else 2
    patch = values.optional("patch_size") or 14
    tower = layers * (4 * hidden * hidden + matrices * hidden * width) + 3 * patch * patch * hidden
    merge = 4 if isinstance(kind, str) and kind.startswith("qwen") else 1
    return tower + merge * hidden * text_hidden + (0 if kind == "siglip_vision_model" else text_hidden**2)
