"""The next run of a DAG that had more than one run takes."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import DagRunTriggerException
from palmares_airflow.backlog import next_backlog_run_id, run_next


@pytest.mark.parametrize(
    "first", ["scheduled__2026-01-01T02:00:00+00:00", "asset_triggered__2026-01-01T02:00:00+00:00"]
)
def test_backlog_runs_are_counted_and_their_names_stay_short(first: str) -> None:
    run_id = first
    for _ in range(100):
        run_id = next_backlog_run_id(run_id)

    assert run_id == f"backlog_100__{first}"


def test_the_next_run_is_of_the_same_dag_with_the_same_params_and_is_started_once() -> None:
    run = SimpleNamespace(dag_id="evaluate_submissions", run_id="manual__1")
    context: Any = {"dag_run": run, "params": {"max_models": 50}}

    with pytest.raises(DagRunTriggerException) as raised:
        run_next(context)

    started = raised.value
    assert (started.trigger_dag_id, started.dag_run_id) == ("evaluate_submissions", "backlog_1__manual__1")
    assert (started.conf, started.skip_when_already_exists) == ({"max_models": 50}, True)
