"""What the states of a run's task instances tell of its models."""

from __future__ import annotations

from typing import Any

import pytest
from palmares_airflow.runs import open_groups, runs_of

ADMITTED = [{"job_key": "a"}, {"job_key": "b"}]
STEPS = ("plan_resources", "enqueue", "poll_status", "fetch_results", "post_process", "publish")


def states(a: str, b: str, **changed: Any) -> dict[str, str | None]:
    """Both groups' task instances in one state each, but for those in *changed*."""
    mapped = {f"evaluate_model.{step}_{i}": state for step in STEPS for i, state in enumerate((a, b))}
    return {"list_requests": "success", "admit_submissions": "success", **mapped, **changed}


def test_a_group_is_open_until_its_last_task_is_over() -> None:
    polling = {"evaluate_model.poll_status_1": "deferred", "evaluate_model.publish_1": None}

    assert open_groups(states("success", "success", **polling), ADMITTED) == frozenset({"b"})
    assert open_groups(states("upstream_failed", "skipped"), ADMITTED) == frozenset()


@pytest.mark.parametrize("state", [None, "scheduled", "queued", "running", "up_for_retry", "restarting"])
def test_every_state_that_is_not_an_end_is_open(state: str | None) -> None:
    found = open_groups(states("success", "failed") | {"evaluate_model.enqueue_0": state}, ADMITTED)

    assert found == frozenset({"a"})


def test_tasks_that_are_not_mapped_yet_are_open_for_all() -> None:
    early = {"admit_submissions": "success", **{f"evaluate_model.{step}": None for step in STEPS}}

    assert open_groups(early, ADMITTED) == frozenset({"a", "b"})


def test_while_a_run_admits_it_may_hold_anything() -> None:
    assert open_groups({"admit_submissions": "running"}, None) is None
    assert open_groups(states("success", "success", admit_submissions=None), ADMITTED) is None


def test_groups_whose_models_are_not_known_any_more_may_be_anyones() -> None:
    assert open_groups(states("success", "deferred"), None) is None
    assert open_groups(states("success", "failed"), None) == frozenset()


class Airflow:
    """The Task SDK's questions, with the answers that the execution API gives."""

    def get_dr_count(self, *, dag_id: str, run_ids: list[str]) -> int:
        return 0 if run_ids == ["deleted"] else 1

    def get_dagrun_state(self, dag_id: str, run_id: str) -> str:
        return {"live": "running", "over": "failed"}[run_id]

    def get_task_states(self, *, dag_id: str, run_ids: list[str]) -> dict[str, dict[str, str | None]]:
        return {run_ids[0]: states("success", "deferred", summarize=None)}

    def xcom_pull(self, **asked: Any) -> list[dict[str, str]]:
        return ADMITTED


def test_a_run_is_deleted_over_or_holds_its_open_groups() -> None:
    facts = runs_of(Airflow(), ["deleted", "over", "live"])  # type: ignore[arg-type]

    assert (facts["deleted"].state, facts["over"].state) == (None, "failed")
    assert facts["live"].waits_for("b")
    assert not facts["live"].waits_for("a")
    assert facts["live"].speaks_for("a")
