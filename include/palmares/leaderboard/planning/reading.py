"""Reads a model's sizes from its config.json, whichever family wrote it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from palmares.leaderboard.errors import RefusedError
from palmares.leaderboard.planning.adapters import no_adapters, read_adapter
from palmares.leaderboard.planning.architectures import (
    Family,
    is_encoder_decoder,
    text_family,
)
from palmares.leaderboard.planning.config_values import ConfigValues, broken, shown
from palmares.leaderboard.planning.layers import (
    FULL,
    PARALLEL,
    SLIDING,
    experts_per_token,
    read_experts,
    read_feed_forwards,
    read_mixers,
    read_state,
    shared_width,
)
from palmares.leaderboard.planning.model_config import LatentAttention, ModelConfig
from palmares.leaderboard.planning.quantization import read_quantization
from palmares.leaderboard.submissions.model_facts import ModelFacts, needs_custom_code
from palmares.leaderboard.submissions.refusals import refused

_NESTED: Final = ("text_config", "llm_config", "language_config")
HIDDEN: Final = ("hidden_size", "n_embd", "d_model", "n_embed")
HEADS: Final = ("num_attention_heads", "n_head", "n_heads", "num_heads")
LAYERS: Final = ("num_hidden_layers", "n_layer", "n_layers", "num_layers")
_MULTI_HEAD: Final = frozenset({"gpt2", "gpt_neox", "gptj", "opt", "bloom", "persimmon"})
"""Families that do not share keys and values among heads, whatever their config says."""
_UNKNOWN: Final = Family(model_type="")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What may be read where config.json alone does not settle it; the leaderboard's policy."""

    unknown: Literal["refuse", "conservative"] = "refuse"
    """A class that is not known here: refused, or read as a dense decoder and said to be so."""
    allow_custom_code: bool = False
    encoder_decoders: bool = True
    """They are read, for the backend ``hf-seq2seq``; where False, refused."""


def read_model_config(facts: ModelFacts, reading: Reading | None = None) -> ModelConfig:
    """Derive the sizes, under the names that the known families use.

    Args:
        facts: Of the model; of base and adapter together for an adapter (``adapters.join``).
        reading: The leaderboard's policy; None: everything doubtful is refused.

    Raises:
        RefusedError: ``incompatible`` (no class, an unknown one, an encoder-decoder, a broken config) or
            ``custom_code``.
    """
    reading = reading or Reading()
    config = facts.config or {}
    adapter = read_adapter(facts)
    if adapter is not None and not config:
        raise refused(
            "incompatible",
            name=facts.model_id,
            detail=f"it is an adapter of {adapter.base_model or 'a model that it does not name'}, whose "
            "config.json was not given",
            detail_fr=f"c'est un adaptateur de {adapter.base_model or 'un modèle que rien ne nomme'}, dont "
            "le config.json n'a pas été fourni",
            advice="Name the base model, or merge the adapter into it.",
            advice_fr="Nommez le modèle de base, ou fusionnez l'adaptateur avec lui.",
        )
    architecture = _architecture(facts)
    if needs_custom_code(config) and not reading.allow_custom_code:
        raise refused("custom_code", name=facts.model_id)
    notes: list[tuple[str, str]] = []
    text = _nested(config, facts.model_id)
    declared = config.get("is_encoder_decoder") is True
    family = text_family(architecture, text.get("model_type") if text is not config else None)
    if is_encoder_decoder(architecture, declared=declared and family is None):
        if family is None:
            raise _unknown(facts.model_id, architecture)
        if not reading.encoder_decoders:
            raise _encoder_decoder_refused(facts.model_id, architecture)
    if family is None:
        if reading.unknown == "refuse":
            raise _unknown(facts.model_id, architecture)
        family = _UNKNOWN
        notes.append(
            (
                f"The architecture {architecture} is not known here: it is planned as a dense decoder.",
                f"L'architecture {architecture} n'est pas connue ici : elle est prévue comme un décodeur "
                "dense.",
            )
        )
    values = ConfigValues(text, facts.model_id, defaults=family.defaults if text is not config else None)
    if family.encoder_decoder:
        model = read_encoder_decoder(values, family, architecture)
    else:
        model = _decoder(values, family, architecture)
    if values.defaulted:
        names = ", ".join(sorted(set(values.defaulted)))
        notes.append(
            (
                f"config.json leaves out {names}: the defaults of the family {family.model_type} are taken.",
                f"config.json omet {names} : les valeurs par défaut de la famille {family.model_type} sont "
                "prises.",
            )
        )
    if adapter is not None and not family.lora:
        raise no_adapters(facts.model_id, architecture)
    tied = config.get("tie_word_embeddings")
    return replace(
        model,
        pipeline=family.pipeline,
        tied_embeddings=tied if text is not config and isinstance(tied, bool) else model.tied_embeddings,
        other_parameters=model.other_parameters
        + vision_encoder_parameters(config, model.hidden, facts.model_id),
        quantization=read_quantization(config, facts.model_id) or read_quantization(text, facts.model_id),
        adapter=adapter,
        notes=tuple(notes),
    )


