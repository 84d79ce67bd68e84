from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from tests.faults.full.drive import Drive, airflow
from tests.faults.full.scenarios import FULL, FullScenario
from tests.faults.full.stack import FullStack, running_stack
from tests.faults.observe import observe
from tests.faults.report import Played, recorded
from tests.fixtures.stack_end import stack_ends_with_this_process

pytestmark = [pytest.mark.faults, pytest.mark.stack]


@pytest.fixture(scope="module")
def stack() -> Iterator[tuple[FullStack, httpx.Client]]:
    with tempfile.TemporaryDirectory(prefix="palmares-faults-") as folder, ExitStack() as opened:
        Path(folder).chmod(0o755)  # PostgreSQL's own user goes through
        opened.enter_context(stack_ends_with_this_process(Path(folder) / "state"))
        running = opened.enter_context(running_stack(Path(folder) / "state"))
        yield running, opened.enter_context(airflow(running))


@pytest.mark.parametrize("scenario", [pytest.param(one, id=one.id) for one in FULL])
def test_one_result_comes_of_it_whoever_dies(
    stack: tuple[FullStack, httpx.Client], scenario: FullScenario, played: list[Played]
) -> None:
    running, client = stack
    running.wait_until_whole()
    running.rest.heal()
    with recorded(played, scenario) as record:
        drive = Drive(running, client, f"faults-{scenario.id}")
        drive.trigger()

        drive = scenario.act(drive) or drive
        state = drive.wait_until_over()
        running.wait_until_whole()
        running.rest.heal()
        outcome = record(observe(running.place, scenario, drive.seen()))

        assert state == scenario.run
        assert outcome.problems(scenario) == [], outcome
