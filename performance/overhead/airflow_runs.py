"""Runs of a DAG over Airflow's REST API: start one, wait for its end, read when its tasks ran."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx

GROUP = "evaluate_model."
STEPS = ("plan_resources", "enqueue", "poll_status", "fetch_results", "post_process", "publish")
POLL_S = 1.0
PAGE_ROWS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskTimes:
    """One task instance; seconds since the epoch."""

    task_id: str
    """Without its group."""
    map_index: int
    state: str
    begin: float | None
    end: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishedRun:
    """A run from the call that asked for it to its end."""

    run_id: str
    asked_at: float
    tasks: tuple[TaskTimes, ...]

    def times(self, step: str) -> list[TaskTimes]:
        """One step of all groups, by map index."""
        return sorted((t for t in self.tasks if t.task_id == step), key=lambda t: t.map_index)

    @property
    def last_publish(self) -> float:
        return max(_known(t.end) for t in self.times("publish"))

    @property
    def first_plan(self) -> float:
        return min(_known(t.begin) for t in self.times("plan_resources"))

    def mean_seconds(self) -> dict[str, float]:
        """How long each task was executing, by step; not ``poll_status``, whose times contain its wait."""
        return {
            step: round(statistics.fmean(_known(t.end) - _known(t.begin) for t in found), 2)
            for step in ("list_requests", "admit_submissions", *STEPS, "summarize")
            if step != "poll_status" and (found := self.times(step))
        }


def run_dag(
    client: httpx.Client,
    dag_id: str,
    conf: dict[str, Any],
    *,
    jobs: int,
    deadline_s: float,
    report: Callable[[str], None],
) -> FinishedRun:
    """Start a run and wait for its end.

    Raises:
        RuntimeError: It failed, a group is missing, or the deadline passed.
    """
    asked_at = time.time()
    body = {"logical_date": None, "conf": conf}
    answer = client.post(f"/api/v2/dags/{dag_id}/dagRuns", json=body).raise_for_status().json()
    run_id = str(answer["dag_run_id"])
    state = wait_for_run(client, dag_id, run_id, deadline_s=deadline_s)
    tasks = tuple(_tasks(client, dag_id, run_id))
    done = sum(t.task_id == "publish" and t.state == "success" for t in tasks)
    report(f"{dag_id}: {state}, {done} of {jobs} groups to their end, {time.time() - asked_at:.0f} s")
    if state != "success" or done != jobs:
        bad = [
            f"{t.task_id}[{t.map_index}] {t.state}" for t in tasks if t.state not in {"success", "skipped"}
        ]
        raise RuntimeError(f"{dag_id} run {run_id} is {state}, {done} of {jobs} groups succeeded: {bad[:10]}")
    return FinishedRun(run_id=run_id, asked_at=asked_at, tasks=tasks)


def wait_for_run(client: httpx.Client, dag_id: str, run_id: str, *, deadline_s: float) -> str:
    """The state in which a run ends."""
    deadline = time.monotonic() + deadline_s
    while True:
        run = client.get(f"/api/v2/dags/{dag_id}/dagRuns/{run_id}").raise_for_status().json()
        if run["state"] in {"success", "failed"}:
            return str(run["state"])
        if time.monotonic() > deadline:
            raise RuntimeError(f"{dag_id} run {run_id} is {run['state']} after {deadline_s:.0f} s")
        time.sleep(POLL_S)


def unpause(client: httpx.Client, dag_id: str, *, deadline_s: float = 120.0) -> None:
    """Let a DAG run, and wait out the run that a schedule starts at once."""
    deadline = time.monotonic() + deadline_s
    while client.get(f"/api/v2/dags/{dag_id}").status_code != httpx.codes.OK:
        errors = client.get("/api/v2/importErrors").raise_for_status().json()["import_errors"]
        if errors:
            raise RuntimeError(f"{errors[0]['filename']} cannot be parsed:\n{errors[0]['stack_trace']}")
        if time.monotonic() > deadline:
            raise RuntimeError(f"Airflow has not seen {dag_id} in {deadline_s:.0f} s")
        time.sleep(0.5)
    dag = client.patch(f"/api/v2/dags/{dag_id}", json={"is_paused": False}).raise_for_status().json()
    is_scheduled = dag.get("timetable_summary") is not None
    while is_scheduled:
        runs = client.get(f"/api/v2/dags/{dag_id}/dagRuns").raise_for_status().json()["dag_runs"]
        if runs and all(run["state"] in {"success", "failed"} for run in runs):
            return
        if time.monotonic() > deadline:
            raise RuntimeError(f"The scheduled runs of {dag_id} do not end: {runs}")
        time.sleep(0.5)


def _tasks(client: httpx.Client, dag_id: str, run_id: str) -> Iterable[TaskTimes]:
    offset = 0
    while True:
        page = client.get(
            f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances",
            params={"limit": PAGE_ROWS, "offset": offset},
        )
        rows = page.raise_for_status().json()["task_instances"]
        for row in rows:
            yield TaskTimes(
                task_id=row["task_id"].removeprefix(GROUP),
                map_index=row["map_index"],
                state=str(row["state"]),
                begin=_seconds(row["start_date"]),
                end=_seconds(row["end_date"]),
            )
        offset += len(rows)
        if len(rows) < PAGE_ROWS:
            return


def _seconds(text: str | None) -> float | None:
    return datetime.fromisoformat(text).timestamp() if text else None


def _known(moment: float | None) -> float:
    if moment is None:
        raise RuntimeError("A task of a finished run has no time: it did not run")
    return moment
