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
dag = bag.dags["reconcile_requests"]
DagSerialization.to_dict(dag)

print("\\n" + json.dumps({
    "errors": bag.import_errors,
    "tasks": [task.task_id for task in dag.tasks],
    "catchup": dag.catchup,
    "max_active_runs": dag.max_active_runs,
    "timetable": dag.schedule,
    "params": {name: dag.params[name] for name in dag.params},
}))
"""


@pytest.fixture(scope="module")
def dag(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The DAG as a fresh Airflow parses and serializes it."""
    done = subprocess.run(
        [sys.executable, "-c", DESCRIBE, str(ROOT / "dags" / "reconcile_requests.py")],
        env={
            **os.environ,
            "AIRFLOW_HOME": str(tmp_path_factory.mktemp("airflow")),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
            "PYTHONPATH": os.pathsep.join(map(str, (ROOT, ROOT / "include", ROOT / "plugins"))),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    described: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return described


def test_the_reconciler_is_one_task_each_quarter_of_an_hour_one_run_at_a_time(dag: dict[str, Any]) -> None:
    assert dag["errors"] == {}
    assert dag["tasks"] == ["reconcile"]
    assert (dag["timetable"], dag["catchup"], dag["max_active_runs"]) == ("*/15 * * * *", False, 1)


def test_it_reconciles_unless_asked_only_to_report(dag: dict[str, Any]) -> None:
    assert dag["params"] == {"dry_run": False, "grace_s": 600}
