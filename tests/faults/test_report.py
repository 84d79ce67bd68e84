from __future__ import annotations

from pathlib import Path

from tests.faults.full.scenarios import FULL
from tests.faults.report import ids_in
from tests.faults.scenarios import QUICK

REPORT = Path(__file__).parents[2] / "docs" / "reference" / "reliability.md"


def test_every_scenario_has_its_row_in_the_report() -> None:
    scenarios = [one.id for one in (*QUICK, *FULL)]

    assert len(set(scenarios)) == len(scenarios)
    assert sorted(ids_in(REPORT)) == sorted(scenarios), (
        "run `make test-faults`: it writes docs/reference/reliability.md anew"
    )


def test_every_row_of_the_report_is_as_expected() -> None:
    rows = [line for line in REPORT.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    verdicts = [row.rstrip(" |").rpartition("| ")[2] for row in rows[1:]]

    assert len(verdicts) >= 40
    assert set(verdicts) == {"as expected"}
