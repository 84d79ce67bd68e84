"""The sweep in a real Airflow process, against a real store and Hub: what a person types into the form."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from palmares.steps.services import Services

from tests.dags.test_rescore_details_run import airflow
from tests.palmares.steps.conftest import demo_hub, postgres_url, services, store_url
from tests.palmares.steps.sweeping import request_files

__all__ = ["airflow", "demo_hub", "postgres_url", "services", "store_url"]
pytestmark = pytest.mark.stack

ROOT = Path(__file__).parents[2]
RUN = """
import json, sys
from pathlib import Path
from airflow.dag_processing.dagbag import DagBag

dags = Path(sys.argv[1])
bag = DagBag(str(dags / "evaluate_submissions.py"), bundle_path=dags, bundle_name="tests")
told = []
for conf in sys.argv[2:]:
    run = bag.dags["evaluate_submissions"].test(run_conf=json.loads(conf))
    tis = run.get_task_instances()
    told.append({
        "state": str(run.state),
        "tasks": {f"{ti.task_id}[{ti.map_index}]": str(ti.state) for ti in tis},
        "summary": next(ti.xcom_pull(task_ids="summarize") for ti in tis if ti.task_id == "summarize"),
    })
print("\\n" + json.dumps(told))
"""


def runs(airflow: dict[str, str], *confs: dict[str, Any]) -> tuple[list[dict[str, Any]], str]:
    """Run the DAG once for each form, and return what became of each, and the whole log."""
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(ROOT / "dags"), *map(json.dumps, confs)],
        env=airflow, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    told: list[dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])
    return told, done.stdout + done.stderr


def test_a_wrong_form_fails_at_once_and_a_dry_run_answers_with_a_table(
    services: Services, airflow: dict[str, str]
) -> None:
    files = request_files(services)

    (wrong, dry), log = runs(
        airflow, {"models": ["palmares-demo/petti"]}, {"models": ["palmares-demo/petit"], "dry_run": True}
    )

    assert wrong["state"] == "failed"
    assert (wrong["tasks"]["list_requests[-1]"], wrong["tasks"]["summarize[-1]"]) == ("failed", "failed")
    assert "no request file names 'palmares-demo/petti'. Did you mean palmares-demo/petit?" in log
    assert "RunFormError" not in log
    assert dry["tasks"]["summarize[-1]"] == "success"
    assert [row["model"] for row in dry["summary"]["planned"]] == ["palmares-demo/petit"]
    assert "| palmares-demo/petit | local: 1 x 1 GPU |" in dry["summary"]["text"]
    assert request_files(services) == files
