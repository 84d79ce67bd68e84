"""A backfill, and the nights of a week with requests that arrive between them, on another ClearML server.

The stack of the sweep is started again with the addresses and keys of a server that is not its own.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from palmares.store.store import EvaluationState, Store

from devstack.demo.seed import REQUESTS_REPO
from devstack.demo.sweep import FINISHED_RUN
from devstack.supervisor.health import airflow_client
from devstack.supervisor.state import StackState, load_state
from tests.devstack.servers.processes import SECRETS, served
from tests.e2e.conftest import SWEEP_DEADLINE_S, FinishedSweep, run_palmares

pytestmark = pytest.mark.e2e

DAG_ID = "evaluate_submissions"
BACKFILLED = "2025-12-02T10:00:00Z"
"""Within the backfill's dates, and before every date of the demo's own requests."""
LATER = "2026-02-01T10:00:00Z"


@dataclass(frozen=True, kw_only=True)
class Night:
    """One run that is over."""

    run_id: str
    state: str
    models: list[str]
    """That had a group, by the names in the grid."""


class Nights:
    """Runs of the sweep, started through Airflow's API, and the files of the requests dataset."""

    def __init__(self, state: StackState, client: httpx.Client) -> None:
        from huggingface_hub import HfApi

        self._client = client
        self._hub = HfApi(endpoint=state.url("hub"), token=state.keys.hub_token)

    def arrives(self, path: str, **fields: Any) -> str:
        """Commit a request file, as a submitter's tool does."""
        request = {"model": path.split("_eval_request")[0], "revision": "main", "private": False}
        request |= {"precision": "float32", "weight_type": "Original", "status": "PENDING"}
        request |= {"submitted_time": LATER, "job_id": "", "base_model": "", "model_type": "pretrained"}
        self._hub.upload_file(
            path_or_fileobj=json.dumps(request | fields).encode(),
            path_in_repo=path,
            repo_id=REQUESTS_REPO,
            repo_type="dataset",
        )
        return path

    def request(self, path: str) -> dict[str, Any]:
        url = f"{self._hub.endpoint}/datasets/{REQUESTS_REPO}/resolve/main/{path}"
        answer = httpx.get(url, follow_redirects=True, headers={"Authorization": f"Bearer {self._hub.token}"})
        found: dict[str, Any] = answer.raise_for_status().json()
        return found

    def backfill(self, first: str, last: str) -> list[Night]:
        body = {"dag_id": DAG_ID, "from_date": first, "to_date": last, "max_active_runs": 2}
        self._client.post("/api/v2/backfills", json=body).raise_for_status()
        query = {"logical_date_gte": first, "logical_date_lte": last, "run_type": "backfill"}
        runs = self._client.get(f"/api/v2/dags/{DAG_ID}/dagRuns", params=query).raise_for_status().json()
        return [self._ended(run["dag_run_id"]) for run in runs["dag_runs"]]

    def night(self, date: str) -> Night:
        start = {"logical_date": date, "conf": {}}
        run = self._client.post(f"/api/v2/dags/{DAG_ID}/dagRuns", json=start).raise_for_status().json()
        return self._ended(run["dag_run_id"])

    def _ended(self, run_id: str) -> Night:
        address = f"/api/v2/dags/{DAG_ID}/dagRuns/{run_id}"
        deadline = time.monotonic() + SWEEP_DEADLINE_S
        while True:
            answer = self._client.get(address)
            # A busy API server may fail once; the next poll shows whether it was more.
            state = answer.json()["state"] if answer.is_success else f"unknown: {answer.status_code}"
            if state in FINISHED_RUN:
                break
            assert time.monotonic() < deadline, f"{run_id} is still {state}"
            threading.Event().wait(0.2)
        page = self._client.get(f"{address}/taskInstances", params={"limit": 100}).raise_for_status().json()
        names = {one["rendered_map_index"] for one in page["task_instances"] if one["map_index"] >= 0}
        return Night(run_id=run_id, state=state, models=sorted(names - {None}))


PETIT = "palmares-demo/petit_eval_request_False_float32_Original.json"
MOYEN = "palmares-demo/moyen_eval_request_False_float32_Original.json"
GRAND = "palmares-demo/grand_eval_request_False_float32_Original.json"
TWICE = "palmares-demo/petit_eval_request_False_fp32_Original.json"
GHOST = "palmares-demo/fantome_eval_request_False_float32_Original.json"
WEEK = [f"2026-02-{day:02d}T02:00:00Z" for day in range(2, 9)]


