"""The fallback policy asks for more each time, stays legal, and ends."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from palmares.leaderboard.clusters import minutes
from palmares.leaderboard.planning import JobPlan
from palmares.leaderboard.planning.fallback import FEWEST_SEQUENCES, describe_change, next_plan
from palmares.leaderboard.planning.model_config import ModelConfig
from palmares.leaderboard.planning.placement import Placement, run_checks
from palmares.leaderboard.planning.plan import hyperparameters, plan_parameters
from palmares.leaderboard.settings import load_settings

from tests.fixtures.config import CONFIG_DIR

SETTINGS = load_settings(CONFIG_DIR)
SUITE = SETTINGS.suite()
SHAPE = ModelConfig(
    architecture="LlamaForCausalLM",
    hidden=4096,
    layers=32,
    heads=32,
    kv_heads=8,
    head_dim=128,
    intermediate=14336,
    vocabulary=128256,
    window=131072,
    tied_embeddings=False,
)
PHI_4 = replace(SHAPE, heads=40, kv_heads=10, intermediate=17920, vocabulary=100352)


def a_plan(**changes: Any) -> JobPlan:
    values: dict[str, Any] = {
        "cluster": "musa",
        "queue": "musa-1-node",
        "nodes": 1,
        "gpus_per_node": 2,
        "tensor_parallel_size": 2,
        "pipeline_parallel_size": 1,
        "gpu_memory_utilization": 0.9,
        "max_model_len": SUITE.max_tokens,
        "max_num_seqs": 64,
        "dtype": "bfloat16",
        "enforce_eager": False,
        "backend": "vllm",
        "walltime": "02:00",
        "gpu_hours": 1.5,
        "reasons": ("It fits.",),
    }
    return JobPlan(**{**values, **changes})


def climb(plan: JobPlan, failure_class: str, model: ModelConfig | None = SHAPE) -> list[JobPlan]:
    """Every plan of the fallback policy, the first included."""
    plans = [plan]
    while True:
        following = next_plan(
            plans[-1],
            failure_class,
            suite=SUITE,
            cluster=SETTINGS.cluster(plan.cluster),
            model=model,
        )
        if following is None:
            return plans
        plans.append(following)
        assert len(plans) < 50


def test_memory_is_sought_in_the_batch_then_the_graphs_then_more_nodes():
    plans = climb(a_plan(), "out_of_memory")

    changes = [describe_change(old, new) for old, new in pairwise(plans)]
    assert changes[:3] == [
        "16 sequences at once instead of 64",
        "4 sequences at once instead of 16",
        "no CUDA graphs",
    ]
    assert changes[3] == "2 x 2 GPU instead of 1 x 2 GPU"
    assert (plans[4].queue, plans[4].pipeline_parallel_size, plans[4].gpu_hours) == ("musa-2-nodes", 2, 3.0)
    assert (plans[-1].nodes, plans[-1].queue) == (6, "musa-6-nodes")


def test_a_context_longer_than_the_suite_needs_is_cut_to_what_it_needs_and_never_further():
    plan = a_plan(max_model_len=SUITE.max_tokens * 4, max_num_seqs=FEWEST_SEQUENCES)

    plans = climb(plan, "out_of_memory")

    assert plans[1].max_model_len == SUITE.max_tokens
    assert {later.max_model_len for later in plans[1:]} == {SUITE.max_tokens}


def test_the_shortest_policy_reaches_more_gpus_within_the_night_s_retries():
    plans = climb(a_plan(max_num_seqs=256), "out_of_memory")

    assert plans[SETTINGS.retries.out_of_memory].nodes > 1


def test_gpus_of_the_same_node_are_taken_before_other_nodes():
    one = a_plan(cluster="chuc", queue="chuc-1-node", gpus_per_node=2, enforce_eager=True, max_num_seqs=4)

    (_, second, *_) = climb(one, "out_of_memory")

    assert (second.nodes, second.gpus_per_node, second.tensor_parallel_size) == (1, 4, 4)


@pytest.mark.parametrize("model", [None, PHI_4])
def test_where_tensor_parallelism_is_not_known_to_be_legal_stages_are_added(model):
    one = a_plan(cluster="chuc", queue="chuc-1-node", gpus_per_node=2, enforce_eager=True, max_num_seqs=4)

    (_, second, *_) = climb(one, "out_of_memory", model)

    assert (second.tensor_parallel_size, second.pipeline_parallel_size, second.gpus_per_node) == (2, 2, 4)


def test_one_process_on_one_device_has_nothing_but_its_batch_to_shrink():
    local = a_plan(cluster="local", queue="local-cpu", backend="hf", gpus_per_node=1, max_num_seqs=8)

    assert [plan.max_num_seqs for plan in climb(local, "out_of_memory")] == [8, 4]


def test_the_wall_time_doubles_up_to_the_cluster_s_longest():
    plans = climb(a_plan(walltime="05:00"), "wall_time")

    assert [plan.walltime for plan in plans] == ["05:00", "10:00", "20:00", "24:00"]
    assert plans[1].gpu_hours == 3.0
    assert plans[1].run_limit_s == 36000
    assert plans[1].reasons[1:] == ("The job outlived 05:00: it gets 10:00 and begins where it was.",)
    assert plans[1].reasons_fr == (
        "Le calcul a dépassé 05:00 : il dispose de 10:00 et reprend où il en était.",
    )


def test_the_budget_and_the_cost_follow_each_step():
    memory = {"weights": 5, "kv": 64, "graphs": 3, "free": 10, "usable": 82}
    plans = climb(a_plan(bytes_per_gpu=memory, carbon_kg=0.5, reserved_gpus=2), "out_of_memory")

    assert [(plan.bytes_per_gpu or {}).get("free") for plan in plans[:5]] == [10, 58, 70, 73, None]
    assert plans[3].bytes_per_gpu == {"weights": 5, "kv": 4, "graphs": 0, "free": 73, "usable": 82}
    assert (plans[4].reserved_gpus, plans[4].carbon_kg) == (4, 1.0)


@pytest.mark.parametrize("failure_class", ["node_lost", "preempted", "evaluator_error"])
def test_other_outcomes_keep_its_plan(failure_class):
    plan = a_plan()

    same = next_plan(plan, failure_class, suite=SUITE, cluster=SETTINGS.cluster("musa"))

    assert same == plan
    assert describe_change(plan, plan) == ""


@given(
    cluster=st.sampled_from(["musa", "chuc", "local"]),
    sequences=st.integers(1, 512),
    length=st.integers(16, 40000),
    eager=st.booleans(),
    tp=st.sampled_from([1, 2, 4]),
    walltime=st.integers(0, 30 * 60),
    model=st.sampled_from([None, SHAPE, PHI_4]),
)
def test_every_fallback_policy_ends_repeats_no_plan_and_only_asks_for_more(
    cluster, sequences, length, eager, tp, walltime, model
):
    machines = SETTINGS.cluster(cluster)
    tp = min(tp, machines.gpus_per_node)
    plan = a_plan(
        cluster=cluster,
        queue=next(iter(machines.queues.values())),
        backend=machines.backend,
        gpus_per_node=tp,
        tensor_parallel_size=tp,
        max_num_seqs=sequences,
        max_model_len=length,
        enforce_eager=eager,
        walltime=f"{walltime // 60:02d}:{walltime % 60:02d}",
    )
    for failure_class in ("out_of_memory", "wall_time"):
        if failure_class == "wall_time" and walltime == 0:
            continue  # a plan's wall time is never less than the cluster's least
        plans = climb(plan, failure_class, model)
        for old, new in pairwise(plans):
            assert describe_change(old, new)
            assert new.max_num_seqs <= old.max_num_seqs
            assert new.max_model_len <= old.max_model_len
            assert new.enforce_eager >= old.enforce_eager
            assert new.nodes * new.gpus_per_node >= old.nodes * old.gpus_per_node
            assert minutes(new.walltime) >= minutes(old.walltime)
            assert new.nodes * new.gpus_per_node == new.tensor_parallel_size * new.pipeline_parallel_size
            assert new.queue in machines.queues.values()
            placement = Placement(
                nodes=new.nodes,
                tensor_parallel=new.tensor_parallel_size,
                pipeline_parallel=new.pipeline_parallel_size,
            )
            moved = (old.nodes, old.gpus_per_node) != (new.nodes, new.gpus_per_node)
            if model is not None and moved:
                assert all(check.ok for check in run_checks(model, placement, machines))


def test_what_a_plan_decides_is_part_of_the_hyperparameters(make_submission):
    plan = a_plan()
    written = hyperparameters(make_submission(), plan, SUITE)

    assert plan_parameters(plan).items() <= written.items()
    assert plan_parameters(plan)["nb_gpus_per_node"] == "2"
