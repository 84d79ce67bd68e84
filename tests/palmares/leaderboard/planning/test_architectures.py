"""Families of today: sizes from the config.json of a known model, or of its shape, and vLLM's own figures."""

from __future__ import annotations

from typing import Any

import pytest
from palmares.leaderboard.model_classes import needs_custom_code, registry
from palmares.leaderboard.planning.architectures import FAMILIES, TEXT_CLASSES
from palmares.leaderboard.planning.memory import kv_bytes_per_sequence, kv_bytes_per_token
from palmares.leaderboard.planning.placement import Placement
from palmares.leaderboard.planning.reading import read_model_config
from palmares.leaderboard.submissions.model_facts import facts_of_config

ONE = Placement(nodes=1, tensor_parallel=1, pipeline_parallel=1)
DEEPSEEK_V3: dict[str, Any] = {
    "architectures": ["DeepseekV3ForCausalLM"], "model_type": "deepseek_v3", "vocab_size": 129280,
    "auto_map": {"AutoModelForCausalLM": "modeling_deepseek.DeepseekV3ForCausalLM"},
    "hidden_size": 7168, "intermediate_size": 18432, "moe_intermediate_size": 2048, "num_hidden_layers": 61,
    "num_attention_heads": 128, "num_key_value_heads": 128, "n_shared_experts": 1, "n_routed_experts": 256,
    "kv_lora_rank": 512, "q_lora_rank": 1536, "qk_rope_head_dim": 64, "v_head_dim": 128,
    "qk_nope_head_dim": 128, "num_experts_per_tok": 8, "first_k_dense_replace": 3, "moe_layer_freq": 1,
    "tie_word_embeddings": False, "max_position_embeddings": 163840,
}  # fmt: skip
DEEPSEEK_V32 = {
    **DEEPSEEK_V3, "architectures": ["DeepseekV32ForCausalLM"], "model_type": "deepseek_v32",
    "index_n_heads": 64, "index_head_dim": 128, "index_topk": 2048,
}  # fmt: skip
MINIMAX_M2 = {
    "architectures": ["MiniMaxM2ForCausalLM"], "model_type": "minimax_m2", "vocab_size": 200064,
    "hidden_size": 3072, "intermediate_size": 1536, "num_hidden_layers": 62, "num_attention_heads": 48,
    "num_key_value_heads": 8, "head_dim": 128, "num_local_experts": 256, "num_experts_per_tok": 8,
    "tie_word_embeddings": False, "max_position_embeddings": 196608,
    "auto_map": {"AutoModelForCausalLM": "modeling_minimax_m2.MiniMaxM2ForCausalLM"},
}  # fmt: skip
MINICPM3 = {
    "architectures": ["MiniCPM3ForCausalLM"], "model_type": "minicpm3", "vocab_size": 73448,
    "hidden_size": 2560, "intermediate_size": 6400, "num_hidden_layers": 62, "num_attention_heads": 40,
    "num_key_value_heads": 40, "kv_lora_rank": 256, "q_lora_rank": 768, "qk_rope_head_dim": 32,
    "qk_nope_head_dim": 64, "max_position_embeddings": 32768,
}  # fmt: skip


@pytest.mark.parametrize(
    ("config", "parameters", "kv_bytes"),
    [
        (DEEPSEEK_V3, 671.03e9, 61 * (512 + 64) * 2),
        (DEEPSEEK_V32, 671.88e9, 61 * ((512 + 64) * 2 + 128 + 4)),
        (MINIMAX_M2, 228.7e9, 62 * 8 * 2 * 128 * 2),
        (MINICPM3, 4.07e9, 952_320),
    ],
    ids=["DeepSeek-V3", "DeepSeek-V3.2", "MiniMax-M2", "MiniCPM3"],
)
def test_sizes_and_cache_are_those_of_the_published_model(config, parameters, kv_bytes):
    model = read_model_config(facts_of_config(config, model_id="o/m"))

    assert model.parameters == pytest.approx(parameters, rel=0.01)
    assert kv_bytes_per_token(model, ONE, dtype="bfloat16") == kv_bytes


def test_experts_of_a_narrower_token_are_counted_narrow():
    wide = {**MINIMAX_M2, "n_shared_experts": 0}
    narrow = {**wide, "moe_latent_size": 1024}

    whole, latent = (read_model_config(facts_of_config(one, model_id="o/m")) for one in (wide, narrow))

    expert = 3 * 1536 * 256 * 62
    assert whole.parameters - latent.parameters == expert * (3072 - 1024) - 62 * 2 * 3072 * 1024


