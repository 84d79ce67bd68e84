"""docs/explanation/planning.md says what the planner computes."""

from __future__ import annotations

import pytest
from palmares.leaderboard.planning.placement import Placement, run_checks
from palmares.leaderboard.planning.reading import read_model_config

from performance.hand_kept_table import facts_of, models, musa
from tests.docs.planning_page import EXAMPLE, GENERATED, PAGE, block, plan_of

TEXT = PAGE.read_text(encoding="utf-8")
RULES = [
    *(f"T{number}" for number in range(1, 9)),
    *["P1", "P5", "M1", "K1", "K2", "K3", "K4", "B1", "B2", "H1"],
]


@pytest.mark.parametrize("name", GENERATED)
def test_the_page_shows_what_the_code_computes(name):
    again = "run `python -m tests.docs.planning_page`: it writes docs/explanation/planning.md anew"
    assert block(TEXT, name) == GENERATED[name](), again


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_has_its_row(rule):
    assert f"\n| {rule} |" in TEXT


def test_every_rule_that_is_checked_has_its_row():
    facts = facts_of(models()[EXAMPLE])
    placement = Placement(nodes=2, tensor_parallel=2, pipeline_parallel=2)
    checked = {
        check.rule for check in run_checks(read_model_config(facts), placement, musa(allocation="node"))
    }

    assert {rule for rule in checked if f"\n| {rule} |" not in TEXT} == set()


def test_the_example_s_weights_are_what_the_formula_on_the_page_says():
    plan = plan_of(EXAMPLE)
    used = plan.bytes_per_gpu

    assert (plan.nodes, plan.tensor_parallel_size, plan.pipeline_parallel_size) == (2, 2, 2)
    ends = 152_064 * 8192 * 2
    expected = ((145_412_407_296 - 2 * ends) / 2 + ends) / 2 * 1.02
    assert used["weights"] == pytest.approx(expected, rel=1e-3)
    assert f"{used['weights']:,}" in TEXT
    parts = ("weights", "kv", "activations", "graphs", "communication", "engine", "free")
    assert sum(used[part] for part in parts) == used["usable"]