def _decoder(values: ConfigValues, family: Family, architecture: str) -> ModelConfig:
    hidden = values.required(*HIDDEN)
    layers = _layers(values, family)
    state = read_state(values, family, hidden)
    mixers = read_mixers(values, family, layers)
    has_attention = any(kind in {FULL, SLIDING, PARALLEL} for kind in mixers)
    heads = values.required(*HEADS) if has_attention else 0
    experts = read_experts(values, family)
    feed_forwards = read_feed_forwards(values, family, layers, experts=experts)
    intermediate = _intermediate(values, family, hidden)
    moe_intermediate = (values.optional("moe_intermediate_size") or intermediate) if experts else 0
    latent = _latent(values) if family.latent else None
    head_dim = _head_dim(values, hidden, heads, latent)
    model = ModelConfig(
        architecture=architecture,
        model_type=family.model_type,
        hidden=hidden,
        layers=layers,
        heads=heads,
        kv_heads=_kv_heads(values, family, heads),
        head_dim=head_dim,
        explicit_head_dim=values.raw("head_dim") is not None,
        intermediate=values.optional("intermediate_size_mlp") or intermediate,
        vocabulary=values.required("vocab_size"),
        window=values.optional(
            "max_position_embeddings", "n_positions", "n_ctx", "max_seq_len", "seq_length"
        ),
        tied_embeddings=values.flag("tie_word_embeddings", default=family.tied),
        experts=experts,
        experts_per_token=experts_per_token(values, experts),
        moe_intermediate=moe_intermediate,
        shared_intermediate=shared_width(values, family, moe_intermediate) if experts else 0,
        gated=family.gated,
        mixers=mixers,
        feed_forwards=feed_forwards,
        sliding_window=values.optional("sliding_window", "attention_chunk_size", zero=True) or None,
        latent=latent,
        state=state,
        norms=family.norms,
        qk_norm=family.qk_norm,
        attention_bias=family.bias,
        output_gate=family.state == "delta",
    )
    if family.positions and model.window:
        model = replace(model, other_parameters=model.window * hidden)
    if family.model_type == "zamba2":
        return _zamba2(values, model)
    if family.model_type == "granitemoehybrid" and not experts:
        return replace(model, intermediate=values.optional("shared_intermediate_size") or intermediate)
    return model


def _layers(values: ConfigValues, family: Family) -> int:
    """Layers of the decoder; Nemotron-H may give them only as a list or as letters."""
    layers = values.optional(*LAYERS)
    if layers is None and family.model_type == "nemotron_h":
        for name in ("hybrid_override_pattern", "layers_block_type", "layer_types"):
            listed = values.raw(name)
            if isinstance(listed, str | list | tuple) and listed:
                layers = len(listed)
                break
    if layers is None:
        layers = values.required(*LAYERS)
    return values.bounded_layers(layers)