def test_layers_that_share_a_cache_have_none_and_global_layers_are_wider():
    config = {
        "architectures": ["Gemma4ForCausalLM"], "model_type": "gemma4_text", "vocab_size": 262144,
        "hidden_size": 1536, "intermediate_size": 6144, "num_hidden_layers": 4, "num_attention_heads": 8,
        "num_key_value_heads": 1, "head_dim": 256, "global_head_dim": 512, "sliding_window": 512,
        "num_kv_shared_layers": 2, "hidden_size_per_layer_input": 0, "max_position_embeddings": 131072,
        "layer_types": ["sliding_attention", "full_attention", "sliding_attention", "full_attention"],
    }  # fmt: skip
    model = read_model_config(facts_of_config(config, model_id="o/m"))

    assert kv_bytes_per_token(model, ONE, dtype="bfloat16") == 2 * 2 * (256 + 512)
    held = kv_bytes_per_sequence(model, ONE, tokens=4096, dtype="bfloat16")
    assert held == 2 * 2 * (256 * 512 + 512 * 4096)


def test_a_window_is_held_with_the_tokens_of_a_step():
    config = {**MINIMAX_M2, "architectures": ["MistralForCausalLM"], "model_type": "mistral"}
    config |= {"sliding_window": 1024, "num_local_experts": 0}
    model = read_model_config(facts_of_config(config, model_id="o/m"))
    token = kv_bytes_per_token(model, ONE, dtype="bfloat16")

    held = kv_bytes_per_sequence(model, ONE, tokens=65536, dtype="bfloat16", batched_tokens=2048)

    assert held == token * 3072  # 1024 - 1 + 2048, in blocks of 16


def test_a_state_of_its_own_type_is_counted_in_it():
    config = {
        "architectures": ["NemotronHForCausalLM"], "model_type": "nemotron_h", "vocab_size": 131072,
        "hidden_size": 2688, "num_hidden_layers": 2, "num_attention_heads": 32, "num_key_value_heads": 2,
        "head_dim": 128, "intermediate_size": 1856, "hybrid_override_pattern": "M*", "mamba_num_heads": 64,
        "mamba_head_dim": 64, "ssm_state_size": 128, "n_groups": 8, "conv_kernel": 4,
    }  # fmt: skip
    plain, wide = (
        kv_bytes_per_sequence(
            read_model_config(facts_of_config({**config, **more}, model_id="o/m")),
            ONE,
            tokens=16,
            dtype="bfloat16",
        )
        for more in ({}, {"mamba_ssm_cache_dtype": "float32"})
    )
    cache = 16 * 2 * 2 * 128 * 2

    assert wide - cache == 2 * (plain - cache)


@pytest.mark.parametrize("algorithm", ["NVFP4", "FP8", "nvfp4"])
def test_quantisation_by_modelopt_is_read(algorithm):
    config = {**MINIMAX_M2, "quantization_config": {"quant_method": "modelopt", "quant_algo": algorithm}}

    quantization = read_model_config(facts_of_config(config, model_id="o/m")).quantization

    assert quantization is not None
    assert quantization.bits == (8 if algorithm == "FP8" else 4)


def test_only_code_that_no_library_has_is_code_of_its_own():
    own = {"auto_map": {"AutoModelForCausalLM": "x.X"}}
    assert not needs_custom_code({**own, "architectures": ["KimiK25ForConditionalGeneration"]})
    assert needs_custom_code({**own, "architectures": ["XForCausalLM"]})
    assert needs_custom_code(own)
    assert not needs_custom_code({"architectures": ["XForCausalLM"]})


def test_every_family_and_alias_is_of_a_class_that_a_library_has():
    known = registry()
    types = {model_type for model_type, _ in known.native.values()}

    assert {name for name in TEXT_CLASSES if not known.is_known(name)} == set()
    assert {alias for alias in TEXT_CLASSES.values() if alias not in FAMILIES} == set()
    text_types = {name.removesuffix("_text") for name in types} | types
    assert {name for name in FAMILIES if name.removesuffix("_text") not in text_types} <= {
        "mpt",
        "minicpm3",
        "kimi_k2",
    }
