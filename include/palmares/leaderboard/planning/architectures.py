"""How the families of models are built: what their config.json leaves unsaid."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from palmares.leaderboard.model_classes import registry

Pattern = Literal["full", "sliding", "alternating", "chunked", "upper", "state", "parallel", "hybrid"]
"""Where attention sees everything: in all layers, none, some, or beside a state space model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """What config.json of a model type leaves unsaid."""

    model_type: str
    is_known: bool = True
    """False: nothing is known of it but its config.json, which is read conservatively."""
    gated: bool = True
    """The feed-forward has three matrices (gate, up, down) instead of two."""
    tied: bool = False
    """Input and output embedding are one where config.json does not say."""
    norms: int = 2
    """Vectors as wide as the model in a layer."""
    qk_norm: bool = False
    bias: bool = False
    """Queries, keys and values have biases."""
    positions: bool = False
    """Positions are learned vectors."""
    pattern: Pattern = "full"
    every: int = 0
    """Of the pattern: every so many layers sees everything; 0: config.json says."""
    latent: bool = False
    """Multi-head latent attention (MLA)."""
    state: Literal["", "mamba", "mamba2", "delta", "conv"] = ""
    encoder_decoder: bool = False
    defaults: Mapping[str, Any] = field(default_factory=dict)
    """Sizes that transformers fills in, for a nested text_config, which is stored as a difference."""


def _family(model_type: str, **traits: Any) -> tuple[str, Family]:
    return model_type, Family(model_type=model_type, **traits)


_LLAMA = {
    "hidden_size": 4096,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 32,
    "intermediate_size": 11008,
    "vocab_size": 32000,
}
_MISTRAL = {**_LLAMA, "num_key_value_heads": 8, "head_dim": 128, "intermediate_size": 14336}
_GEMMA3 = {
    "num_attention_heads": 8,
    "num_key_value_heads": 4,
    "head_dim": 256,
    "vocab_size": 262208,
    "sliding_window": 4096,
    "max_position_embeddings": 131072,
}

FAMILIES: Final[Mapping[str, Family]] = dict(
    (
        # Dense decoders.
        _family("llama", defaults=_LLAMA),
        _family("mistral", pattern="sliding", defaults=_MISTRAL),
        _family("ministral3", defaults=_MISTRAL),
        _family("qwen2", bias=True, pattern="upper"),
        _family("qwen3", qk_norm=True, pattern="upper"),
        _family("gemma", tied=True),
        _family("gemma2", tied=True, norms=4, pattern="alternating", every=2),
        _family("gemma3_text", tied=True, norms=4, qk_norm=True, pattern="alternating", every=6,
                defaults=_GEMMA3),
        _family("phi3", pattern="sliding"),
        _family("olmo", norms=0),
        _family("olmo2"),
        _family("olmo3", pattern="alternating", every=4),
        _family("granite"),
        _family("smollm3", tied=True),
        _family("cohere", tied=True, norms=1),
        _family("cohere2", tied=True, norms=1, pattern="alternating", every=4),
        _family("stablelm"),
        _family("glm", bias=True),
        _family("glm4", norms=4, bias=True),
        _family("exaone4", qk_norm=True, pattern="alternating"),
        _family("helium"),
        _family("seed_oss", bias=True),
        _family("ernie4_5", tied=True),
        _family("hunyuan_v1_dense", qk_norm=True),
        _family("arcee", gated=False),
        _family("apertus", gated=False, qk_norm=True),
        _family("nemotron", gated=False, norms=4),
        _family("starcoder2", gated=False, tied=True, norms=4, bias=True, pattern="sliding"),
        _family("gpt2", gated=False, tied=True, norms=4, bias=True, positions=True),
        _family("gpt_bigcode", gated=False, tied=True, norms=4, bias=True, positions=True),
        _family("gpt_neox", gated=False, norms=4, bias=True),
        _family("gptj", gated=False),
        _family("opt", gated=False, tied=True, norms=4, bias=True, positions=True),
        _family("phi", gated=False, bias=True),
        _family("bloom", gated=False, tied=True, norms=4, bias=True),
        _family("falcon", gated=False, tied=True),
        _family("mpt", gated=False, tied=True),
        _family("persimmon", gated=False, norms=4, bias=True),
        # Mixtures of experts.
        _family("mixtral", pattern="sliding"),
        _family("qwen2_moe", bias=True, pattern="upper"),
        _family("qwen3_moe", qk_norm=True, pattern="upper"),
        _family("olmoe"),
        _family("phimoe", norms=4, bias=True, pattern="sliding"),
        _family("granitemoe"),
        _family("granitemoeshared"),
        _family("glm4_moe", bias=True),
        _family("dots1", qk_norm=True),
        _family("ernie4_5_moe", tied=True),
        _family("dbrx"),
        _family("gpt_oss", bias=True, pattern="alternating", every=2),
        _family("llama4_text", pattern="chunked", every=4),
        # Multi-head latent attention.
        _family("deepseek_v2", latent=True),
        _family("deepseek_v3", latent=True),
        _family("minicpm3", latent=True, tied=True),
        _family("deepseek_v32", latent=True),
        _family("glm_moe_dsa", latent=True),
        _family("kimi_k2", latent=True),
        _family("longcat_flash", latent=True),
        _family("glm4_moe_lite", latent=True),
        # Layers that differ.
        _family("gemma4_text", tied=True, norms=4, qk_norm=True, pattern="alternating", every=6),
        _family("deepseek_v4", norms=2),
        # State space models and their hybrids.
        _family("mamba", tied=True, norms=1, pattern="state", state="mamba"),
        _family("falcon_mamba", tied=True, norms=1, pattern="state", state="mamba"),
        _family("mamba2", norms=1, pattern="state", state="mamba2"),
        _family("jamba", pattern="hybrid", state="mamba"),
        _family("bamba", pattern="hybrid", state="mamba2"),
        _family("granitemoehybrid", pattern="hybrid", state="mamba2"),
        _family("nemotron_h", gated=False, norms=1, pattern="hybrid", state="mamba2"),
        _family("zamba2", tied=True, norms=1, pattern="hybrid", state="mamba2"),
        _family("falcon_h1", pattern="parallel", state="mamba2"),
        _family("qwen3_next", qk_norm=True, pattern="hybrid", every=4, state="delta"),
        _family("qwen3_5_text", qk_norm=True, pattern="hybrid", every=4, state="delta"),
        _family("qwen3_5_moe_text", qk_norm=True, pattern="hybrid", every=4, state="delta"),
        _family("lfm2", tied=True, qk_norm=True, pattern="hybrid", state="conv"),
        # Encoder-decoders.
        _family("t5", gated=False, tied=True, encoder_decoder=True),
        _family("mt5", encoder_decoder=True),
        _family("umt5", encoder_decoder=True),
        _family("longt5", gated=False, tied=True, encoder_decoder=True),
        _family("bart", gated=False, tied=True, positions=True, encoder_decoder=True),
        _family("mbart", gated=False, tied=True, positions=True, encoder_decoder=True),
        _family("pegasus", gated=False, tied=True, positions=True, encoder_decoder=True),
    )
)  # fmt: skip
"""By model type. Traits and defaults: transformers, models/<type>/configuration_<type>.py.

Pipelines and LoRA: vLLM, docs/models/supported_models.md.
"""

