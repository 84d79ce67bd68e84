"""The planner against the table kept by hand: about half of the GPUs, every placement legal."""

from __future__ import annotations

import pytest
from palmares.leaderboard.errors import RefusedError
from palmares.leaderboard.planning import plan_job
from palmares.leaderboard.planning.placement import Placement, is_legal
from palmares.leaderboard.planning.reading import read_model_config
from palmares.leaderboard.settings import load_settings

from performance.hand_kept_table import compare, facts_of, models, musa, ratios, submission_of
from tests.fixtures.config import CONFIG_DIR


def test_half_of_the_gpus_are_reserved_or_six_tenths_by_whole_nodes():
    by_gpu, by_node = ratios(compare())

    assert by_gpu <= 0.5
    assert by_node <= 0.6


@pytest.mark.parametrize("row", compare(), ids=lambda row: row.model)
def test_every_placement_of_the_comparison_is_legal_and_holds_several_sequences(row):
    model = read_model_config(facts_of(models()[row.model]))
    for plan, allocation in ((row.by_node, "node"), (row.by_gpu, "gpu")):
        placement = Placement(
            nodes=plan.nodes,
            tensor_parallel=plan.tensor_parallel_size,
            pipeline_parallel=plan.pipeline_parallel_size,
        )
        assert is_legal(model, placement, musa(allocation=allocation))
        assert plan.max_num_seqs >= 8
        assert plan.bytes_per_gpu["free"] >= 0


def test_what_the_table_calls_too_large_is_too_large():
    model = "allenai/Llama-3.1-Tulu-3-405B"
    suite = load_settings(CONFIG_DIR).suite()

    with pytest.raises(RefusedError, match="too_large"):
        plan_job(facts_of(models()[model]), submission_of(model), suite, musa(allocation="node"))


def test_what_no_placement_allows_is_refused_by_the_rule_that_is_broken():
    model = "meta-llama/Llama-3.1-8B-Instruct"
    facts = facts_of(models()[model])
    quantized = facts_of(
        models()[model], config={**(facts.config or {}), "quantization_config": {"quant_method": "fp8"}}
    )
    settings = load_settings(CONFIG_DIR)

    with pytest.raises(RefusedError, match=r"incompatible.*fp8 on the backend hf \(B1\)"):
        plan_job(quantized, submission_of(model), settings.suite(), settings.cluster("local"))
