"""Laws that hold for any model: more memory never asks for more GPUs, a longer context never for fewer."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from palmares.leaderboard.clusters import Cluster
from palmares.leaderboard.errors import RefusedError
from palmares.leaderboard.planning import JobPlan, plan_job
from palmares.leaderboard.planning.placement import Placement, is_legal
from palmares.leaderboard.planning.reading import read_model_config
from palmares.leaderboard.settings import load_settings
from palmares.leaderboard.submissions.model_facts import ModelFacts
from palmares.leaderboard.suites import Suite

from performance.hand_kept_table import facts_of, models, musa, submission_of
from tests.fixtures.config import CONFIG_DIR

SETTINGS = load_settings(CONFIG_DIR)
SUITE = SETTINGS.suite()
GIB = 2**30
CLUSTERS = {
    "musa": SETTINGS.cluster("musa"),
    "chuc": SETTINGS.cluster("chuc"),
    "musa by GPU": musa(allocation="gpu"),
}


@st.composite
def any_model(draw: st.DrawFn) -> ModelFacts:
    heads = draw(st.sampled_from([8, 12, 24, 32, 40, 64, 96]))
    kv = draw(st.sampled_from([n for n in (1, 2, 4, 8, 10, heads) if heads % n == 0]))
    head_dim = draw(st.sampled_from([64, 128]))
    row = {
        **models()["meta-llama/Llama-3.1-8B-Instruct"],
        "model": "o/m",
        "hidden_size": str(heads * head_dim),
        "layers": str(draw(st.integers(12, 126))),
        "attention_heads": str(heads),
        "kv_heads": str(kv),
        "head_dim": str(head_dim),
        "intermediate_size": str(heads * head_dim * draw(st.sampled_from([2, 3, 4]))),
        "vocab_size": str(draw(st.integers(30_000, 260_000))),
    }
    return facts_of(row)


def planned(facts: ModelFacts, suite: Suite, cluster: Cluster) -> JobPlan | None:
    try:
        return plan_job(facts, submission_of("o/m"), suite, cluster)
    except RefusedError as error:
        assert error.refusal.code == "too_large"
        return None


def gpus(plan: JobPlan | None) -> float:
    return float("inf") if plan is None else plan.reserved_gpus


def with_context(extra: int) -> Suite:
    tasks = tuple(
        task.model_copy(update={"max_prompt_tokens": task.max_prompt_tokens + extra}) for task in SUITE.tasks
    )
    return SUITE.model_copy(update={"tasks": tasks})


def resized(name: str, memory_gib: float, **changes: Any) -> Cluster:
    return CLUSTERS[name].model_copy(update={"gpu_memory_bytes": int(memory_gib * GIB), **changes})


some_cluster = st.sampled_from(sorted(CLUSTERS))


@given(facts=any_model(), name=some_cluster, memory=st.floats(16, 100), more=st.floats(0, 60))
def test_more_memory_never_asks_for_more_gpus(facts, name, memory, more):
    smaller, larger = resized(name, memory), resized(name, memory + more)

    assert gpus(planned(facts, SUITE, larger)) <= gpus(planned(facts, SUITE, smaller))


@given(facts=any_model(), name=some_cluster, memory=st.floats(16, 100), more=st.floats(0, 60))
def test_nor_where_the_longest_wall_time_is_short(facts, name, memory, more):
    limits = {"max_walltime": "02:00"}
    smaller, larger = resized(name, memory, **limits), resized(name, memory + more, **limits)

    assert gpus(planned(facts, SUITE, larger)) <= gpus(planned(facts, SUITE, smaller))


@given(facts=any_model(), name=some_cluster, first=st.integers(0, 60_000), more=st.integers(0, 60_000))
def test_a_longer_context_never_asks_for_fewer_gpus(facts, name, first, more):
    shorter = planned(facts, with_context(first), CLUSTERS[name])

    assert gpus(planned(facts, with_context(first + more), CLUSTERS[name])) >= gpus(shorter)


@given(facts=any_model(), name=some_cluster, memory=st.floats(16, 100), extra=st.integers(0, 30_000))
def test_every_plan_is_legal_within_memory_and_accounts_for_every_byte(facts, name, memory, extra):
    cluster = resized(name, memory)
    plan = planned(facts, with_context(extra), cluster)
    if plan is None:
        return
    placement = Placement(
        nodes=plan.nodes,
        tensor_parallel=plan.tensor_parallel_size,
        pipeline_parallel=plan.pipeline_parallel_size,
    )
    assert is_legal(read_model_config(facts), placement, cluster)
    used = plan.bytes_per_gpu
    parts = ("weights", "kv", "activations", "graphs", "communication", "engine", "free")
    assert all(used[part] >= 0 for part in parts)
    assert sum(used[part] for part in parts) == used["usable"] <= used["total"]
    assert plan.queue in cluster.queues.values()
    assert plan.reserved_gpus <= cluster.nodes * cluster.gpus_per_node
    assert len(plan.reasons) == len(plan.reasons_fr)
    assert JobPlan.from_json(plan.to_json()) == plan


@given(facts=any_model(), name=some_cluster)
def test_each_smaller_reservation_is_listed_with_why_it_lost(facts, name):
    plan = planned(facts, SUITE, CLUSTERS[name])
    if plan is None:
        return
    assert all(other.why and other.why_fr for other in plan.alternatives)
    chosen = (plan.nodes, plan.tensor_parallel_size, plan.pipeline_parallel_size)
    for other in plan.alternatives:
        assert (other.nodes, other.tensor_parallel_size, other.pipeline_parallel_size) != chosen
        if other.reserved_gpus < plan.reserved_gpus:
            assert any(word in other.why for word in ("does not fit", "fewer than", "longer than", "illegal"))
