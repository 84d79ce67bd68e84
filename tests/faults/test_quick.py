from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.faults.scenarios import QUICK

if TYPE_CHECKING:
    from tests.faults.report import Played
    from tests.faults.scenario import Scenario
    from tests.faults.world import World


@pytest.mark.stack
@pytest.mark.parametrize(
    "scenario",
    [pytest.param(one, id=one.id, marks=[pytest.mark.faults] if one.slow else []) for one in QUICK],
)
def test_one_result_comes_of_it_whatever_goes_wrong(
    world: World, scenario: Scenario, played: list[Played]
) -> None:
    from tests.faults.observe import observe
    from tests.faults.play import play
    from tests.faults.report import recorded

    with recorded(played, scenario) as record:
        outcome = record(observe(world.place, scenario, play(world, scenario)))

        assert outcome.problems(scenario) == [], outcome
        assert outcome.happened, "nothing went wrong: the fault was never met"
