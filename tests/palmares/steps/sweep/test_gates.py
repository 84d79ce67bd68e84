from __future__ import annotations

import pytest
from palmares.leaderboard.errors import GateError, ResultsFormatError
from palmares.steps.services import Services
from palmares.steps.sweep.gates import quarantining
from palmares.store.store import EvaluationState

from tests.palmares.steps.sweeping import admit, claimed

RUN = "night-1"


def test_what_a_gate_stops_is_parked_with_the_evidence_in_the_store_and_in_the_log(
    services: Services, caplog: pytest.LogCaptureFixture
) -> None:
    petit = claimed(admit(services, run=RUN))["petit"]

    with pytest.raises(GateError), quarantining(services, petit.job_key, dag_run_id=RUN):
        raise GateError("bac-fr: empty: 3 of 48, at most 0 (rows a, b, c)")

    evaluation = services.store.evaluations.get(petit.job_key)
    assert evaluation is not None
    assert (evaluation.state, evaluation.reason_code, evaluation.reason) == (
        EvaluationState.QUARANTINED,
        "parked",
        "bac-fr: empty: 3 of 48, at most 0 (rows a, b, c)",
    )
    (record,) = (record for record in caplog.records if record.name == "palmares.steps.sweep.gates")
    assert (record.levelname, record.getMessage()) == ("ERROR", f"parked: {evaluation.reason}")


def test_another_error_parks_nothing(services: Services) -> None:
    petit = claimed(admit(services, run=RUN))["petit"]

    with pytest.raises(ResultsFormatError), quarantining(services, petit.job_key, dag_run_id=RUN):
        raise ResultsFormatError("details.parquet: not parquet")

    evaluation = services.store.evaluations.get(petit.job_key)
    assert evaluation is not None
    assert evaluation.state is EvaluationState.CLAIMED
