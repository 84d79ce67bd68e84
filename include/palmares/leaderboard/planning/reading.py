"""Reads a model's sizes from its config.json, whichever family wrote it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from palmares.leaderboard.errors import RefusedError
from palmares.leaderboard.model_classes import needs_custom_code, registry
from palmares.leaderboard.planning.adapters import no_adapters, read_adapter
from palmares.leaderboard.planning.architectures import Family, text_family
from palmares.leaderboard.planning.config_values import ConfigValues, broken, shown
from palmares.leaderboard.planning.layers import (
    FULL,
    MOE,
    PARALLEL,
    SLIDING,
    experts_per_token,
    read_experts,
    read_feed_forwards,
    read_mixers,
    read_state,
    shared_width,
)
from palmares.leaderboard.planning.model_config import (
    DTYPE_BYTES,
    LatentAttention,
    LayerCache,
    ModelConfig,
    attention_parameters,
)
from palmares.leaderboard.planning.quantization import read_quantization
from palmares.leaderboard.submissions.model_facts import ModelFacts
from palmares.leaderboard.submissions.refusals import refused
from palmares.texts import Message, message

_NESTED: Final = ("text_config", "llm_config", "language_config")
HIDDEN: Final = ("hidden_size", "n_embd", "d_model", "n_embed")
HEADS: Final = ("num_attention_heads", "n_head", "n_heads", "num_heads")
LAYERS: Final = ("num_hidden_layers", "n_layer", "n_layers", "num_layers")
_MULTI_HEAD: Final = frozenset({"gpt2", "gpt_neox", "gptj", "opt", "bloom", "persimmon"})
"""Families that do not share keys and values among heads, whatever their config says."""
_PLAIN_ACTIVATIONS: Final = frozenset({"relu", "relu2", "squared_relu", "gelu", "gelu_new", "gelu_fast"})
_UNKNOWN: Final = Family(model_type="", is_known=False)


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
            detail=message(
                "it is an adapter of {base}, whose config.json was not given",
                base=adapter.base_model or message("a model that it does not name"),
            ),
            advice=message("Name the base model, or merge the adapter into it."),
        )
    architecture = _architecture(facts)
    if needs_custom_code(config) and not reading.allow_custom_code:
        raise refused("custom_code", name=facts.model_id)
    notes: list[Message] = []
    text = _nested(config, facts.model_id)
    family = text_family(architecture, text.get("model_type"))
    if family is None:
        if reading.unknown == "refuse" or config.get("is_encoder_decoder") is True:
            raise _unknown(facts.model_id, architecture)
        family = _UNKNOWN
    if family.encoder_decoder and not reading.encoder_decoders:
        raise _encoder_decoder_refused(facts.model_id, architecture)
    if not family.is_known:
        notes.append(
            message(
                "The architecture {architecture} is not known here: its config.json is read conservatively.",
                architecture=architecture,
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
            message(
                "config.json leaves out {names}: the defaults of the family {family} are taken.",
                names=names,
                family=family.model_type,
            )
        )
    if adapter is not None and not registry().takes_adapters(architecture):
        raise no_adapters(facts.model_id, architecture)
    tied = config.get("tie_word_embeddings")
    return replace(
        model,
        pipeline=registry().has_pipeline(architecture),
        is_known=family.is_known,
        tied_embeddings=tied if text is not config and isinstance(tied, bool) else model.tied_embeddings,
        other_parameters=model.other_parameters
        + vision_encoder_parameters(config, model.hidden, facts.model_id),
        quantization=read_quantization(config, facts.model_id) or read_quantization(text, facts.model_id),
        state_bytes=_state_bytes(values, family),
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
    moe_names = ("moe_intermediate_size", "expert_ffn_hidden_size", "moe_ffn_hidden_size")
    moe_intermediate = (values.optional(*moe_names) or intermediate) if experts else 0
    latent = _latent(values, family, hidden, heads) if _is_latent(values, family) else None
    head_dim = _head_dim(values, hidden, heads, latent)
    kv_heads = _kv_heads(values, family, heads)
    if kv_heads > heads:
        raise broken(values.model_id, "num_key_value_heads", f"{kv_heads}, more than its {heads} heads")
    model = ModelConfig(
        architecture=architecture,
        model_type=family.model_type,
        hidden=hidden,
        layers=layers,
        heads=heads,
        kv_heads=kv_heads,
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
        gated=_is_gated(values, family),
        moe_latent=values.optional("moe_latent_size") or 0 if experts else 0,
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
    if family.model_type == "gemma4_text":
        return _gemma4(values, model)
    if family.model_type == "deepseek_v4":
        return _deepseek_v4(values, model)
    if family.model_type == "longcat_flash":
        return _longcat(values, model)
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
    first: tuple[str, ...] = ()
    if family.model_type == "lfm2":  # transformers, configuration_lfm2.py: it goes before the other
        first = ("block_ff_dim",)
    names = ("intermediate_size", "n_inner", "ffn_dim", "ffn_hidden_size", "dense_intermediate_size")
    width = values.optional(*first, *names) or 4 * hidden
    if family.model_type == "lfm2" and values.flag("block_auto_adjust_ff_dim", default=True):
        step = values.optional("block_multiple_of") or 256
        return -(-(2 * width // 3) // step) * step
    return width


def _is_gated(values: ConfigValues, family: Family) -> bool:
    """Three matrices a feed-forward; an unknown family with an activation that nobody gates has two."""
    if family.is_known:
        return family.gated
    return values.raw("hidden_act") not in _PLAIN_ACTIVATIONS


def _state_bytes(values: ConfigValues, family: Family) -> int | None:
    """Bytes of a number of the state where it has a type of its own; None: the cache's.

    Source: ``vllm/model_executor/layers/mamba/mamba_utils.py``.
    """
    for name in ("mamba_ssm_cache_dtype", "mamba_ssm_dtype"):
        stored = values.raw(name)
        if isinstance(stored, str) and stored.removeprefix("torch.") in DTYPE_BYTES:
            return DTYPE_BYTES[stored.removeprefix("torch.")]
    return None


def _is_latent(values: ConfigValues, family: Family) -> bool:
    """Multi-head latent attention: by the family, or by its sizes in config.json."""
    return family.latent or (
        not family.is_known and values.optional("kv_lora_rank", zero=True) not in {None, 0}
    )


def _latent(values: ConfigValues, family: Family, hidden: int, heads: int) -> LatentAttention:
    rope = values.required("qk_rope_head_dim")
    nope = values.required("qk_nope_head_dim")
    default = hidden // heads if family.model_type == "minicpm3" else nope
    return LatentAttention(
        rank=values.required("kv_lora_rank"),
        rope_head_dim=rope,
        nope_head_dim=nope,
        value_head_dim=values.optional("v_head_dim") or default,
        query_rank=values.optional("q_lora_rank", zero=True) or 0,
        is_cached_whole=family.model_type == "minicpm3",
        index_heads=values.optional("index_n_heads", zero=True) or 0,
        index_head_dim=values.optional("index_head_dim", zero=True) or 0,
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


def _gemma4(values: ConfigValues, model: ModelConfig) -> ModelConfig:
    """Layers of two widths, layers that read an earlier one's cache, and an embedding for each layer.

    Source: transformers, models/gemma4/modeling_gemma4.py.
    """
    whole_dim = values.optional("global_head_dim") or model.head_dim
    listed = values.raw("per_layer_config")
    whole_kv = values.optional("num_global_key_value_heads") or model.kv_heads
    is_shared_key = values.flag("attention_k_eq_v", default=False)
    first_shared = model.layers - (values.optional("num_kv_shared_layers", zero=True) or 0)
    is_wide = values.flag("use_double_wide_mlp", default=False)
    attention = more = 0
    caches = []
    for index, kind in enumerate(model.mixers):
        is_whole = kind == FULL
        head_dim = whole_dim if is_whole else model.head_dim
        own = listed.get(str(index)) if isinstance(listed, Mapping) else None
        if isinstance(own, Mapping):
            head_dim = ConfigValues(own, values.model_id).optional("head_dim") or head_dim
        kv_heads = whole_kv if is_whole and is_shared_key else model.kv_heads
        attention += 2 * model.hidden * model.heads * head_dim
        if index >= first_shared:
            caches.append(LayerCache(kv_heads=0, values=0))
            more += 3 * model.hidden * model.intermediate if is_wide else 0
            continue
        matrices = 1 if is_whole and is_shared_key else 2
        attention += matrices * model.hidden * kv_heads * head_dim
        caches.append(LayerCache(kv_heads=kv_heads, values=2 * head_dim))
    beside = values.optional("hidden_size_per_layer_input", zero=True) or 0
    words = values.optional("vocab_size_per_layer_input", zero=True) or model.vocabulary
    more += model.layers * beside * (words + 3 * model.hidden)
    if model.experts:  # the experts stand beside a dense feed-forward in every layer
        more += 3 * model.layers * model.hidden * model.intermediate
    return replace(
        model,
        attention_parameters=attention,
        caches=tuple(caches),
        other_parameters=model.other_parameters + more,
    )


def _deepseek_v4(values: ConfigValues, model: ModelConfig) -> ModelConfig:
    """Keys that are values too, compressed over several tokens; four residual streams.

    The cache is counted as if no token were compressed: vLLM keeps less. Source: transformers,
    models/deepseek_v4/modeling_deepseek_v4.py.
    """
    width, hidden = model.head_dim, model.hidden
    query, groups = values.required("q_lora_rank"), values.optional("o_groups") or 1
    output = values.required("o_lora_rank")
    each = query * (hidden + model.heads * width) + hidden * width
    each += output * model.heads * width + hidden * groups * output
    heads, key = values.optional("index_n_heads") or 0, values.optional("index_head_dim") or 0
    indexer = 4 * key * hidden + heads * (key * query + hidden)
    total = 0
    kinds = values.names("layer_types", model.layers) or ("",) * model.layers
    for kind in kinds:
        is_sparse = kind == "compressed_sparse_attention"
        total += each + (4 if is_sparse else 2) * width * hidden + (indexer if is_sparse else 0)
    streams = values.optional("hc_mult") or 1
    mixing = 2 * (2 + streams) * streams * streams * hidden
    return replace(
        model,
        attention_parameters=total + model.layers * mixing,
        caches=(LayerCache(kv_heads=1, values=width),) * model.layers,
        mixers=(FULL,) * model.layers,
        feed_forwards=(MOE,) * model.layers,
    )


def _longcat(values: ConfigValues, model: ModelConfig) -> ModelConfig:
    """Two attentions and two dense feed-forwards a layer, and experts beside them.

    Source: transformers, models/longcat_flash/modeling_longcat_flash.py.
    """
    dense = 3 * model.hidden * (values.optional("ffn_hidden_size") or model.intermediate)
    assert model.latent is not None
    attention = 2 * model.layers * attention_parameters(model)
    whole = model.latent.rank + model.latent.rope_head_dim
    return replace(
        model,
        attention_parameters=attention,
        caches=(LayerCache(kv_heads=1, values=2 * whole),) * model.layers,
        feed_forwards=(MOE,) * model.layers,
        other_parameters=model.other_parameters + 2 * model.layers * dense,
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
        detail=message("config.json names no architecture"),
        advice=message("Add the field 'architectures'."),
    )


def _encoder_decoder_refused(model_id: str, architecture: str) -> RefusedError:
    return refused(
        "incompatible",
        name=model_id,
        detail=message(
            "{architecture} is an encoder-decoder, and only decoders are served", architecture=architecture
        ),
        advice=message("Submit a causal language model."),
    )


def _unknown(model_id: str, architecture: str) -> RefusedError:
    return refused(
        "incompatible",
        name=model_id,
        detail=message("the architecture {architecture} is not known here", architecture=architecture),
        advice=message("Ask the leaderboard's team to add it."),
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
