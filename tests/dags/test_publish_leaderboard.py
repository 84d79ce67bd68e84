from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]

DESCRIBE = """
import json, sys
from airflow.dag_processing.dagbag import DagBag
from airflow.serialization.serialized_objects import DagSerialization

bag = DagBag(sys.argv[1])
dag = bag.dags["publish_leaderboard"]
DagSerialization.to_dict(dag)
assets = lambda found: sorted(asset.uri for asset in found)

print("\\n" + json.dumps({
    "errors": bag.import_errors,
    "tasks": {
        task.task_id: {
            "upstream": sorted(task.upstream_task_ids),
            "pool": task.pool,
            "retries": task.retries,
            "mode": getattr(task, "mode", None),
            "outlets": assets(task.outlets),
        }
        for task in dag.tasks
    },
    "paused": dag.is_paused_upon_creation,
    "catchup": dag.catchup,
    "max_active_runs": dag.max_active_runs,
    "timetable": type(dag.timetable).__name__,
    "waits_for": assets(dag.timetable.asset_condition.objects),
    "params": {name: dag.params[name] for name in dag.params},
    "told_by": {
        f"{other.dag_id}.{task.task_id}": assets(task.outlets)
        for other in bag.dags.values() for task in other.tasks if task.outlets
    },
}))
"""


@pytest.fixture(scope="module")
def dag(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The DAG as a fresh Airflow parses and serializes it, beside the others."""
    done = subprocess.run(
        [sys.executable, "-c", DESCRIBE, str(ROOT / "dags")],
        env={
            **os.environ,
            "AIRFLOW_HOME": str(tmp_path_factory.mktemp("airflow")),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
            "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "plugins")]),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    described: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return described


def test_it_runs_after_results_change_and_each_publication_says_so(dag: dict[str, Any]) -> None:
    assert dag["errors"] == {}
    assert dag["waits_for"] == ["x-palmares://results"]
    assert dag["told_by"] == {"evaluate_submissions.evaluate_model.publish": ["x-palmares://results"]}


def test_it_listens_from_the_first_result_on(dag: dict[str, Any]) -> None:
    # Airflow keeps no event for a DAG that is paused, and a new DAG is, unless it says otherwise.
    assert dag["paused"] is False


def test_a_burst_of_events_is_one_rebuild(dag: dict[str, Any]) -> None:
    # Airflow keeps an asset's events together while max_active_runs runs are queued or running.
    assert (dag["timetable"], dag["max_active_runs"], dag["catchup"]) == ("AssetTriggeredTimetable", 1, False)
    assert dag["tasks"]["rebuild"]["upstream"] == ["gather_results"]


def test_waiting_for_the_burst_holds_no_worker(dag: dict[str, Any]) -> None:
    assert dag["tasks"]["gather_results"]["mode"] == "reschedule"


def test_a_rebuild_comes_back_until_the_hub_takes_it(dag: dict[str, Any]) -> None:
    assert dag["tasks"]["rebuild"]["retries"] == 300
    assert dag["tasks"]["rebuild"]["pool"] == "hub"


def test_by_hand_it_need_not_wait(dag: dict[str, Any]) -> None:
    assert dag["params"] == {"at_once": False}
