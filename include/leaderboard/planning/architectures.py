"""Which model classes each backend serves, and which of them this planner can read."""

from __future__ import annotations

from typing import Final

GATED: Final = frozenset(
    {
        "LlamaForCausalLM",
        "MistralForCausalLM",
        "MixtralForCausalLM",
        "Qwen2ForCausalLM",
        "Qwen2MoeForCausalLM",
        "Qwen3ForCausalLM",
        "Qwen3MoeForCausalLM",
        "GemmaForCausalLM",
        "Gemma2ForCausalLM",
        "Gemma3ForCausalLM",
        "Phi3ForCausalLM",
        "OlmoForCausalLM",
        "Olmo2ForCausalLM",
        "GraniteForCausalLM",
        "SmolLM3ForCausalLM",
        "CohereForCausalLM",
        "Cohere2ForCausalLM",
        "StableLmForCausalLM",
    }
)
"""Decoders whose feed-forward has three matrices (gate, up, down)."""

PLAIN: Final = frozenset({"GPT2LMHeadModel", "GPTNeoXForCausalLM", "OPTForCausalLM", "PhiForCausalLM"})
"""Decoders whose feed-forward has two matrices."""

SUPPORTED: Final = GATED | PLAIN
"""Served by vLLM 0.33 and by transformers alike (vllm/model_executor/models/registry.py)."""

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
