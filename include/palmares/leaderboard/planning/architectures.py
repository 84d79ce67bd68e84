"""Which model classes each backend serves, and how the families among them are built."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

Pattern = Literal["full", "sliding", "alternating", "chunked", "upper", "state", "parallel", "hybrid"]
"""Where attention sees everything: in all layers, none, some, or beside a state space model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """What config.json of a model type leaves unsaid."""

    model_type: str
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
    pipeline: bool = True
    """vLLM's class may be cut into stages (P1)."""
    lora: bool = True
    """vLLM's class takes LoRA adapters."""
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
        _family("stablelm", pipeline=False, lora=False),
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
        _family("gpt2", gated=False, tied=True, norms=4, bias=True, positions=True, lora=False),
        _family("gpt_bigcode", gated=False, tied=True, norms=4, bias=True, positions=True, pipeline=False),
        _family("gpt_neox", gated=False, norms=4, bias=True, lora=False),
        _family("gptj", gated=False, lora=False),
        _family("opt", gated=False, tied=True, norms=4, bias=True, positions=True),
        _family("phi", gated=False, bias=True),
        _family("bloom", gated=False, tied=True, norms=4, bias=True, lora=False),
        _family("falcon", gated=False, tied=True, lora=False),
        _family("mpt", gated=False, tied=True, lora=False),
        _family("persimmon", gated=False, norms=4, bias=True),
        # Mixtures of experts.
        _family("mixtral", pattern="sliding"),
        _family("qwen2_moe", bias=True, pattern="upper"),
        _family("qwen3_moe", qk_norm=True, pattern="upper"),
        _family("olmoe", lora=False),
        _family("phimoe", norms=4, bias=True, pattern="sliding"),
        _family("granitemoe"),
        _family("granitemoeshared"),
        _family("glm4_moe", bias=True),
        _family("dots1", qk_norm=True),
        _family("ernie4_5_moe", tied=True),
        _family("dbrx", lora=False),
        _family("gpt_oss", bias=True, pattern="alternating", every=2),
        _family("llama4_text", pattern="chunked", every=4),
        # Multi-head latent attention.
        _family("deepseek_v2", latent=True),
        _family("deepseek_v3", latent=True),
        _family("minicpm3", latent=True, tied=True),
        # State space models and their hybrids.
        _family("mamba", tied=True, norms=1, pattern="state", state="mamba", lora=False),
        _family("falcon_mamba", tied=True, norms=1, pattern="state", state="mamba", lora=False),
        _family("mamba2", norms=1, pattern="state", state="mamba2", lora=False),
        _family("jamba", pattern="hybrid", state="mamba"),
        _family("bamba", pattern="hybrid", state="mamba2"),
        _family("granitemoehybrid", pattern="hybrid", state="mamba2"),
        _family("nemotron_h", gated=False, norms=1, pattern="hybrid", state="mamba2"),
        _family("zamba2", tied=True, norms=1, pattern="hybrid", state="mamba2", pipeline=False, lora=False),
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

