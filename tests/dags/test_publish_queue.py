from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
DESCRIBE = """
import json, sys
from airflow.dag_processing.dagbag import DagBag
from airflow.serialization.serialized_objects import DagSerialization

bag = DagBag(sys.argv[1])
dag = bag.dags["publish_queue"]
DagSerialization.to_dict(dag)
print("\\n" + json.dumps({
    "errors": bag.import_errors,
    "tasks": [task.task_id for task in dag.tasks],
    "pools": [task.pool for task in dag.tasks],
    "paused": dag.is_paused_upon_creation,
    "timetable": dag.schedule,
}))
"""


def test_the_queue_is_published_each_quarter_of_an_hour_without_anybodys_doing(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", DESCRIBE, str(ROOT / "dags" / "publish_queue.py")],
        env={
            **os.environ,
            "AIRFLOW_HOME": str(tmp_path),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
            "PYTHONPATH": os.pathsep.join(map(str, (ROOT, ROOT / "include", ROOT / "plugins"))),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    dag = json.loads(done.stdout.splitlines()[-1])
    assert dag["errors"] == {}
    assert (dag["tasks"], dag["pools"], dag["paused"]) == (["publish"], ["hub"], False)
    assert dag["timetable"] == "*/15 * * * *"
