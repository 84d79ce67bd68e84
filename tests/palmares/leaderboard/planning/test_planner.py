"""Placements are legal, within memory and the smallest that make sense."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from palmares.leaderboard.errors import RefusedError
from palmares.leaderboard.planning import JobPlan, hyperparameters, plan_job
from palmares.leaderboard.planning.memory import budget, kv_bytes_per_token, weights_of
from palmares.leaderboard.planning.placement import Placement, run_checks
from palmares.leaderboard.planning.reading import read_model_config
from palmares.leaderboard.settings import load_settings
from palmares.leaderboard.submissions.model_facts import ModelFacts

from tests.fixtures.config import CONFIG_DIR

MODELS = Path(__file__).parents[3] / "data" / "models.csv"
ROWS = list(csv.DictReader(MODELS.read_text(encoding="utf-8").splitlines()))
DECODERS = [row for row in ROWS if row["architecture"].endswith("ForCausalLM")]
SETTINGS = load_settings(CONFIG_DIR)


def facts_of(row: dict[str, str], **changes: Any) -> ModelFacts:
    config: dict[str, Any] = {
        "hidden_size": int(row["hidden_size"]),
        "num_hidden_layers": int(row["layers"]),
        "num_attention_heads": int(row["attention_heads"]),
        "num_key_value_heads": int(row["kv_heads"]),
        "head_dim": int(row["head_dim"]),
        "intermediate_size": int(row["intermediate_size"]),
        "vocab_size": int(row["vocab_size"]),
        "max_position_embeddings": int(row["max_position_embeddings"]),
        "tie_word_embeddings": row["tie_word_embeddings"] == "True",
        "num_local_experts": int(row["experts"]) or None,
        "moe_intermediate_size": int(row["moe_intermediate_size"]) or None,
    }
    values: dict[str, Any] = {
        "model_id": row["model"],
        "commit": "0" * 40,
        "config": config,
        "weights_bytes": None,
        "weights_format": "safetensors",
        "parameters": None,
        "architectures": (row["architecture"],),
        "license": None,
        "likes": 0,
        "has_chat_template": True,
        "custom_code": False,
    }
    return ModelFacts(**{**values, **changes})


def named(name: str) -> dict[str, str]:
    return next(row for row in DECODERS if row["model"] == name)


@pytest.mark.parametrize("row", DECODERS, ids=lambda row: row["model"])
def test_the_legal_tensor_parallel_sizes_are_the_known_ones(row):
    model = read_model_config(facts_of(row))
    cluster = SETTINGS.cluster("musa").model_copy(update={"gpus_per_node": 8})

    legal = [
        tp
        for tp in (1, 2, 3, 4, 5, 6, 7, 8)
        if all(
            check.ok
            for check in run_checks(
                model, Placement(nodes=1, tensor_parallel=tp, pipeline_parallel=1), cluster
            )
        )
    ]

    assert [tp for tp in legal if tp in {1, 2, 4, 8}] == [int(tp) for tp in row["legal_tp"].split()]


@pytest.mark.parametrize("row", DECODERS, ids=lambda row: row["model"])
def test_weights_and_cache_are_counted_within_one_percent(row):
    facts = facts_of(row)
    model = read_model_config(facts)

    assert weights_of(facts, model, "bfloat16").total_bytes == pytest.approx(
        int(row["bf16_weight_bytes"]), rel=0.01
    )
    one = Placement(nodes=1, tensor_parallel=1, pipeline_parallel=1)
    assert kv_bytes_per_token(model, one, dtype="bfloat16") == int(row["kv_bytes_per_token_bf16"])


def test_the_encoder_decoder_of_the_table_runs_on_transformers(make_submission):
    row = next(row for row in ROWS if row["model"] == "teapotai/teapotllm")
    config = {
        "is_encoder_decoder": True,
        "d_model": 1024,
        "num_layers": 24,
        "num_heads": 16,
        "d_kv": 64,
        "d_ff": 2816,
        "vocab_size": 32128,
        "feed_forward_proj": "gated-gelu",
        "tie_word_embeddings": False,
        "n_positions": 512,
    }
    facts = facts_of(
        {**DECODERS[0], "model": row["model"]},
        config=config,
        architectures=("T5ForConditionalGeneration",),
    )

    plan = plan_job(facts, make_submission(), SETTINGS.suite(), SETTINGS.cluster("musa"))

    assert (plan.backend, plan.nodes, plan.tensor_parallel_size) == ("hf-seq2seq", 1, 1)
    assert read_model_config(facts).parameters == pytest.approx(int(row["params"]), rel=0.01)


def test_an_unknown_architecture_is_refused_by_name(make_facts, make_submission):
    facts = make_facts(architectures=("MysteryForCausalLM",))

    with pytest.raises(RefusedError, match="MysteryForCausalLM is not known"):
        plan_job(facts, make_submission(), SETTINGS.suite(), SETTINGS.cluster())


@pytest.mark.parametrize(
    ("model", "nodes", "tp", "pp"),
    [
        ("meta-llama/Llama-3.1-8B-Instruct", 1, 2, 1),
        ("microsoft/phi-4", 1, 2, 1),
        ("Qwen/Qwen2.5-Math-72B-Instruct", 2, 2, 2),
        ("mistralai/Mistral-Large-Instruct-2411", 2, 2, 2),
        ("mistralai/Mixtral-8x7B-Instruct-v0.1", 1, 2, 1),
    ],
)
def test_known_models_lie_on_musa_as_an_expert_would_lay_them(model, nodes, tp, pp, make_submission):
    plan = plan_job(facts_of(named(model)), make_submission(), SETTINGS.suite(), SETTINGS.cluster("musa"))

    assert (plan.nodes, plan.tensor_parallel_size, plan.pipeline_parallel_size) == (nodes, tp, pp)


def test_a_model_that_fits_nowhere_is_refused_with_the_numbers(make_submission):
    with pytest.raises(RefusedError) as caught:
        plan_job(
            facts_of(named("allenai/Llama-3.1-Tulu-3-405B")),
            make_submission(),
            SETTINGS.suite(),
            SETTINGS.cluster("local"),
        )

    assert caught.value.refusal.code == "too_large"
    assert "756" in caught.value.refusal.message_en
    assert "1.8 GiB are usable" in caught.value.refusal.message_en


def test_a_tiny_model_runs_on_the_demo_cluster(make_facts, make_submission):
    plan = plan_job(make_facts(), make_submission(), SETTINGS.suite(), SETTINGS.cluster())

    assert (plan.backend, plan.queue, plan.nodes, plan.gpus_per_node) == ("hf", "local-cpu", 1, 1)
    assert plan.max_model_len == 512
    assert any("longer prompts are cut" in reason for reason in plan.reasons)


def test_an_explicit_head_dim_beats_the_derived_one(make_facts):
    facts = make_facts()

    assert read_model_config(facts).head_dim == 16
    assert read_model_config(make_facts(config={**facts.config, "head_dim": 32})).head_dim == 32


def test_replicated_key_value_heads_are_legal_when_tp_is_their_multiple(make_facts):
    facts = make_facts()
    model = read_model_config(
        make_facts(config={**facts.config, "num_attention_heads": 8, "num_key_value_heads": 2})
    )
    cluster = SETTINGS.cluster("musa").model_copy(update={"gpus_per_node": 8})
    four = Placement(nodes=1, tensor_parallel=4, pipeline_parallel=1)

    assert all(check.ok for check in run_checks(model, four, cluster))


def test_tensor_parallelism_never_crosses_the_slow_fabric(make_facts):
    across = Placement(nodes=2, tensor_parallel=4, pipeline_parallel=1)

    checks = run_checks(read_model_config(make_facts()), across, SETTINGS.cluster("musa"))

    assert [check.rule for check in checks if not check.ok] == ["P5"]


@given(
    hidden=st.sampled_from([64, 1024, 4096, 8192]),
    layers=st.integers(1, 120),
    heads=st.sampled_from([8, 12, 32, 40, 64]),
    kv=st.sampled_from([1, 2, 4, 8, 10]),
    inter=st.integers(100, 30000),
    cluster=st.sampled_from(["musa", "chuc"]),
)
def test_every_placement_is_legal_and_within_memory(hidden, layers, heads, kv, inter, cluster):
    from palmares.leaderboard.submissions.submission import Submission

    row = {
        **DECODERS[0],
        "hidden_size": str(hidden),
        "layers": str(layers),
        "attention_heads": str(heads),
        "kv_heads": str(kv),
        "intermediate_size": str(inter),
    }
    facts = facts_of(row)
    submission = Submission(
        request_path="p", blob_oid="o", model_id="o/m", revision="0" * 40, requested_revision="main",
        precision="bfloat16", weight_type="Original", use_chat_template=True, suite="fr", suite_hash="h",
        seed=1, evaluator_version="1",
    )  # fmt: skip
    machines = SETTINGS.cluster(cluster)
    try:
        plan = plan_job(facts, submission, SETTINGS.suite(), machines)
    except RefusedError as error:
        assert error.refusal.code in {"too_large", "incompatible"}
        return
    placement = Placement(
        nodes=plan.nodes,
        tensor_parallel=plan.tensor_parallel_size,
        pipeline_parallel=plan.pipeline_parallel_size,
    )
    model = read_model_config(facts)
    assert all(check.ok for check in run_checks(model, placement, machines))
    memory = budget(
        model,
        placement,
        machines,
        weights_bytes=weights_of(facts, model, "bfloat16").total_bytes,
        max_model_len=plan.max_model_len,
        dtype="bfloat16",
    )
    assert memory.fixed + plan.max_num_seqs * memory.kv_per_sequence <= memory.usable
    assert plan.nodes * plan.gpus_per_node == plan.tensor_parallel_size * plan.pipeline_parallel_size
    assert JobPlan.from_json(plan.to_json()) == plan


@given(
    st.dictionaries(
        st.sampled_from(
            ["hidden_size", "num_attention_heads", "num_hidden_layers", "head_dim", "vocab_size", "n_inner",
             "tie_word_embeddings", "num_local_experts", "max_position_embeddings", "torch_dtype"]
        ),
        st.none() | st.integers(-(10**12), 10**12) | st.text(max_size=5) | st.floats() | st.booleans()
        | st.lists(st.integers(), max_size=2) | st.just({"a": {}}),
    )
)  # fmt: skip
def test_a_fuzzed_config_gets_a_plan_or_a_reason(config):
    from palmares.leaderboard.submissions.submission import Submission

    submission = Submission(
        request_path="p", blob_oid="o", model_id="o/m", revision="0" * 40, requested_revision="main",
        precision="bfloat16", weight_type="Original", use_chat_template=True, suite="fr", suite_hash="h",
        seed=1, evaluator_version="1",
    )  # fmt: skip
    base = dict(facts_of(DECODERS[0]).config or {})
    try:
        plan = plan_job(
            facts_of(DECODERS[0], config={**base, **config}),
            submission,
            SETTINGS.suite(),
            SETTINGS.cluster("musa"),
        )
    except RefusedError as error:
        assert error.refusal.message_fr
    else:
        assert plan.queue


def test_hyperparameters_are_strings_under_the_known_names(make_facts, make_submission):
    submission = make_submission()
    plan = plan_job(make_facts(), submission, SETTINGS.suite(), SETTINGS.cluster())

    written = hyperparameters(submission, plan, SETTINGS.suite())

    assert all(isinstance(value, str) for value in written.values())
    assert written["tasks"] == "community|bac-fr|0,community|ifeval-fr|0,community|gpqa-fr|0"
    assert written["limit_samples"] == ""
    assert written["job_key"] == submission.job_key
    assert list(written) == [
        "model", "revision", "cluster", "nb_nodes", "nb_gpus_per_node", "gpu_memory_utilization", "tasks",
        "max_model_length", "use_chat_template", "walltime", "dtype", "enforce_eager", "backend", "suite",
        "suite_hash", "job_key", "limit_samples", "seed",
    ]  # fmt: skip
