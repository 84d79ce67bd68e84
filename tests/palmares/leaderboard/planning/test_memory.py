"""Bytes a GPU: cache, states and weights."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from palmares.leaderboard.planning.layers import stage_layers
from palmares.leaderboard.planning.memory import (
    budget,
    cache_rule,
    kv_bytes_per_sequence,
    kv_bytes_per_token,
    memory_checks,
    weights_of,
)
from palmares.leaderboard.planning.placement import Placement
from palmares.leaderboard.planning.reading import read_model_config
from palmares.leaderboard.settings import load_settings

from tests.fixtures.config import CONFIG_DIR
from tests.palmares.leaderboard.planning.configs import KNOWN, LLAMA, known

SETTINGS = load_settings(CONFIG_DIR)
ONE = Placement(nodes=1, tensor_parallel=1, pipeline_parallel=1)
TWO = Placement(nodes=1, tensor_parallel=2, pipeline_parallel=1)
STAGES = Placement(nodes=2, tensor_parallel=1, pipeline_parallel=2)
GIB = 2**30


def per_sequence(model, tokens, placement=ONE, **changes):
    return kv_bytes_per_sequence(
        read_model_config(known(model, **changes)), placement, tokens=tokens, dtype="bfloat16"
    )


def test_a_plain_cache_divides_by_gpus_and_stages():
    assert per_sequence(LLAMA, 8192) == GIB  # 32 layers x 8 heads x 2 x 128 x 2 bytes x 8192
    assert per_sequence(LLAMA, 8192, TWO) == per_sequence(LLAMA, 8192, STAGES) == GIB // 2


def test_a_cache_is_made_of_blocks_of_16_tokens():
    assert per_sequence(LLAMA, 17) == per_sequence(LLAMA, 32)


def test_replicated_heads_do_not_shrink_the_cache():
    assert per_sequence(LLAMA, 64, TWO, num_key_value_heads=1) == per_sequence(
        LLAMA, 64, num_key_value_heads=1
    )


def test_a_latent_cache_is_whole_on_every_gpu():
    model = read_model_config(known("deepseek-ai/DeepSeek-V2-Lite"))

    assert kv_bytes_per_token(model, ONE, dtype="bfloat16") == 27 * (512 + 64) * 2
    assert kv_bytes_per_token(model, TWO, dtype="bfloat16") == 27 * (512 + 64) * 2


def test_a_sliding_layer_holds_its_window_at_most():
    layer = 8 * 2 * 256 * 2  # bytes a token of Gemma 2 9B

    assert per_sequence("google/gemma-2-9b", 4096) == 42 * layer * 4096
    assert per_sequence("google/gemma-2-9b", 8192) == 21 * layer * (8192 + 4096)


def test_a_state_does_not_grow_with_the_length():
    assert per_sequence("mistralai/Mamba-Codestral-7B-v0.1", 16) == per_sequence(
        "mistralai/Mamba-Codestral-7B-v0.1", 100_000
    )
    # 64 layers x (8192 x 128 + (8192 + 2 x 8 x 128) x 3) numbers of 2 bytes
    assert per_sequence("mistralai/Mamba-Codestral-7B-v0.1", 16) == 64 * (1048576 + 30720) * 2


def test_a_hybrid_pays_for_its_few_attention_layers_and_its_states():
    states = 28 * 8192 * (16 + 3) * 2
    attention = 4 * 8 * 2 * 128 * 2 * 4096

    assert per_sequence("ai21labs/Jamba-v0.1", 4096) == states + attention


def test_an_encoder_decoder_keeps_the_prompt_beside_the_answer():
    assert per_sequence("google/flan-t5-large", 512) == 2 * 24 * 16 * 2 * 64 * 2 * 512


@given(layers=st.integers(1, 200), stages=st.integers(1, 16))
def test_stages_hold_every_layer_and_differ_by_one_at_most(layers, stages):
    sizes = stage_layers(layers, min(stages, layers))

    assert sum(sizes) == layers
    assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize("model", KNOWN)
def test_no_gpu_holds_less_than_its_share_nor_more_than_the_model(model):
    facts = known(model)
    model = read_model_config(facts)
    weights = weights_of(facts, model, "bfloat16")
    for tp in (1, 2, 4):
        for pp in (1, 2, 3, 4, 6):
            held = weights.bytes_per_gpu(Placement(nodes=1, tensor_parallel=tp, pipeline_parallel=pp))
            assert weights.total_bytes / (tp * pp) <= held + 1
            assert held <= weights.total_bytes / tp + 1


def test_a_pipelines_ends_hold_an_embedding_more():
    facts = known(LLAMA)
    weights = weights_of(facts, read_model_config(facts), "bfloat16")
    embedding = 128256 * 4096 * 2
    body = weights.total_bytes - 2 * embedding

    assert weights.embedding_bytes == embedding
    assert weights.bytes_per_gpu(STAGES) == body // 2 + embedding


def test_tied_embeddings_lie_on_both_ends_of_a_pipeline():
    facts = known("google/gemma-2-9b")
    weights = weights_of(facts, read_model_config(facts), "bfloat16")

    assert weights.tied
    assert 2 * weights.bytes_per_gpu(STAGES) == weights.total_bytes + weights.embedding_bytes


def made(facts, **changes):
    return type(facts)(**{**{name: getattr(facts, name) for name in facts.__slots__}, **changes})


@pytest.mark.parametrize(
    ("changes", "precision", "expected", "source"),
    [
        ({}, "bfloat16", 16060522496, "shapes"),
        ({}, "float32", 2 * 16060522496, "shapes"),
        ({"parameters": 8030261248}, "bfloat16", 16060522496, "safetensors"),
        ({"weights_bytes": 16060522496, "weights_format": "bin"}, "bfloat16", 16060522496, "files"),
        ({"weights_bytes": 16060522496, "weights_format": "bin"}, "float32", 32121044992, "files"),
        ({"weights_bytes": 16060522496}, "bfloat16", 16060522496, "given"),
    ],
)
def test_weights_are_known_from_the_best_source(changes, precision, expected, source):
    facts = made(known(LLAMA), **changes)

    weights = weights_of(facts, read_model_config(facts), precision)

    assert (weights.total_bytes, weights.source, weights.notes) == (expected, source, ())


def test_files_that_contradict_the_shapes_are_believed_and_it_is_said():
    facts = made(known(LLAMA), parameters=7_000_000_000)

    weights = weights_of(facts, read_model_config(facts), "bfloat16")

    assert weights.total_bytes == 14_000_000_000
    assert "13.04 GiB" in weights.notes[0].en
    assert "les fichiers" in weights.notes[0].fr


@pytest.mark.parametrize(
    ("quantization", "bytes_"),
    [
        # 6.98e9 linear parameters, 1.05e9 of embeddings at 2 bytes; published files: 5.7, 9.1 and 5.7 GB.
        ({"quant_method": "gptq", "bits": 4, "group_size": 128}, 5.73e9),
        ({"quant_method": "fp8"}, 9.08e9),
        ({"quant_method": "awq", "bits": 4, "group_size": 128}, 5.73e9),
        ({"quant_method": "modelopt", "quant_algo": "NVFP4"}, 6.02e9),
        ({"quant_algo": "FP8"}, 9.08e9),
        ({"quant_method": "mxfp8"}, 9.30e9),
        ({"quant_method": "compressed-tensors",
          "config_groups": {"group_0": {"weights": {"num_bits": 8, "type": "int"}}}}, 9.08e9),
    ],
)  # fmt: skip
def test_quantised_weights_are_computed_when_no_file_says_their_size(quantization, bytes_):
    facts = known(LLAMA, quantization_config=quantization)

    weights = weights_of(facts, read_model_config(facts), "bfloat16")

    assert weights.total_bytes == pytest.approx(bytes_, rel=0.01)
    assert weights.quantization
    assert [note.en for note in weights.notes] == [f"Its weights are quantised ({weights.quantization})."]
    assert "quantifiés" in weights.notes[0].fr


def test_quantised_files_are_loaded_as_they_are_whatever_the_headers_count():
    # The headers of packed weights count 32-bit words, not parameters.
    facts = made(
        known(LLAMA, quantization_config={"quant_method": "gptq", "bits": 4, "group_size": 128}),
        parameters=1_985_000_000, weights_bytes=5_735_000_000, weights_format="safetensors",
    )  # fmt: skip

    assert weights_of(facts, read_model_config(facts), "bfloat16").total_bytes == 5_735_000_000


def test_only_the_experts_of_mxfp4_are_small():
    facts = known("openai/gpt-oss-20b")

    weights = weights_of(facts, read_model_config(facts), "bfloat16")

    assert weights.total_bytes == pytest.approx(13.76e9, rel=0.01)  # the repository's files


def test_a_budget_adds_up_and_its_checks_say_what_it_holds():
    facts, musa = known(LLAMA), SETTINGS.cluster("musa")
    model = read_model_config(facts)
    memory = budget(
        model,
        TWO,
        musa,
        weights=weights_of(facts, model, "bfloat16"),
        max_model_len=8192,
        dtype="bfloat16",
    )

    assert memory.fixed + memory.free == memory.usable
    assert memory.kv_per_sequence == GIB // 2
    checks = memory_checks(model, memory, max_model_len=8192)
    assert [(check.rule, check.ok) for check in checks] == [("M1", True), ("K1", True), ("K4", True)]
    assert all(check.detail.en != check.detail.fr for check in checks)


@pytest.mark.parametrize(
    ("model", "rule"),
    [(LLAMA, "K1"), ("deepseek-ai/DeepSeek-V2-Lite", "K2"), ("google/gemma-2-9b", "K3"),
     ("ai21labs/Jamba-v0.1", "K3")],
)  # fmt: skip
def test_a_cache_follows_the_rule_of_its_family(model, rule):
    assert cache_rule(read_model_config(known(model))) == rule


def test_an_adapter_lies_beside_its_base():
    base = known(LLAMA)
    facts = made(base, adapter={"r": 16}, adapter_bytes=200 * 2**20)

    weights = weights_of(facts, read_model_config(facts), "bfloat16")

    assert weights.adapter_bytes == 200 * 2**20
    assert weights.bytes_per_gpu(TWO) == (weights.total_bytes + 200 * 2**20) // 2
    assert weights.notes[0].en.endswith("200.0 MiB.")


def test_an_adapter_of_unknown_size_is_counted_at_every_linear_layer():
    base = known(LLAMA)
    facts = made(base, adapter={"r": 16})

    # peft's own count at rank 16 on all seven linear layers of Llama 3.1 8B: 41,943,040 parameters.
    assert weights_of(facts, read_model_config(facts), "bfloat16").adapter_bytes == 2 * 41_943_040


def test_eager_spares_the_graphs():
    facts, musa = known(LLAMA), SETTINGS.cluster("musa")
    model = read_model_config(facts)
    weights = weights_of(facts, model, "bfloat16")

    eager, graphs = (
        budget(
            model, ONE, musa, weights=weights, max_model_len=8192, dtype="bfloat16", enforce_eager=enforced
        )
        for enforced in (True, False)
    )

    assert eager.free - graphs.free == musa.memory.graphs_bytes