@pytest.fixture(scope="module")
def other_clearml(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, list[str]]]:
    """The database of a ClearML server with ports and keys of its own, and the options that name it."""
    folder = tmp_path_factory.mktemp("other")
    with served(folder) as other:
        yield (
            folder / "clearml" / "clearml.sqlite",
            [
                part
                for name in ("clearml-api", "clearml-files", "clearml-web")
                for part in (f"--{name}", f"http://127.0.0.1:{other.ports[name]}")
            ],
        )


@pytest.fixture(scope="module")
def nights(sweep: FinishedSweep, other_clearml: tuple[Path, list[str]]) -> Iterator[Nights]:
    keys = {
        "CLEARML_API_ACCESS_KEY": SECRETS["PALMARES_CLEARML_ACCESS_KEY"],
        "CLEARML_API_SECRET_KEY": SECRETS["PALMARES_CLEARML_SECRET_KEY"],
    }
    run_palmares(sweep.paths.home, "down")
    said = run_palmares(sweep.paths.home, "up", "--detach", *other_clearml[1], environment=keys)
    assert other_clearml[1][-1] in said
    state = load_state(sweep.paths)
    assert state is not None
    with airflow_client(state) as client:
        yield Nights(state, client)


@pytest.fixture(scope="module")
def backfilled(nights: Nights) -> list[Night]:
    nights.arrives(PETIT, submitted_time=BACKFILLED)
    nights.arrives(MOYEN)
    return nights.backfill("2025-12-01T00:00:00Z", "2025-12-03T00:00:00Z")


def test_a_backfill_evaluates_what_was_submitted_between_its_dates_and_nothing_else(
    nights: Nights, backfilled: list[Night]
) -> None:
    assert len(backfilled) == 2
    assert {night.state for night in backfilled} == {"success"}
    assert sorted(night.models for night in backfilled) == [[], ["palmares-demo/petit"]]
    assert nights.request(PETIT)["status"] == "FINISHED"
    assert nights.request(MOYEN)["status"] == "PENDING"


@pytest.fixture(scope="module")
def week(nights: Nights, backfilled: list[Night]) -> list[Night]:
    """Seven nights; before some of them, requests arrive."""
    arrivals: dict[int, list[tuple[str, dict[str, str]]]] = {
        1: [(TWICE, {"model": "palmares-demo/petit", "precision": "fp32"})],
        2: [(GHOST, {})],
        4: [(GRAND, {})],
    }
    played = []
    for number, date in enumerate(WEEK):
        for path, fields in arrivals.get(number, []):
            nights.arrives(path, **fields)
        played.append(nights.night(date))
    return played


def test_each_night_of_a_week_evaluates_what_arrived_since_the_last_and_nothing_twice(
    week: list[Night],
) -> None:
    assert [night.state for night in week] == ["success"] * 7
    assert [night.models for night in week] == [
        ["palmares-demo/moyen"], [], [], [], ["palmares-demo/grand"], [], []
    ]  # fmt: skip


def test_after_the_week_every_request_has_its_end_and_each_evaluation_one_attempt(
    sweep: FinishedSweep, nights: Nights, week: list[Night]
) -> None:
    ends = {path: nights.request(path) for path in (PETIT, MOYEN, GRAND, TWICE, GHOST)}
    assert [ends[path]["status"] for path in (PETIT, MOYEN, GRAND)] == ["FINISHED"] * 3
    assert [ends[path]["status"] for path in (TWICE, GHOST)] == ["FAILED"] * 2
    assert ends[TWICE]["error_msg"].startswith("already_evaluated: ")
    assert ends[GHOST]["error_msg"].startswith("not_found: ")
    with Store.connect(sweep.state.database_url("palmares")) as store:
        published = store.evaluations.find(state=EvaluationState.PUBLISHED)
        arrived = [one for one in published if one.precision == "float32"]
        attempts = {one.request_path: len(store.evaluations.attempts(one.job_key)) for one in arrived}
    assert attempts == {PETIT: 1, MOYEN: 1, GRAND: 1}
    assert {one.dag_run_id for one in arrived} >= {week[0].run_id, week[4].run_id}


def test_the_jobs_ran_on_the_other_server_and_none_on_the_stacks_own(
    sweep: FinishedSweep, other_clearml: tuple[Path, list[str]], week: list[Night]
) -> None:
    assert len(week) == 7
    assert _statuses(other_clearml[0]) == {"completed": 3}
    # The sweep's three, and nothing since.
    assert _statuses(sweep.paths.embedded / "clearml" / "clearml.sqlite") == {"completed": 3}


def _statuses(database: Path) -> Counter[str]:
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        return Counter(row[0] for row in connection.execute("SELECT status FROM tasks"))
