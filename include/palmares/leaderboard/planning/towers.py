"""Counts what a multimodal model carries beside its text model: it is loaded too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from palmares.leaderboard.planning.config_values import ConfigValues, broken, shown


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
    named = vision.get("model_type")
    kind = named if isinstance(named, str) else ""
    matrices = 3 if kind in {"pixtral", "qwen2_5_vl"} else 2
    patch = vision.get("patch_size")
    side = patch if type(patch) is int and 0 < patch <= 1024 else 14  # InternVL writes both sides
    tower = layers * (4 * hidden * hidden + matrices * hidden * width) + 3 * side * side * hidden
    if kind.startswith("qwen"):
        # Four patches become one token; Qwen 3 VL feeds several depths of the tower into the text model.
        deep = vision.get("deepstack_visual_indexes")
        mergers = 1 + (min(len(deep), layers) if isinstance(deep, list | tuple) else 0)
        return tower + mergers * (16 * hidden * hidden + 4 * hidden * text_hidden)
    return tower + hidden * text_hidden + (0 if kind == "siglip_vision_model" else text_hidden**2)
