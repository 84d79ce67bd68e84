"""What people set by hand wins, is marked, and is never lost without a word."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from palmares.leaderboard.errors import RefusedError, SettingsError
from palmares.leaderboard.planning import JobPlan, plan_job
from palmares.leaderboard.planning.overrides import Override, Overrides, load_overrides
from palmares.leaderboard.settings import load_settings

from performance.hand_kept_table import facts_of, models, submission_of
from tests.fixtures.config import CONFIG_DIR

SETTINGS = load_settings(CONFIG_DIR)
EXAMPLE = CONFIG_DIR / "overrides.example.yaml"
LLAMA = "meta-llama/Llama-3.1-8B-Instruct"
REASONING = "EpistemeAI/ReasoningCore-Llama-3.2-3B-R01-1.1"


def planned(model: str, overrides: Overrides | None, cluster: str = "musa") -> JobPlan:
    return plan_job(
        facts_of(models()[model]),
        submission_of(model),
        SETTINGS.suite(),
        SETTINGS.cluster(cluster),
        overrides=overrides,
    )


def only(model: str = LLAMA, **members: object) -> Overrides:
    return Overrides({model: Override.model_validate(members)})


def read(tmp_path: Path, text: str) -> Overrides:
    path = tmp_path / "overrides.yaml"
    path.write_text(text, encoding="utf-8")
    return load_overrides(path)


def test_an_override_wins_and_is_marked():
    plan = planned(LLAMA, only(nodes=2, gpu_memory_utilization=0.8, walltime="08:00", enforce_eager=True))

    assert (plan.nodes, plan.queue, plan.pipeline_parallel_size) == (2, "musa-2-nodes", 2)
    assert (plan.gpu_memory_utilization, plan.walltime, plan.enforce_eager) == (0.8, "08:00", True)
    assert set(plan.overridden) == {"nodes", "gpu_memory_utilization", "walltime", "enforce_eager"}
    assert plan.reasons[0].startswith("Set by hand in overrides.yaml: ")
    assert plan.reasons_fr[0].startswith("Fixé à la main")
    assert plan.bytes_per_gpu["graphs"] == 0
    assert JobPlan.from_json(plan.to_json()) == plan


def test_one_that_costs_more_than_the_plan_warns_with_both_costs():
    own, plan = planned(LLAMA, None), planned(LLAMA, only(nodes=4))

    (warning,) = plan.warnings
    assert "costs more than the plan" in warning
    assert f"{own.gpu_hours:g} on 2" in warning
    assert plan.reserved_gpus == 8
    assert warning in plan.reasons


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ({"nodes": 7}, "nodes 7 is illegal or too small on musa: no queue serves such a shape"),
        ({"tensor_parallel_size": 3}, "tensor_parallel_size 3"),
        ({"walltime": "25:00"}, "wall time 25:00"),
        ({"max_model_len": 200000}, "max_model_len 200000 is more than the model's window of 131072"),
    ],
)
def test_one_that_is_illegal_is_not_followed_and_said(members, said):
    plan, own = planned(LLAMA, only(**members)), planned(LLAMA, None)

    assert any(warning.startswith("Override not applied") and said in warning for warning in plan.warnings)
    assert (plan.nodes, plan.walltime, plan.max_model_len) == (own.nodes, own.walltime, own.max_model_len)
    assert plan.overridden == ()


def test_one_that_is_too_small_for_the_model_is_not_followed():
    plan = planned(
        "mistralai/Mistral-Large-Instruct-2411", only("mistralai/Mistral-Large-Instruct-2411", nodes=1)
    )

    assert plan.nodes == 2
    assert "it needs" in plan.warnings[0]


def test_a_verdict_by_hand_refuses():
    with pytest.raises(RefusedError, match=r"too_large.*overrides\.yaml"):
        planned(LLAMA, only(verdict="too_large"))


def test_one_for_another_cluster_does_not_hold():
    assert planned(LLAMA, only(cluster="chuc", nodes=2)) == planned(LLAMA, None)


def test_the_shipped_table_tells_its_typo_and_its_double_key():
    table = load_overrides(EXAMPLE)

    assert len(table.by_model) == 17
    said = " ".join(table.warnings)
    assert f"{REASONING} is written twice; both entries are joined" in said
    assert "'06:00' and then '24:00': the last holds" in said
    assert table.by_model[REASONING].nodes == 1
    assert table.by_model[REASONING].walltime == "24:00"

    known = [
        *(name for name in table.by_model if not name.startswith("eval_")),
        "mistralai/Mixtral-8x22B-Instruct-v0.1",
    ]
    (unmatched,) = table.unmatched(known)
    assert "'eval_mistralai/Mixtral-8x22B-Instruct-v0.1' matches no model" in unmatched
    assert "Did you mean 'mistralai/Mixtral-8x22B-Instruct-v0.1'?" in unmatched


def test_a_plan_by_the_shipped_table_carries_its_oddities():
    plan = planned(REASONING, load_overrides(EXAMPLE))

    assert plan.walltime == "24:00"
    assert any("written twice" in warning for warning in plan.warnings)


def test_the_mistyped_model_is_warned_of_and_its_neighbours_are_not():
    table = load_overrides(EXAMPLE)

    (warning,) = table.warnings_for("mistralai/Mixtral-8x22B-Instruct-v0.1")
    assert "'eval_mistralai/Mixtral-8x22B-Instruct-v0.1' is not the name of this model" in warning
    assert table.warnings_for("mistralai/Mixtral-8x7B-Instruct-v0.1") == ()
    assert table.warnings_for("Qwen/Qwen2.5-Math-7B-Instruct") == ()
    assert len(table.warnings_for("qwen/Qwen2.5-math-72B-instruct")) == 1


def test_members_that_are_unknown_or_of_the_wrong_kind_are_left_out_with_a_warning(tmp_path):
    table = read(
        tmp_path, "overrides:\n  org/m: { nodes: two, node: 2, walltime: '08:00', max_num_seqs: 0 }\n"
    )

    assert table.by_model["org/m"].members() == ("walltime",)
    assert len(table.warnings) == 3
    assert any("node of org/m is no member that can be set" in warning for warning in table.warnings)


@pytest.mark.parametrize("text", ["", "overrides:\n", "overrides: {}\n"])
def test_a_file_without_overrides_is_fine(tmp_path, text):
    assert read(tmp_path, text).by_model == {}


@pytest.mark.parametrize(
    "text", ["nodes: 2\n", "- a\n", "overrides: 3\n", "overrides:\n  org/m: 2\n", "a: [\n"]
)
def test_a_file_of_another_form_is_refused(tmp_path, text):
    with pytest.raises(SettingsError, match=r"overrides\.yaml"):
        read(tmp_path, text)


@given(
    members=st.fixed_dictionaries(
        {},
        optional={
            "nodes": st.integers(1, 8),
            "gpus_per_node": st.integers(1, 4),
            "tensor_parallel_size": st.integers(1, 5),
            "pipeline_parallel_size": st.integers(1, 9),
            "gpu_memory_utilization": st.floats(0.05, 1),
            "max_model_len": st.integers(16, 300_000),
            "max_num_seqs": st.integers(1, 2000),
            "enforce_eager": st.booleans(),
            "walltime": st.sampled_from(["00:00", "00:30", "08:00", "24:00", "99:00"]),
        },
    ),
    model=st.sampled_from([LLAMA, "microsoft/phi-4", "Qwen/Qwen2.5-Math-72B-Instruct"]),
    cluster=st.sampled_from(["musa", "chuc"]),
)
def test_no_override_is_silently_lost(members, model, cluster):
    try:
        plan = planned(model, only(model, **members), cluster)
    except RefusedError as error:
        assert error.refusal.code == "too_large"
        return
    said = " ".join(plan.warnings)
    for name, value in members.items():
        followed = name in plan.overridden and getattr(plan, name) == value
        word = "wall time" if name == "walltime" else name
        assert followed or f"{word} {value}" in said