TEXT_CLASSES: Final[Mapping[str, str]] = {
    "PhiMoEForCausalLM": "phimoe",
    "Gemma3ForConditionalGeneration": "gemma3_text",
    "Mistral3ForConditionalGeneration": "mistral",
    "PixtralForConditionalGeneration": "mistral",
    "Llama4ForConditionalGeneration": "llama4_text",
    "LlavaForConditionalGeneration": "llama",
    "LlavaNextForConditionalGeneration": "llama",
    "LlavaOnevisionForConditionalGeneration": "qwen2",
    "Qwen2VLForConditionalGeneration": "qwen2",
    "Qwen2_5_VLForConditionalGeneration": "qwen2",
    "Qwen3VLForConditionalGeneration": "qwen3",
    "Qwen3VLMoeForConditionalGeneration": "qwen3_moe",
    "Qwen3_5ForConditionalGeneration": "qwen3_5_text",
    "Qwen3_5MoeForConditionalGeneration": "qwen3_5_moe_text",
    "InternVLForConditionalGeneration": "qwen2",
    "Idefics3ForConditionalGeneration": "llama",
    "SmolVLMForConditionalGeneration": "llama",
    "PaliGemmaForConditionalGeneration": "gemma",
    "Gemma4ForConditionalGeneration": "gemma4_text",
    "Gemma4UnifiedForConditionalGeneration": "gemma4_text",
    "KimiK25ForConditionalGeneration": "kimi_k2",
    "LongcatFlashForCausalLM": "longcat_flash",
    "MistralLarge3ForCausalLM": "deepseek_v3",
}
"""Model type of the text model by class, where transformers' mapping names another, or no such class."""

TEXT_MODEL_TYPES: Final[Mapping[str, str]] = {
    "qwen2_vl_text": "qwen2",
    "qwen2_5_vl_text": "qwen2",
    "qwen3_vl_text": "qwen3",
    "qwen3_vl_moe_text": "qwen3_moe",
    "ministral": "mistral",
    "gemma4_unified_text": "gemma4_text",
}
"""Nested model types that are another family under a name of their own."""


def text_family(architecture: str, model_type: object) -> Family | None:
    """The family of a class's text model; None: neither transformers nor vLLM has the class.

    Args:
        architecture: First of config.json's ``architectures``.
        model_type: ``model_type`` of the text model's config.
    """
    if not registry().is_known(architecture):
        return None
    candidates = (
        TEXT_MODEL_TYPES.get(model_type, model_type) if isinstance(model_type, str) else None,
        TEXT_CLASSES.get(architecture),
        registry().native.get(architecture, (None, None))[0],
    )
    for name in candidates:
        if name is not None and name in FAMILIES:
            return FAMILIES[name]
    return Family(
        model_type=next((name for name in candidates if name), ""),
        is_known=False,
        encoder_decoder=registry().is_encoder_decoder(architecture),
    )
