from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.faults.scenarios import QUICK

if TYPE_CHECKING:
    from tests.faults.scenario import Scenario
    from tests.faults.world import World


@pytest.mark.stack
@pytest.mark.parametrize(
    "scenario",
    [pytest.param(one, id=one.id, marks=[pytest.mark.faults] if one.slow else []) for one in QUICK],
)
def test_one_result_comes_of_it_whatever_goes_wrong(world: World, scenario: Scenario) -> None:
    from tests.faults.observe import observe
    from tests.faults.play import play

    outcome = observe(world.place, scenario, play(world, scenario))

    print(outcome)
    assert outcome.problems(scenario) == [], outcome
    assert outcome.happened, "nothing went wrong: the fault was never met"