ARCHITECTURES: Final[Mapping[str, str]] = {
    "LlamaForCausalLM": "llama",
    "MistralForCausalLM": "mistral",
    "Ministral3ForCausalLM": "ministral3",
    "Qwen2ForCausalLM": "qwen2",
    "Qwen3ForCausalLM": "qwen3",
    "GemmaForCausalLM": "gemma",
    "Gemma2ForCausalLM": "gemma2",
    "Gemma3ForCausalLM": "gemma3_text",
    "Phi3ForCausalLM": "phi3",
    "OlmoForCausalLM": "olmo",
    "Olmo2ForCausalLM": "olmo2",
    "Olmo3ForCausalLM": "olmo3",
    "GraniteForCausalLM": "granite",
    "SmolLM3ForCausalLM": "smollm3",
    "CohereForCausalLM": "cohere",
    "Cohere2ForCausalLM": "cohere2",
    "StableLmForCausalLM": "stablelm",
    "GlmForCausalLM": "glm",
    "Glm4ForCausalLM": "glm4",
    "Exaone4ForCausalLM": "exaone4",
    "HeliumForCausalLM": "helium",
    "SeedOssForCausalLM": "seed_oss",
    "Ernie4_5ForCausalLM": "ernie4_5",
    "HunYuanDenseV1ForCausalLM": "hunyuan_v1_dense",
    "ArceeForCausalLM": "arcee",
    "ApertusForCausalLM": "apertus",
    "NemotronForCausalLM": "nemotron",
    "Starcoder2ForCausalLM": "starcoder2",
    "GPT2LMHeadModel": "gpt2",
    "GPTBigCodeForCausalLM": "gpt_bigcode",
    "GPTNeoXForCausalLM": "gpt_neox",
    "GPTJForCausalLM": "gptj",
    "OPTForCausalLM": "opt",
    "PhiForCausalLM": "phi",
    "BloomForCausalLM": "bloom",
    "FalconForCausalLM": "falcon",
    "MptForCausalLM": "mpt",
    "MPTForCausalLM": "mpt",
    "PersimmonForCausalLM": "persimmon",
    "MixtralForCausalLM": "mixtral",
    "Qwen2MoeForCausalLM": "qwen2_moe",
    "Qwen3MoeForCausalLM": "qwen3_moe",
    "OlmoeForCausalLM": "olmoe",
    "PhimoeForCausalLM": "phimoe",
    "PhiMoEForCausalLM": "phimoe",
    "GraniteMoeForCausalLM": "granitemoe",
    "GraniteMoeSharedForCausalLM": "granitemoeshared",
    "Glm4MoeForCausalLM": "glm4_moe",
    "Dots1ForCausalLM": "dots1",
    "Ernie4_5_MoeForCausalLM": "ernie4_5_moe",
    "DbrxForCausalLM": "dbrx",
    "GptOssForCausalLM": "gpt_oss",
    "Llama4ForCausalLM": "llama4_text",
    "DeepseekV2ForCausalLM": "deepseek_v2",
    "DeepseekV3ForCausalLM": "deepseek_v3",
    "MiniCPM3ForCausalLM": "minicpm3",
    "MambaForCausalLM": "mamba",
    "FalconMambaForCausalLM": "falcon_mamba",
    "Mamba2ForCausalLM": "mamba2",
    "JambaForCausalLM": "jamba",
    "BambaForCausalLM": "bamba",
    "GraniteMoeHybridForCausalLM": "granitemoehybrid",
    "NemotronHForCausalLM": "nemotron_h",
    "Zamba2ForCausalLM": "zamba2",
    "FalconH1ForCausalLM": "falcon_h1",
    "Qwen3NextForCausalLM": "qwen3_next",
    "Qwen3_5ForCausalLM": "qwen3_5_text",
    "Qwen3_5MoeForCausalLM": "qwen3_5_moe_text",
    "Lfm2ForCausalLM": "lfm2",
    # Multimodal: the family of the text model where the nested config does not name one.
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
    "AyaVisionForConditionalGeneration": "cohere2",
    "PaliGemmaForConditionalGeneration": "gemma",
    # Encoder-decoders: transformers only.
    "T5ForConditionalGeneration": "t5",
    "MT5ForConditionalGeneration": "mt5",
    "UMT5ForConditionalGeneration": "umt5",
    "LongT5ForConditionalGeneration": "longt5",
    "BartForConditionalGeneration": "bart",
    "MBartForConditionalGeneration": "mbart",
    "PegasusForConditionalGeneration": "pegasus",
}
"""Model type by class, of those that vLLM 0.33 and transformers serve.

Source: vllm/model_executor/models/registry.py.

Encoder-decoders are served by transformers alone.
"""

TEXT_MODEL_TYPES: Final[Mapping[str, str]] = {
    "qwen2_vl_text": "qwen2",
    "qwen2_5_vl_text": "qwen2",
    "qwen3_vl_text": "qwen3",
    "qwen3_vl_moe_text": "qwen3_moe",
    "ministral": "mistral",
}
"""Nested model types that are another family under a name of their own."""

_ENCODER_DECODERS: Final = (
    "T5",
    "MT5",
    "UMT5",
    "LongT5",
    "SwitchTransformers",
    "Bart",
    "MBart",
    "Pegasus",
    "M2M",
)


def is_encoder_decoder(architecture: str, *, declared: bool) -> bool:
    """Tell whether a class is an encoder-decoder, which vLLM does not serve as text to text."""
    return declared or architecture.startswith(_ENCODER_DECODERS)


def text_family(architecture: str, nested_type: object) -> Family | None:
    """The family of a class's text model; None: the class is not known here.

    Args:
        architecture: First of config.json's ``architectures``.
        nested_type: ``model_type`` of a nested text config, if there is one; it decides.
    """
    model_type = ARCHITECTURES.get(architecture)
    if model_type is None:
        return None
    if isinstance(nested_type, str):
        return FAMILIES.get(TEXT_MODEL_TYPES.get(nested_type, nested_type))
    return FAMILIES[model_type]
