"""What the demo makes of Airflow's answers."""

from __future__ import annotations

import httpx
import pytest
from palmares.leaderboard.errors import StackError

from devstack.demo.sweep import STEPS, Sweep, SweepState, TaskState


def task(task_id: str, state: str, map_index: int = 0, try_number: int = 1) -> TaskState:
    return TaskState(
        run_id="r",
        task_id=task_id,
        map_index=map_index,
        name="org/model" if state != "waiting" else "",
        state=state,
        try_number=try_number,
    )


def group(*states: str) -> SweepState:
    return SweepState(runs={"r": "running"}, tasks=tuple(map(task, STEPS, states)))


@pytest.mark.parametrize(
    ("states", "step", "state"),
    [
        (("success", "success", "deferred", "waiting", "waiting", "waiting"), "poll_status", "deferred"),
        (("success", "success", "failed", "upstream_failed"), "poll_status", "failed"),
        (("skipped",) * 6, "plan_resources", "skipped"),
        (("skipped", "waiting", "waiting"), "plan_resources", "skipped"),
        (("success",) * 6, "publish", "success"),
    ],
)
def test_a_models_step_is_the_first_that_is_not_over_or_that_went_wrong(states, step, state):
    (model,) = group(*states).models
    assert (model.model, model.step, model.state) == ("org/model", step, state)


def test_a_model_counts_as_published_when_its_last_step_succeeded():
    assert group(*("success",) * 6).published == 1
    assert group("success", "failed").published == 0


def test_a_sweep_is_finished_when_every_run_is():
    assert not SweepState(runs={"a": "success", "b": "queued"}, tasks=()).is_finished
    assert SweepState(runs={"a": "success", "b": "failed"}, tasks=()).is_finished


class Airflow:
    """The answers of an API server with one finished run, one under way and one new."""

    def __init__(self, *, is_paused: bool = False, starts: str | None = None) -> None:
        self.runs = [("old", "success"), ("interrupted", "running")]
        self.is_paused, self.starts = is_paused, starts
        self.calls: list[tuple[str, str]] = []

    def client(self) -> httpx.Client:
        return httpx.Client(base_url="http://airflow", transport=httpx.MockTransport(self.answer))

    def answer(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path.removeprefix("/api/v2/dags/evaluate_submissions")
        self.calls.append((request.method, path))
        if path == "/dagRuns" and request.method == "POST":
            self.runs.append(("new", "running"))
            return httpx.Response(200, json={"dag_run_id": "new"})
        if path == "/dagRuns":
            runs = [{"dag_run_id": run_id, "state": state} for run_id, state in self.runs]
            return httpx.Response(200, json={"dag_runs": runs})
        if path.endswith("/taskInstances"):
            offset, limit = int(request.url.params["offset"]), int(request.url.params["limit"])
            rows: list[dict[str, object]] = [
                {
                    "task_id": "evaluate_model.publish",
                    "map_index": index,
                    "rendered_map_index": None,
                    "state": None,
                    "try_number": 0,
                }
                for index in range(150)
            ]
            page = rows[offset : offset + limit]
            return httpx.Response(200, json={"task_instances": page, "total_entries": len(rows)})
        if path == "" and request.method == "PATCH" and self.is_paused and self.starts:
            self.runs.append((self.starts, "queued"))
        return httpx.Response(200, json={"is_paused": self.is_paused})


def test_a_demo_takes_the_run_that_unpausing_starts():
    airflow = Airflow(is_paused=True, starts="scheduled")
    assert Sweep(airflow.client()).trigger() == "scheduled"
    assert ("POST", "/dagRuns") not in airflow.calls


def test_a_demo_starts_a_run_where_unpausing_starts_none(monkeypatch):
    monkeypatch.setattr("devstack.demo.sweep.OWN_RUN_S", 0.3)
    assert Sweep(Airflow(is_paused=True).client()).trigger() == "new"


def test_a_demo_follows_its_own_run_and_those_under_way_over_all_pages():
    airflow = Airflow()
    sweep = Sweep(airflow.client())
    assert sweep.trigger() == "new"
    assert ("PATCH", "") in airflow.calls, "the DAG is unpaused"
    state = sweep.state()
    assert set(state.runs) == {"interrupted", "new"}
    assert len(state.tasks) == 300
    assert {one.task_id for one in state.tasks} == {"publish"}


def test_a_refusal_of_airflow_is_told_with_its_words():
    def refuse(_request: httpx.Request) -> httpx.Response:
        return httpx.Response(403, text="Forbidden by the auth manager")

    with pytest.raises(StackError, match=r"403 to GET .*Forbidden by the auth manager"):
        Sweep(httpx.Client(base_url="http://airflow", transport=httpx.MockTransport(refuse)))


def test_a_dag_that_cannot_be_parsed_is_told_with_its_error():
    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("importErrors"):
            error = {"filename": "evaluate_submissions.py", "stack_trace": "Traceback\nNameError: x"}
            return httpx.Response(200, json={"import_errors": [error]})
        return httpx.Response(404, json={})

    sweep = Sweep(httpx.Client(base_url="http://airflow", transport=httpx.MockTransport(answer)))
    with pytest.raises(StackError, match=r"evaluate_submissions\.py cannot be parsed: NameError: x"):
        sweep.trigger()
