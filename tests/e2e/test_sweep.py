from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from palmares.store.store import EvaluationState, Store

from devstack.demo.canary import CANARY
from devstack.supervisor.health import airflow_client
from tests.e2e.conftest import FinishedSweep, run_palmares

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[2]
DAG = "/api/v2/dags/evaluate_submissions"
STEPS = ["plan_resources", "enqueue", "poll_status", "fetch_results", "post_process", "publish"]
RANKED = ["palmares-demo/grand", "palmares-demo/moyen", "palmares-demo/petit"]


def test_three_models_are_ranked_by_ability_with_their_uncertainty(sweep: FinishedSweep) -> None:
    rows = sweep.board["rows"]

    assert len(rows) == 12
    assert [row["model"] for row in rows[:3]] == RANKED
    assert not any(row["scores"] for row in rows[3:])
    for row in rows[:3]:
        assert row["status"] == "FINISHED"
        assert set(row["scores"]) == {"bac-fr", "gpqa-fr", "ifeval-fr"}
        assert all(0 <= score["value"] <= 1 and score["stderr"] > 0 for score in row["scores"].values())


@pytest.mark.parametrize(
    ("model", "code"),
    [
        ("palmares-demo/grand", "duplicate"),
        ("palmares-demo/moyen", "revision_not_found"),
        ("palmares-demo/resumeur-t5", "incompatible"),
        ("palmares-demo/colosse-405b", "too_large"),
        ("modele-fantome", "not_found"),
        ("../../../../etc/passwd", "invalid_name"),
        ("autre-labo/modele-reserve", "gated"),
        ("palmares-demo/casse", "invalid_json"),
    ],
)
def test_each_bad_request_is_explained(sweep: FinishedSweep, model: str, code: str) -> None:
    refused = [row for row in sweep.rows(model) if not row["scores"]]

    assert [row["status"] for row in refused] == ["FAILED"]
    assert refused[0]["reason"].startswith(f"{code}: ")


def test_airflow_shows_a_green_group_a_model_by_name(sweep: FinishedSweep) -> None:
    with airflow_client(sweep.state) as client:
        tasks = list(_task_instances(client))

    groups: dict[str, dict[str, str]] = {}
    for task in tasks:
        if task["map_index"] >= 0 and task["rendered_map_index"]:
            step = task["task_id"].removeprefix("evaluate_model.")
            groups.setdefault(task["rendered_map_index"], {})[step] = task["state"]
    for model in RANKED:
        assert groups[model] == dict.fromkeys(STEPS, "success")
    assert set(groups) == set(RANKED)  # what cannot be evaluated has no group
    assert [task["task_id"] for task in tasks if task["state"] not in {"success", "skipped"}] == []


def test_a_killed_job_is_tried_again_and_its_second_attempt_counts(sweep: FinishedSweep) -> None:
    assert len(sweep.killed_pids) == 1
    with Store.connect(sweep.state.database_url("palmares")) as store:
        evaluations = store.evaluations.find(state=EvaluationState.PUBLISHED)
        attempts = [store.evaluations.attempts(evaluation.job_key) for evaluation in evaluations]

    endings = sorted([attempt.failure_class for attempt in one] for one in attempts)
    assert endings == [["node_lost", "succeeded"], ["succeeded"], ["succeeded"]]


def test_the_canary_of_the_hidden_rows_is_nowhere_but_in_private_places(sweep: FinishedSweep) -> None:
    needle = CANARY.encode()
    seen = [
        where
        for where, content in (
            *_files(sweep.paths.logs),
            *_files(sweep.paths.airflow / "logs"),
            *_files(sweep.paths.demo),
            *_airflow_tables(sweep),
            *_clearml_rows(sweep.paths.home),
            *_public_hub_files(sweep),
        )
        if needle in content
    ]

    assert seen == []
    assert needle not in sweep.output.encode()


