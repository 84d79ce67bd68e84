"""Whatever a stranger's config.json holds, it is read or refused with a reason."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from palmares.leaderboard.errors import Refusal, RefusedError
from palmares.leaderboard.model_classes import registry
from palmares.leaderboard.planning.memory import budget, weights_of
from palmares.leaderboard.planning.model_config import ModelConfig
from palmares.leaderboard.planning.placement import Placement, run_checks
from palmares.leaderboard.planning.reading import Reading, read_model_config
from palmares.leaderboard.settings import load_settings
from palmares.leaderboard.submissions.model_facts import facts_of_config

from tests.fixtures.config import CONFIG_DIR
from tests.palmares.leaderboard.planning.configs import KNOWN, LLAMA

MUSA = load_settings(CONFIG_DIR).cluster("musa")
FIELDS = sorted(
    {name for one in KNOWN.values() for name in one["config"]}
    | {name for one in KNOWN.values() for name in one["config"].get("text_config", {})}
    | {
        "auto_map", "compression_config", "layers_block_type", "hybrid_override_pattern", "attn_config",
        "ffn_config", "mlp_only_layers", "mlp_layer_types", "moe_layers", "attn_layer_indices",
        "sliding_window_pattern", "full_attention_interval", "rope_scaling", "dtype", "llm_config",
    }
)  # fmt: skip
DEEP: Any = {}
for _ in range(900):
    DEEP = {"text_config": DEEP, "quant_method": [DEEP]}
VALUES = (
    st.none()
    | st.booleans()
    | st.integers(-(10**40), 10**40)
    | st.integers(-2, 300)
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["x" * 100_000, [None] * 10_000, [10**30], ["mamba"] * 32, 10**5000, DEEP])
    | st.recursive(
        st.none() | st.integers() | st.text(max_size=3),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=3)
        ),
        max_leaves=8,
    )
)


REASONS = {"incompatible", "custom_code", "too_large"}
"""Codes of the refusals that reading a configuration may end with."""


def plan(config: dict[str, Any]) -> None:
    """Read and measure: the sizes are ones that a model can have, or a refusal says what is wrong with them.

    Any exception but a refusal is a fault.
    """
    facts = facts_of_config(config, model_id="o/m")
    try:
        model = read_model_config(facts, Reading(unknown="conservative", allow_custom_code=True))
        assert_possible(model)
        weights = weights_of(facts, model, "bfloat16")
        assert weights.total_bytes > 0
        for pp in (1, 3, 8):
            placement = Placement(nodes=1, tensor_parallel=2, pipeline_parallel=pp)
            for check in run_checks(model, placement, MUSA):
                assert check.detail.en
                assert check.detail.fr
            memory = budget(model, placement, MUSA, weights=weights, max_model_len=4096, dtype="bfloat16")
            assert memory.weights > 0
            assert memory.activations > 0
            assert memory.kv_per_sequence >= 0
            assert memory.fixed + memory.free == memory.usable
    except RefusedError as error:
        assert_reasoned(error.refusal)


def assert_reasoned(refusal: Refusal) -> None:
    """The refusal is one that reading may end with, and names the model in both languages."""
    assert refusal.code in REASONS
    assert refusal.message_en.startswith("The model o/m ")
    assert refusal.message_fr.startswith("Le modèle o/m ")
    assert max(len(refusal.message_en), len(refusal.message_fr)) < 1200


def assert_possible(model: ModelConfig) -> None:
    """Sizes are whole and positive, fit each other, and every layer is of a known kind."""
    for size in (model.hidden, model.layers, model.vocabulary, model.parameters, model.active_parameters):
        assert type(size) is int
        assert size > 0
    assert model.active_parameters <= model.parameters
    assert model.parameters >= model.embedding_parameters
    assert min(model.heads, model.kv_heads, model.head_dim, model.intermediate, model.experts) >= 0
    assert model.heads == 0 or 0 < model.kv_heads <= model.heads
    assert model.window is None or model.window > 0
    assert len(model.mixers) in {0, model.layers}
    assert len(model.feed_forwards) in {0, model.layers}
    assert all(note.en and note.fr for note in model.notes)


@pytest.mark.parametrize("model", KNOWN)
@pytest.mark.parametrize(
    "value", [None, -1, 0, "many", 10**30, 1.5, True, [], {}, [1], {"a": {"b": []}}, float("nan")], ids=repr
)
def test_any_field_may_hold_anything(model, value):
    config = KNOWN[model]["config"]
    for field in config:
        plan({**config, field: value})
        if isinstance(config[field], dict):
            for inner in config[field]:
                plan({**config, field: {**config[field], inner: value}})


@pytest.mark.parametrize("model", KNOWN)
def test_any_field_may_be_missing(model):
    config = KNOWN[model]["config"]
    for field in config:
        plan({name: config[name] for name in config if name != field})


@settings(deadline=None)
@given(
    model=st.sampled_from(sorted(KNOWN)),
    changes=st.dictionaries(st.sampled_from(FIELDS), VALUES, max_size=4),
)
def test_a_fuzzed_config_of_any_family_is_read_or_refused_with_a_reason(model, changes):
    plan({**KNOWN[model]["config"], **changes})


@settings(deadline=None)
@given(
    architecture=st.sampled_from(sorted({*registry().served, *registry().native})),
    model=st.sampled_from(sorted(KNOWN)),
    changes=st.dictionaries(st.sampled_from(FIELDS), VALUES, max_size=3),
)
def test_any_familys_class_over_any_familys_config_is_read_or_refused_with_a_reason(
    architecture, model, changes
):
    plan({**KNOWN[model]["config"], **changes, "architectures": [architecture]})


@settings(deadline=None)
@given(
    quantization=VALUES
    | st.dictionaries(
        st.sampled_from(
            ["quant_method", "bits", "group_size", "weight_block_size", "config_groups", "load_in_8bit"]
        ),
        VALUES | st.sampled_from(["gptq", "awq", "fp8", "bitsandbytes", "compressed-tensors", "mxfp4"]),
    )
)
def test_a_fuzzed_quantisation_is_read_or_refused_with_a_reason(quantization):
    plan({**KNOWN[LLAMA]["config"], "quantization_config": quantization})
