"""Both DAGs of the re-scoring in a real Airflow process, against real services."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from palmares.benchmarks.bac_fr.scorer import BacFrScorer
from palmares.leaderboard.submissions.submission import Submission
from palmares.steps.services import Services

from tests.fixtures.hub_server import HubServer
from tests.palmares.steps.conftest import demo_hub, postgres_url, services, store_url
from tests.palmares.steps.rescore.test_rescoring import MODEL, old_scorer, petit, published_json

__all__ = ["demo_hub", "old_scorer", "petit", "postgres_url", "services", "store_url"]
pytestmark = pytest.mark.stack

ROOT = Path(__file__).parents[2]
RUN = """
import json, sys
from pathlib import Path
from airflow.dag_processing.dagbag import DagBag

dags = Path(sys.argv[1])
bag = DagBag(str(dags / "rescore_details.py"), bundle_path=dags, bundle_name="tests")
told = []
for dag_id in sys.argv[2:]:
    run = bag.dags[dag_id].test()
    told.append({
        "state": str(run.state),
        "tasks": {f"{ti.task_id}[{ti.map_index}]": str(ti.state) for ti in run.get_task_instances()},
        "names": sorted({ti.rendered_map_index for ti in run.get_task_instances() if ti.rendered_map_index}),
    })
print("\\n" + json.dumps(told))
"""


@pytest.fixture
def airflow(
    demo_hub: HubServer, store_url: str, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, str]:
    """Environment of an Airflow with a database of its own, and our services as its connections."""
    home = tmp_path_factory.mktemp("airflow")
    environment = {
        **os.environ,
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
        "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
        "AIRFLOW_CONN_PALMARES_DB": store_url,
        "AIRFLOW_CONN_HUGGINGFACE_HUB": json.dumps(
            {"conn_type": "generic", "host": demo_hub.endpoint, "password": demo_hub.token}
        ),
        "PALMARES_STORAGE_URL": str(tmp_path / "storage"),
        "PYTHONPATH": os.pathsep.join(map(str, (ROOT, ROOT / "include", ROOT / "plugins"))),
    }
    done = subprocess.run(
        [sys.executable, "-m", "airflow", "db", "migrate"],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return environment


def run_dags(airflow: dict[str, str], *dag_ids: str) -> list[dict[str, Any]]:
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(ROOT / "dags"), *dag_ids],
        env=airflow, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    told: list[dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])
    return told


def test_a_new_scorer_is_told_of_once_and_a_stale_model_is_published_once(
    services: Services, petit: Submission, airflow: dict[str, str]
) -> None:
    watch, watch_again, rescore, rescore_again = run_dags(
        airflow, "watch_scorers", "watch_scorers", "rescore_details", "rescore_details"
    )

    assert set(watch["tasks"].values()) == {"success"}
    assert set(watch_again["tasks"].values()) == {"skipped"}
    assert rescore == {
        "state": "success",
        "names": [MODEL],
        "tasks": {
            "select_models[-1]": "success",
            "run_backlog[-1]": "skipped",
            "rescore_model.grade_again[0]": "success",
            "rescore_model.republish[0]": "success",
            "summarize[-1]": "success",
        },
    }
    assert rescore_again["tasks"]["summarize[-1]"] == "success"
    results = list(published_json(services).values())
    assert len(results) == 2
    assert results[-1]["results"]["community|bac-fr|0"]["bac-fr-qem"] == pytest.approx(0.75)
    evaluation = services.store.evaluations.get(petit.job_key)
    assert evaluation is not None
    assert evaluation.scores is not None
    assert evaluation.scores["bac-fr"]["scorer_version"] == BacFrScorer.version