def test_the_canary_is_in_the_private_details_so_that_the_search_can_find_it(sweep: FinishedSweep) -> None:
    from huggingface_hub import HfApi, hf_hub_download

    api = HfApi(endpoint=sweep.state.url("hub"), token=sweep.state.keys.hub_token)
    commit = api.dataset_info("palmares-demo/details").sha
    details = [
        path
        for path in api.list_repo_files("palmares-demo/details", repo_type="dataset", revision=commit)
        if path.endswith(".parquet")
    ]
    found = Path(
        hf_hub_download(
            "palmares-demo/details",
            details[0],
            repo_type="dataset",
            revision=commit,
            endpoint=sweep.state.url("hub"),
            token=sweep.state.keys.hub_token,
            local_dir=sweep.paths.demo.parent / "details",
        )
    )
    import pyarrow.parquet as pq

    assert CANARY in str(pq.read_table(found).column("full_prompt").to_pylist()[0])


def test_no_secret_is_in_logs_xcoms_or_public_files(sweep: FinishedSweep) -> None:
    keys = sweep.state.keys
    secrets = [
        keys.hub_token.encode(),
        keys.clearml_secret_key.encode(),
        keys.palmares_db_password.encode(),
    ]
    seen = [
        where
        for where, content in (
            *_files(sweep.paths.logs),
            *_files(sweep.paths.airflow / "logs"),
            *_airflow_tables(sweep),
            *_public_hub_files(sweep),
        )
        if any(secret in content for secret in secrets)
    ]

    assert seen == []


def test_the_readme_shows_what_the_demo_prints(sweep: FinishedSweep) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    # Without the scores: another processor's arithmetic may move the last digit.
    shown = [line for line in readme.splitlines() if line.startswith(("│", "┃")) and "±" not in line]

    assert len(shown) > 3
    printed = [line.rstrip() for line in sweep.output.splitlines()]
    assert [line for line in shown if line not in printed] == []


def test_a_second_demo_evaluates_nothing_again_and_says_so(sweep: FinishedSweep) -> None:
    output = run_palmares(sweep.paths.home, "demo", "--keep")

    assert "0 new evaluations, 3 results kept." in output


def _task_instances(client: httpx.Client) -> Iterator[dict[str, Any]]:
    for run in client.get(f"{DAG}/dagRuns").raise_for_status().json()["dag_runs"]:
        page = client.get(f"{DAG}/dagRuns/{run['dag_run_id']}/taskInstances", params={"limit": 100})
        yield from page.raise_for_status().json()["task_instances"]


def _files(folder: Path) -> Iterator[tuple[str, bytes]]:
    assert folder.is_dir(), f"{folder} is gone: this search would see nothing"
    for path in folder.rglob("*"):
        if path.is_file():
            yield str(path), path.read_bytes()


def _airflow_tables(sweep: FinishedSweep) -> Iterator[tuple[str, bytes]]:
    with psycopg.connect(sweep.state.database_url("airflow")) as connection:
        for table in ("xcom", "rendered_task_instance_fields", "log"):
            rows = connection.execute(f"SELECT to_jsonb(t)::text FROM {table} t").fetchall()
            assert rows, f"{table} is empty: this search would see nothing"
            for (text,) in rows:
                yield table, text.encode()


def _clearml_rows(home: Path) -> Iterator[tuple[str, bytes]]:
    """Tasks and events; artifacts are files of their own, and private."""
    databases = [
        path for path in (home / "clearml").rglob("*") if path.suffix in {".db", ".sqlite", ".sqlite3"}
    ]
    assert databases, "no ClearML database: this search would see nothing"
    for database in databases:
        with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as connection:
            for line in connection.iterdump():
                yield f"{database.name}: {line[:60]}", line.encode()


def _public_hub_files(sweep: FinishedSweep) -> Iterator[tuple[str, bytes]]:
    """Every file of every commit's head that anybody may download."""
    from huggingface_hub import HfApi

    endpoint = sweep.state.url("hub")
    api = HfApi(endpoint=endpoint, token=False)
    repositories = [("dataset", one.id) for one in api.list_datasets()]
    assert ("dataset", "palmares-demo/results") in repositories
    assert ("dataset", "palmares-demo/details") not in repositories
    for kind, repo_id in repositories:
        for path in api.list_repo_files(repo_id, repo_type=kind):
            url = f"{endpoint}/datasets/{repo_id}/resolve/main/{path}"
            yield f"{repo_id}/{path}", httpx.get(url, follow_redirects=True).raise_for_status().content


os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