def _head_dim(values: ConfigValues, hidden: int, heads: int, latent: LatentAttention | None) -> int:
    """Rule H1: ``head_dim`` wins; hidden / heads only where it is absent."""
    if heads == 0:
        return 0
    if latent is not None:
        return latent.nope_head_dim + latent.rope_head_dim
    explicit = values.optional("head_dim", "attention_head_dim")
    if explicit is not None:
        return explicit
    if hidden % heads:
        raise broken(values.model_id, "hidden_size", f"{hidden}, no multiple of {heads} heads")
    return hidden // heads


def _kv_heads(values: ConfigValues, family: Family, heads: int) -> int:
    if heads == 0:
        return 0
    if family.model_type in _MULTI_HEAD:
        return heads
    if family.model_type == "falcon":
        if values.flag("new_decoder_architecture", default=False):
            return values.optional("num_kv_heads") or heads
        return 1 if values.flag("multi_query", default=True) else heads
    if family.model_type == "gpt_bigcode":
        return 1 if values.flag("multi_query", default=True) else heads
    if family.model_type in {"mpt", "dbrx"}:
        nested = values.nested("attn_config").optional("kv_n_heads")
        return values.optional("num_key_value_heads") or nested or heads
    return values.optional("num_key_value_heads", "num_kv_heads") or heads


