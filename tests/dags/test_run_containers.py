from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.fixtures.config import CONFIG_DIR

ROOT = Path(__file__).parents[2]
DESCRIBE = """
import json, sys
from airflow.dag_processing.dagbag import DagBag
from airflow.serialization.serialized_objects import DagSerialization

bag = DagBag(sys.argv[1])
dag = bag.dags["run_containers"]
DagSerialization.to_dict(dag)
print("\\n" + json.dumps({
    "errors": bag.import_errors,
    "tasks": {task.task_id: [task.task_type, sorted(task.downstream_task_ids)] for task in dag.tasks},
    "paused": dag.is_paused_upon_creation,
    "timetable": dag.schedule,
}))
"""


@pytest.mark.parametrize(("launcher", "schedule"), [("agent", None), ("docker", "* * * * *")])
def test_it_looks_every_minute_only_where_a_docker_host_is_described(
    launcher: str, schedule: str | None, tmp_path: Path
) -> None:
    clusters = yaml.safe_load((CONFIG_DIR / "clusters.yaml").read_text(encoding="utf-8"))
    if launcher == "docker":
        clusters["clusters"]["local"] |= {"launcher": "docker", "docker": {"url": "unix:///x", "image": "x"}}
    (tmp_path / "clusters.yaml").write_text(yaml.safe_dump(clusters), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-c", DESCRIBE, str(ROOT / "dags" / "run_containers.py")],
        env={
            **os.environ,
            "AIRFLOW_HOME": str(tmp_path / "airflow"),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
            "PALMARES_CONFIG_DIR": str(tmp_path),
            "PYTHONPATH": os.pathsep.join(map(str, (ROOT, ROOT / "include", ROOT / "plugins"))),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    dag: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    assert dag["errors"] == {}
    assert dag["tasks"] == {
        "find_jobs": ["_PythonDecoratedOperator", ["run_job"]],
        "run_job": ["RunJobOperator", []],
    }
    assert (dag["paused"], dag["timetable"]) == (False, schedule)
