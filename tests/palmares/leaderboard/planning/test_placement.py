"""Each placement rule alone."""

from __future__ import annotations

import pytest
from palmares.leaderboard.planning.placement import (
    RULES,
    Placement,
    is_legal,
    placements,
    run_checks,
)
from palmares.leaderboard.planning.reading import read_model_config
from palmares.leaderboard.settings import load_settings

from tests.fixtures.config import CONFIG_DIR
from tests.palmares.leaderboard.planning.configs import KNOWN, LLAMA, known

SETTINGS = load_settings(CONFIG_DIR)
EIGHT = SETTINGS.cluster("musa").model_copy(update={"gpus_per_node": 8})
GPTQ = {"quant_method": "gptq", "bits": 4, "group_size": 128}
FP8 = {"quant_method": "fp8", "weight_block_size": [128, 128]}
MOE = "Qwen/Qwen3-30B-A3B"
MLA = "deepseek-ai/DeepSeek-V2-Lite"
MAMBA = "mistralai/Mamba-Codestral-7B-v0.1"


def broken_rules(facts, tp):
    placement = Placement(nodes=1, tensor_parallel=tp, pipeline_parallel=1)
    return [check.rule for check in run_checks(read_model_config(facts), placement, EIGHT) if not check.ok]


@pytest.mark.parametrize(
    ("model", "changes", "tp", "expected"),
    [
        (LLAMA, {}, 8, []),
        (LLAMA, {"num_attention_heads": 20, "num_key_value_heads": 4, "head_dim": 128}, 8, ["T1"]),
        (LLAMA, {"num_key_value_heads": 10}, 4, ["T2"]),
        (LLAMA, {"num_key_value_heads": 2}, 8, []),
        (LLAMA, {"intermediate_size": 14332}, 8, ["T3"]),
        (LLAMA, {"num_attention_heads": 30, "num_key_value_heads": 3, "intermediate_size": 14337,
                 "head_dim": 128, "vocab_size": 64}, 3, ["T4"]),
        (MOE, {}, 8, []),
        (MOE, {"moe_intermediate_size": 772}, 8, ["T5"]),
        (MOE, {"num_experts": 4}, 8, []),
        (MLA, {}, 8, []),
        (MLA, {"num_attention_heads": 12, "num_key_value_heads": 12}, 8, ["T1", "T6"]),
        (MLA, {"num_key_value_heads": 3}, 8, []),
        (MAMBA, {}, 8, []),
        (MAMBA, {"n_groups": 4}, 8, ["T7"]),
        (MAMBA, {"n_groups": 1}, 8, []),
        (MAMBA, {"num_heads": 100, "head_dim": 64}, 8, ["T7"]),
        (LLAMA, {"quantization_config": GPTQ}, 8, []),
        (LLAMA, {"quantization_config": {**GPTQ, "group_size": -1}}, 8, []),
        (LLAMA, {"quantization_config": GPTQ, "intermediate_size": 29568}, 8, ["T8"]),
        (MOE, {"quantization_config": FP8}, 2, []),
        (MOE, {"quantization_config": FP8}, 4, ["T8"]),
        ("openai/gpt-oss-20b", {}, 8, []),
        ("openai/gpt-oss-20b", {"num_attention_heads": 80, "num_key_value_heads": 16}, 16, ["T8", "P5"]),
    ],
)  # fmt: skip
def test_a_placement_breaks_exactly_the_rules_that_it_breaks(model, changes, tp, expected):
    assert broken_rules(known(model, **changes), tp) == expected


def test_every_rule_has_a_name_a_source_and_both_languages():
    placement = Placement(nodes=2, tensor_parallel=2, pipeline_parallel=2)
    for model in KNOWN:
        for check in run_checks(read_model_config(known(model)), placement, SETTINGS.cluster("musa")):
            assert check.rule
            assert check.source
            assert check.detail.en
            assert check.detail.fr
            assert "{" not in check.detail.en + check.detail.fr
    assert len({rule.__name__ for rule in RULES}) == 13


@pytest.mark.parametrize("cluster", ["local", "musa", "chuc"])
def test_the_quick_answer_is_that_of_all_rules(cluster):
    machines = SETTINGS.cluster(cluster)
    for name in KNOWN:
        model = read_model_config(known(name))
        for placement in placements(machines):
            checks = run_checks(model, placement, machines)
            assert is_legal(model, placement, machines) == all(check.ok for check in checks)


@pytest.mark.parametrize("architecture", ["Mamba2ForCausalLM", "Gemma3nForCausalLM"])
def test_a_class_that_vllm_does_not_cut_into_stages_stays_whole(architecture):
    model = read_model_config(known(LLAMA, architectures=[architecture]))
    staged = Placement(nodes=2, tensor_parallel=1, pipeline_parallel=2)
    whole = Placement(nodes=1, tensor_parallel=1, pipeline_parallel=1)
    broken = [check.rule for check in run_checks(model, staged, SETTINGS.cluster("musa")) if not check.ok]

    assert broken == ["P1"]
    assert is_legal(model, whole, SETTINGS.cluster("musa"))


def test_a_class_that_vllm_serves_no_more_is_left_to_transformers():
    model = read_model_config(known(LLAMA, architectures=["PersimmonForCausalLM"]))
    one = Placement(nodes=1, tensor_parallel=1, pipeline_parallel=1)

    assert is_legal(model, one, SETTINGS.cluster("musa"))  # by its Transformers backend
    model = read_model_config(known(LLAMA, architectures=["CodeGenForCausalLM"]))
    broken = [check.rule for check in run_checks(model, one, SETTINGS.cluster("musa")) if not check.ok]
    assert broken == ["B2"]
    assert is_legal(model, one, SETTINGS.cluster("local"))


def test_quantised_weights_need_vllm():
    model = read_model_config(known(LLAMA, quantization_config=GPTQ))
    one = Placement(nodes=1, tensor_parallel=1, pipeline_parallel=1)
    broken = [check.rule for check in run_checks(model, one, SETTINGS.cluster("local")) if not check.ok]

    assert broken == ["B1"]
    assert is_legal(model, one, SETTINGS.cluster("musa"))


def test_a_pipeline_has_a_layer_a_stage():
    placement = Placement(nodes=4, tensor_parallel=1, pipeline_parallel=8)
    model = read_model_config(known(LLAMA, num_hidden_layers=4))

    checks = run_checks(model, placement, SETTINGS.cluster("musa"))

    assert [check.rule for check in checks if not check.ok] == ["P1"]


def test_a_rule_about_what_a_model_lacks_says_so_instead_of_counting_nothing():
    model = read_model_config(known(LLAMA))
    placement = Placement(nodes=1, tensor_parallel=2, pipeline_parallel=1)
    details = {one.rule: one.detail.en for one in run_checks(model, placement, EIGHT) if not one.applies}
    assert details == {
        "T5": "no experts",
        "T6": "no latent attention",
        "T7": "no state",
        "T8": "not quantised in groups",
        "B1": "not quantised",
    }