def _intermediate(values: ConfigValues, family: Family, hidden: int) -> int:
    if family.model_type == "dbrx":
        return values.nested("ffn_config").optional("ffn_hidden_size") or 4 * hidden
    if family.model_type == "mpt":
        return hidden * (values.optional("expansion_ratio") or 4)
    width = values.optional("intermediate_size", "n_inner", "ffn_dim", "ffn_hidden_size") or 4 * hidden
    if family.model_type == "lfm2" and values.flag("block_auto_adjust_ff_dim", default=True):
        step = values.optional("block_multiple_of") or 256
        return -(-(2 * width // 3) // step) * step
    return width


def _latent(values: ConfigValues) -> LatentAttention:
    return LatentAttention(
        rank=values.required("kv_lora_rank"),
        rope_head_dim=values.required("qk_rope_head_dim"),
        nope_head_dim=values.required("qk_nope_head_dim"),
        value_head_dim=values.required("v_head_dim"),
        query_rank=values.optional("q_lora_rank", zero=True) or 0,
    )


def _zamba2(values: ConfigValues, model: ModelConfig) -> ModelConfig:
    """Blocks of attention and feed-forward that several layers share, as wide as two hidden vectors.

    Source: transformers, models/zamba2/modeling_zamba2.py.
    """
    width = values.optional("attention_hidden_size") or 2 * model.hidden
    head_dim = width // model.heads if model.heads else 0
    blocks = values.optional("num_mem_blocks") or 1
    uses = model.mixers.count(PARALLEL)
    block = 3 * width * width + width * model.hidden + 3 * model.hidden * model.intermediate
    rank = values.optional("adapter_rank") or 0
    beside = uses * (model.hidden**2 + rank * (model.hidden + 2 * model.intermediate))
    if values.flag("use_shared_attention_adapter", default=False):
        beside += uses * 3 * rank * 2 * width
    return replace(
        model,
        head_dim=values.optional("attention_head_dim") or head_dim,
        shared_attention_parameters=min(blocks, max(1, uses)) * block + beside,
    )


def _nested(config: Mapping[str, Any], model_id: str) -> Mapping[str, Any]:
    """The text model's part of a multimodal config; what it leaves out of embeddings stands outside."""
    for name in _NESTED:
        value = config.get(name)
        if value is None:
            continue
        if not isinstance(value, Mapping):
            raise broken(model_id, name, f"a {type(value).__name__}, no object")
        outer = {key: config[key] for key in ("vocab_size", "tie_word_embeddings") if key in config}
        return {**outer, **value}
    return config


def _architecture(facts: ModelFacts) -> str:
    if facts.architectures:
        return facts.architectures[0][:100]
    raise refused(
        "incompatible",
        name=facts.model_id,
        detail="config.json names no architecture",
        detail_fr="config.json ne nomme aucune architecture",
        advice="Add the field 'architectures'.",
        advice_fr="Ajoutez le champ « architectures ».",
    )


def _encoder_decoder_refused(model_id: str, architecture: str) -> RefusedError:
    return refused(
        "incompatible",
        name=model_id,
        detail=f"{architecture} is an encoder-decoder, and only decoders are served",
        detail_fr=f"{architecture} est un encodeur-décodeur, et seuls les décodeurs sont servis",
        advice="Submit a causal language model.",
        advice_fr="Soumettez un modèle de langue causal.",
    )


def _unknown(model_id: str, architecture: str) -> RefusedError:
    return refused(
        "incompatible",
        name=model_id,
        detail=f"the architecture {architecture} is not known here",
        detail_fr=f"l'architecture {architecture} n'est pas connue ici",
        advice="Ask the leaderboard's team to add it.",
        advice_fr="Demandez à l'équipe du classement de l'ajouter.",
    )


def read_encoder_decoder(values: ConfigValues, family: Family, architecture: str) -> ModelConfig:
    """Read both halves' sizes; ``layers`` are the decoder's.

    Sources: transformers, models/t5 and models/bart. T5 has relative positions, so no window.

    Raises:
        RefusedError: ``incompatible``: a size is missing or broken.
    """
    hidden = values.required("d_model", "hidden_size")
    if family.positions:
        layers, encoder = values.required("decoder_layers"), values.required("encoder_layers")
        heads = values.required("decoder_attention_heads")
        inner = values.required("decoder_ffn_dim")
        window = values.optional("max_position_embeddings")
        head_dim, gated = max(1, hidden // heads), False
        positions = 2 * (window or 0) * hidden
    else:
        encoder = values.required("num_layers")
        layers = values.optional("num_decoder_layers") or encoder
        heads, head_dim = values.required("num_heads"), values.optional("d_kv") or 64
        inner = values.optional("d_ff") or 4 * hidden
        window, positions = None, 0
        projection = values.raw("feed_forward_proj")
        gated = projection.startswith("gated") if isinstance(projection, str) else family.gated
    return ModelConfig(
        architecture=architecture,
        model_type=family.model_type,
        hidden=hidden,
        layers=values.bounded_layers(layers),
        encoder_layers=values.bounded_layers(encoder),
        heads=heads,
        kv_heads=heads,
        head_dim=head_dim,
        explicit_head_dim=not family.positions,
        intermediate=inner,
        vocabulary=values.required("vocab_size"),
        window=window,
        tied_embeddings=values.flag("tie_word_embeddings", default=family.tied),
        gated=gated,
        other_parameters=positions,
    )


def vision_encoder_parameters(config: Mapping[str, Any], text_hidden: int, model_id: str) -> int:
    """Parameters of the vision encoder and its projector, from ``vision_config``; 0: there is none.

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
    encoder = layers * (4 * hidden * hidden + matrices * hidden * width) + 3 * side * side * hidden
    if kind.startswith("qwen"):
        # Four patches become one token; Qwen 3 VL feeds several depths of the encoder into the text model.
        deep = vision.get("deepstack_visual_indexes")
        mergers = 1 + (min(len(deep), layers) if isinstance(deep, list | tuple) else 0)
        return encoder + mergers * (16 * hidden * hidden + 4 * hidden * text_hidden)
    return encoder + hidden * text_hidden + (0 if kind == "siglip_vision_model" else text_hidden**2)
