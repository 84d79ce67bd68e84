"""docs/planning.md says what the planner computes."""

from __future__ import annotations

import pytest

from include.leaderboard.planning import checks
from include.leaderboard.settings import DEFAULT_CONFIG_DIR, load_settings
from tests.docs.planning_page import (
    BY_HAND,
    EXAMPLE,
    GENERATED,
    PAGE,
    block,
    compared,
    models,
    plan_of,
    ratios,
)

TEXT = PAGE.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", GENERATED)
def test_the_page_shows_what_the_code_computes(name):
    shown = block(TEXT, name)
    assert shown == GENERATED[name](), (
        "run `python -m tests.docs.planning_page`: it writes docs/planning.md anew"
    )


def test_every_rule_has_its_row():
    for rule in (
        "T1",
        "T2",
        "T3",
        "T4",
        "T5",
        "T6",
        "T7",
        "T8",
        "P1",
        "P5",
        "M1",
        "K1",
        "K2",
        "K3",
        "K4",
        "H1",
    ):
        assert f"\n| {rule} |" in TEXT, rule
    settings = load_settings(DEFAULT_CONFIG_DIR)
    plan = plan_of(models()[EXAMPLE], settings.cluster("musa"), settings)
    assert plan.reasons
    assert checks.RULES


def test_the_planner_reserves_at_most_half_of_what_people_reserved_by_gpu_and_three_fifths_by_node():
    rows = compared()
    by_gpu, by_node = ratios(rows)

    assert by_gpu <= 0.5
    assert by_node <= 0.6
    assert len(rows) == len(BY_HAND)


def test_what_people_would_not_run_is_refused_and_the_rest_placed():
    assert {row.model: row.verdict == "placed" for row in compared()} == {
        model: nodes is not None for model, nodes in BY_HAND.items()
    }


def test_the_example_s_weights_are_what_the_formula_on_the_page_says():
    settings = load_settings(DEFAULT_CONFIG_DIR)
    plan = plan_of(models()[EXAMPLE], settings.cluster("musa"), settings)
    used = plan.bytes_per_gpu

    assert (plan.nodes, plan.tensor_parallel_size, plan.pipeline_parallel_size) == (2, 2, 2)
    vocabulary, hidden, parameters = 152_064, 8192, 72_706_203_648
    expected = 2 * parameters / 4 * 1.02 + vocabulary * hidden * 2 / 2
    assert used["weights"] == pytest.approx(expected, rel=0.005)
    parts = ("weights", "kv", "activations", "graphs", "communication", "engine", "free")
    assert sum(used[part] for part in parts) == used["usable"]
