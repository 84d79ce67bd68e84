"""The DAG `evaluate_submissions`, driven and followed through Airflow's REST API."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
from palmares.leaderboard.errors import StackError

DAG_ID = "evaluate_submissions"
WATCHMAN_ID = "reconcile_requests"
GROUP = "evaluate_model."
STEPS = ("plan_resources", "enqueue", "poll_status", "fetch_results", "post_process", "publish")
PAGE_ROWS = 100
"""Airflow's own limit of a page (``[api] maximum_page_limit``)."""
PARSE_DEADLINE_S = 90.0
OWN_RUN_S = 5.0
"""How long the scheduler may take to start a run of its own after the DAG was unpaused."""
FINISHED_RUN = frozenset({"success", "failed"})
FINISHED_TASK = frozenset({"success", "failed", "skipped", "upstream_failed", "removed"})
BAD_TASK = frozenset({"failed", "upstream_failed"})


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskState:
    """One task instance."""

    run_id: str
    task_id: str
    """Without its group."""
    map_index: int
    """-1: not mapped."""
    name: str
    """Of the mapped model; empty until it is known."""
    state: str
    try_number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelProgress:
    """Where one model is."""

    run_id: str
    map_index: int
    model: str
    is_unnamed: bool = False
    """Airflow does not know the name yet."""
    step: str
    state: str
    try_number: int

    @property
    def is_red(self) -> bool:
        return self.state in BAD_TASK


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepState:
    """All runs that are followed, at one moment."""

    runs: dict[str, str]
    """State by run id."""
    tasks: tuple[TaskState, ...]

    @property
    def is_finished(self) -> bool:
        return all(state in FINISHED_RUN for state in self.runs.values())

    @property
    def models(self) -> tuple[ModelProgress, ...]:
        """Every mapped model with its current step: the first that is not over, or that went wrong."""
        groups: dict[tuple[str, int], dict[str, TaskState]] = {}
        for task in self.tasks:
            if task.map_index >= 0 and task.task_id in STEPS:
                groups.setdefault((task.run_id, task.map_index), {})[task.task_id] = task
        return tuple(_progress(*key, group) for key, group in sorted(groups.items()))

    @property
    def published(self) -> int:
        """How many models got to the end of their group."""
        return sum(task.task_id == "publish" and task.state == "success" for task in self.tasks)

    @property
    def red(self) -> tuple[TaskState, ...]:
        """Task instances that failed themselves."""
        return tuple(task for task in self.tasks if task.state == "failed")


def _progress(run_id: str, map_index: int, group: dict[str, TaskState]) -> ModelProgress:
    model = next((task.name for task in group.values() if task.name), "")
    tasks = [group[step] for step in STEPS if step in group]
    current = next((task for task in tasks if task.state in BAD_TASK), None)
    # A skip reaches the steps below a little later.
    current = current or next((task for task in tasks if task.state == "skipped"), None)
    current = current or next((task for task in tasks if task.state not in FINISHED_TASK), tasks[-1])
    return ModelProgress(
        run_id=run_id,
        map_index=map_index,
        model=model or f"model {map_index + 1}",
        is_unnamed=not model,
        step=current.task_id,
        state=current.state,
        try_number=current.try_number,
    )


class Sweep:
    """The runs that a demo waits for: its own, and those that were under way."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client
        self._before = {run_id for run_id, state in self._recent_runs().items() if state in FINISHED_RUN}

    def trigger(self) -> str:
        """Let the DAG run, and the reconciler; make sure that a run of it begins now; return its run id.

        Unpausing starts a run for the schedule's last slot, unless there was one: it is taken, so that there
        are not two runs of which one finds nothing to do.

        Raises:
            StackError: The DAG cannot be parsed, or Airflow refuses.
        """
        known = set(self._recent_runs())
        was_paused = {dag_id: self._wait_for_dag(dag_id)["is_paused"] for dag_id in (DAG_ID, WATCHMAN_ID)}
        for dag_id in was_paused:
            self._call("PATCH", f"/api/v2/dags/{dag_id}", json={"is_paused": False})
        deadline = time.monotonic() + OWN_RUN_S
        while was_paused[DAG_ID] and time.monotonic() < deadline:
            for run_id in self._recent_runs():
                if run_id not in known:
                    return run_id
            time.sleep(0.2)
        run = self._call("POST", f"/api/v2/dags/{DAG_ID}/dagRuns", json={"logical_date": None, "conf": {}})
        return str(run["dag_run_id"])

    def state(self) -> SweepState:
        """What the runs and their tasks do now.

        Raises:
            StackError: Airflow does not answer as it should.
        """
        runs = {key: state for key, state in self._recent_runs().items() if key not in self._before}
        return SweepState(runs=runs, tasks=tuple(task for run_id in runs for task in self._tasks(run_id)))

    def _wait_for_dag(self, dag_id: str) -> dict[str, Any]:
        deadline = time.monotonic() + PARSE_DEADLINE_S
        while True:
            answer = self._client.get(f"/api/v2/dags/{dag_id}")
            if answer.status_code == httpx.codes.OK:
                return _checked(answer)
            for error in self._call("GET", "/api/v2/importErrors").get("import_errors", []):
                last = error["stack_trace"].strip().splitlines()[-1]
                raise StackError(f"{error['filename']} cannot be parsed: {last}. Correct it and start again.")
            if time.monotonic() > deadline:
                raise StackError(
                    f"Airflow has not seen {dag_id} in {PARSE_DEADLINE_S:.0f} s. "
                    f"Look into the DAG processor's log: palmares status"
                )
            time.sleep(0.2)

    def _recent_runs(self) -> dict[str, str]:
        answer = self._client.get(
            f"/api/v2/dags/{DAG_ID}/dagRuns", params={"order_by": "-id", "limit": PAGE_ROWS}
        )
        if answer.status_code == httpx.codes.NOT_FOUND:  # not parsed yet: no run
            return {}
        return {run["dag_run_id"]: run["state"] for run in _checked(answer)["dag_runs"]}

    def _tasks(self, run_id: str) -> Iterator[TaskState]:
        offset = 0
        while True:
            page = self._call(
                "GET",
                f"/api/v2/dags/{DAG_ID}/dagRuns/{run_id}/taskInstances",
                params={"limit": PAGE_ROWS, "offset": offset},
            )
            rows = page["task_instances"]
            for row in rows:
                yield TaskState(
                    run_id=run_id,
                    task_id=row["task_id"].removeprefix(GROUP),
                    map_index=row["map_index"],
                    name=_name(row),
                    state=row["state"] or "waiting",
                    try_number=row["try_number"],
                )
            offset += len(rows)
            if not rows or offset >= page["total_entries"]:
                return

    def _call(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        return _checked(self._client.request(method, path, **options))


def _name(row: dict[str, Any]) -> str:
    # Until the template is rendered, Airflow gives the bare index.
    name = row.get("rendered_map_index") or ""
    return "" if name == str(row["map_index"]) else name


def _checked(answer: httpx.Response) -> dict[str, Any]:
    if answer.is_error:
        raise StackError(
            f"Airflow answers {answer.status_code} to {answer.request.method} {answer.request.url.path}: "
            f"{answer.text[:200]}. Look into its log: palmares status"
        )
    body: dict[str, Any] = answer.json()
    return body
