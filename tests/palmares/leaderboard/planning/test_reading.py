"""What is read of a config.json, family by family."""

from __future__ import annotations

from collections import Counter

import pytest
from palmares.leaderboard.errors import RefusedError
from palmares.leaderboard.planning.adapters import join
from palmares.leaderboard.planning.reading import Reading, read_model_config
from palmares.leaderboard.submissions.model_facts import facts_of_config

from tests.palmares.leaderboard.planning.configs import KNOWN, LLAMA, known


@pytest.mark.parametrize("model", KNOWN)
def test_parameters_are_counted_within_one_percent(model):
    assert read_model_config(known(model)).parameters == pytest.approx(KNOWN[model]["parameters"], rel=0.01)


@pytest.mark.parametrize(
    "model",
    [LLAMA, "mistralai/Mixtral-8x7B-v0.1", "Qwen/Qwen3-30B-A3B", "google/gemma-2-9b",
     "deepseek-ai/DeepSeek-V2-Lite", "microsoft/Phi-3-medium-128k-instruct",
     "mistralai/Mistral-Small-24B-Instruct-2501", "mistralai/Mamba-Codestral-7B-v0.1"],
)  # fmt: skip
def test_models_without_biases_are_counted_to_the_last_parameter(model):
    assert read_model_config(known(model)).parameters == KNOWN[model]["parameters"]


def test_few_experts_are_active_at_a_time():
    model = read_model_config(known("Qwen/Qwen3-30B-A3B"))

    assert model.active_parameters == pytest.approx(3.35e9, rel=0.01)  # the "A3B" of its name
    assert read_model_config(known(LLAMA)).active_parameters == 8030261248


@pytest.mark.parametrize(
    ("model", "mixers"),
    [
        ("google/gemma-2-9b", {"sliding": 21, "full": 21}),
        ("google/gemma-3-4b-it", {"sliding": 29, "full": 5}),
        ("openai/gpt-oss-20b", {"sliding": 12, "full": 12}),
        ("meta-llama/Llama-4-Scout-17B-16E-Instruct", {"sliding": 36, "full": 12}),
        ("ai21labs/Jamba-v0.1", {"state": 28, "full": 4}),
        ("mistralai/Mamba-Codestral-7B-v0.1", {"state": 64}),
        (LLAMA, {"full": 32}),
    ],
)
def test_each_layer_is_of_its_kind(model, mixers):
    assert Counter(read_model_config(known(model)).mixers) == mixers


def test_a_hybrid_written_as_letters_is_read():
    config = {
        "architectures": ["NemotronHForCausalLM"], "model_type": "nemotron_h", "hidden_size": 4096,
        "num_hidden_layers": 6, "hybrid_override_pattern": "M-M*-M", "num_attention_heads": 32,
        "num_key_value_heads": 8, "intermediate_size": 21504, "mamba_num_heads": 128, "mamba_head_dim": 64,
        "n_groups": 8, "ssm_state_size": 128, "vocab_size": 131072,
    }  # fmt: skip

    model = read_model_config(facts_of_config(config, model_id="a/b"))

    assert Counter(model.mixers) == {"state": 3, "full": 1, "none": 2}
    assert Counter(model.feed_forwards) == {"dense": 2, "none": 4}


def test_a_list_of_layers_of_the_wrong_length_is_refused():
    with pytest.raises(RefusedError, match="a list of 2 for 42 layers"):
        read_model_config(known("google/gemma-2-9b", layer_types=["full_attention"] * 2))


def test_a_nested_text_config_says_what_it_leaves_out():
    model = read_model_config(known("google/gemma-3-4b-it"))

    assert (model.heads, model.kv_heads, model.head_dim, model.vocabulary) == (8, 4, 256, 262208)
    assert any("defaults of the family gemma3_text" in note.en for note in model.notes)


def test_an_explicit_head_dim_is_told_from_a_derived_one():
    assert (
        read_model_config(known("mistralai/Mistral-Small-24B-Instruct-2501")).head_dim == 128
    )  # not 5120 / 32
    assert read_model_config(known("mistralai/Mistral-Small-24B-Instruct-2501")).explicit_head_dim
    assert not read_model_config(known(LLAMA)).explicit_head_dim


def test_code_of_its_own_is_refused_unless_allowed():
    own = {"AutoModelForCausalLM": "modeling_x.XForCausalLM"}
    facts = known(LLAMA, auto_map=own, architectures=["XForCausalLM"])

    with pytest.raises(RefusedError) as caught:
        read_model_config(facts)

    assert caught.value.refusal.code == "custom_code"
    allowed = Reading(unknown="conservative", allow_custom_code=True)
    assert read_model_config(facts, allowed).layers == 32
    assert read_model_config(known(LLAMA, auto_map=own)).layers == 32  # vLLM has the class


def test_an_auto_map_is_ignored_where_transformers_has_the_architecture():
    facts = known(LLAMA, auto_map={"AutoModelForCausalLM": "modeling_llama.LlamaForCausalLM"})

    assert read_model_config(facts).layers == 32


def test_an_unknown_class_is_refused_or_read_as_dense_and_said_to_be():
    facts = known(LLAMA, architectures=["MysteryForCausalLM"])

    with pytest.raises(RefusedError, match="MysteryForCausalLM is not known"):
        read_model_config(facts)

    model = read_model_config(facts, Reading(unknown="conservative"))
    assert model.parameters == 8030261248
    assert "MysteryForCausalLM is not known here" in model.notes[0].en
    assert "lu avec prudence" in model.notes[0].fr
    assert not model.is_known


def test_an_encoder_decoder_may_be_refused():
    with pytest.raises(RefusedError, match="encoder-decoder"):
        read_model_config(known("google/flan-t5-large"), Reading(encoder_decoders=False))


def adapter_facts(**config):
    facts = facts_of_config({}, model_id="me/adapter", weights_bytes=1000)
    return type(facts)(
        **{
            **{name: getattr(facts, name) for name in facts.__slots__},
            "config": None,
            "adapter": {"peft_type": "LORA", "base_model_name_or_path": LLAMA, "r": 16, **config},
        }
    )


def test_an_adapter_has_the_sizes_of_its_base():
    facts = join(adapter_facts(), known(LLAMA))

    model = read_model_config(facts)

    assert (facts.model_id, model.layers) == ("me/adapter", 32)
    assert model.adapter is not None
    assert (model.adapter.rank, model.adapter.weights_bytes) == (16, 1000)


def test_an_adapter_without_its_base_is_refused_with_the_name_of_the_base():
    with pytest.raises(RefusedError, match=f"an adapter of {LLAMA}"):
        read_model_config(adapter_facts())


def test_an_adapter_of_a_class_that_takes_none_is_refused():
    base = known(LLAMA, architectures=["GPT2LMHeadModel"])

    with pytest.raises(RefusedError, match="vLLM takes none for GPT2LMHeadModel"):
        read_model_config(join(adapter_facts(), base))


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"r": 1024}, "rank is 1024"),
        ({"use_dora": True}, "DoRA"),
        ({"modules_to_save": ["lm_head"]}, "whole"),
    ],
)
def test_an_adapter_that_vllm_cannot_serve_is_refused(config, message):
    with pytest.raises(RefusedError, match=message):
        read_model_config(join(adapter_facts(**config), known(LLAMA)))
