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


BURST = """
import json, sys
from airflow.assets.manager import AssetManager
from airflow.dag_processing.dagbag import DagBag, sync_bag_to_db
from airflow.jobs.job import Job
from airflow.jobs.scheduler_job_runner import SchedulerJobRunner
from airflow.models.asset import AssetModel
from airflow.models.dagbundle import DagBundleModel
from airflow.models.dagrun import DagRun
from airflow.serialization.definitions.assets import SerializedAsset
from airflow.utils.session import create_session
from airflow.utils.sqlalchemy import prohibit_commit
from sqlalchemy import select

with create_session() as session:
    session.merge(DagBundleModel(name="dags-folder"))
sync_bag_to_db(DagBag(sys.argv[1]), "dags-folder", None)
ours = select(DagRun).where(DagRun.dag_id == "publish_leaderboard").order_by(DagRun.id)
scheduler = SchedulerJobRunner(Job())
told = []

def look():
    with create_session() as session, prohibit_commit(session) as guard:
        scheduler._create_dagruns_for_dags(guard, session)
        scheduler._start_queued_dagruns(session)
        guard.commit()
    with create_session() as session:
        told.append([str(run.state) for run in session.scalars(ours)])

def publications(count):
    with create_session() as session:
        found = session.scalar(select(AssetModel).where(AssetModel.uri == "palmares://results/published"))
        asset = SerializedAsset(name=found.name, uri=found.uri, group=found.group, extra={}, watchers=[])
        for _ in range(count):
            AssetManager().register_asset_change(asset=asset, session=session)

publications(5)
look()
publications(3)
look()
publications(4)
look()
with create_session() as session:
    for run in session.scalars(ours):
        run.set_state("success")
look()
look()
print("\\n" + json.dumps(told))
"""
"""Airflow's own scheduler, asked what it makes of publications that come in bursts."""


def airflow(home: Path, *command: str) -> str:
    """Run a program in a fresh Airflow's environment; return its last line."""
    done = subprocess.run(
        [sys.executable, *command],
        env={
            **os.environ,
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
            "PYTHONPATH": os.pathsep.join(map(str, (ROOT, ROOT / "include", ROOT / "plugins"))),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return (done.stdout.splitlines() or [""])[-1]


@pytest.fixture(scope="module")
def dag(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The DAG as a fresh Airflow parses and serializes it, beside the others."""
    described: dict[str, Any] = json.loads(
        airflow(tmp_path_factory.mktemp("airflow"), "-c", DESCRIBE, str(ROOT / "dags"))
    )
    return described


def test_it_runs_after_results_change_and_each_publication_says_so(dag: dict[str, Any]) -> None:
    assert dag["errors"] == {}
    assert dag["waits_for"] == ["palmares://results/published"]
    results = {name: uris for name, uris in dag["told_by"].items() if "palmares://results/published" in uris}
    assert results == {
        "evaluate_submissions.evaluate_model.publish": ["palmares://results/published"],
        "rescore_details.rescore_model.republish": ["palmares://results/published"],
    }


def test_it_listens_from_the_first_result_on(dag: dict[str, Any]) -> None:
    # Airflow keeps no event for a DAG that is paused, and a new DAG is, unless it says otherwise.
    assert dag["paused"] is False


def test_one_run_at_a_time_gathers_before_it_rebuilds(dag: dict[str, Any]) -> None:
    assert (dag["timetable"], dag["max_active_runs"], dag["catchup"]) == ("AssetTriggeredTimetable", 1, False)
    assert dag["tasks"]["rebuild"]["upstream"] == ["gather_results"]


@pytest.mark.stack
def test_a_burst_of_publications_is_one_run_and_one_more_for_what_came_meanwhile(tmp_path: Path) -> None:
    airflow(tmp_path, "-m", "airflow", "db", "migrate")

    told = json.loads(airflow(tmp_path, "-c", BURST, str(ROOT / "dags" / "publish_leaderboard.py")))

    # Five publications, then seven while the run waits or runs; then it is over, and nothing more comes.
    assert [len(runs) for runs in told] == [1, 1, 1, 2, 2]
    assert told[-1][0] == "success"


def test_waiting_for_the_burst_holds_no_worker(dag: dict[str, Any]) -> None:
    assert dag["tasks"]["gather_results"]["mode"] == "reschedule"


def test_a_rebuild_comes_back_until_the_hub_takes_it(dag: dict[str, Any]) -> None:
    assert dag["tasks"]["rebuild"]["retries"] == 300
    assert dag["tasks"]["rebuild"]["pool"] == "hub"


def test_by_hand_it_need_not_wait(dag: dict[str, Any]) -> None:
    assert dag["params"] == {"at_once": False}
