"""What Airflow shows of every DAG beside its tasks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from palmares_airflow.common import DAG_IDS, PAGES

ROOT = Path(__file__).parents[2]
DESCRIBE = """
import json, sys
from airflow.dag_processing.dagbag import DagBag

bag = DagBag(sys.argv[1])
print("\\n" + json.dumps({name: {
    "description": dag.description,
    "owner": dag.owner,
    "tags": sorted(dag.tags),
    "docs": dag.doc_md,
    "zone": str(dag.timezone),
    "params": {key: dag.params.get_param(key).description for key in dag.params},
    "starred": [key for key in dag.params if "null" not in dag.params.get_param(key).schema.get("type", [])],
    "assets": sorted(asset.uri for task in dag.tasks for asset in task.outlets),
} for name, dag in bag.dags.items()}))
"""


@pytest.fixture(scope="module")
def dags(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    done = subprocess.run(
        [sys.executable, "-c", DESCRIBE, str(ROOT / "dags")],
        env={
            **os.environ,
            "AIRFLOW_HOME": str(tmp_path_factory.mktemp("airflow")),
            "AIRFLOW__API__BASE_URL": "https://airflow.test/here/",
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
            "PYTHONPATH": os.pathsep.join(map(str, (ROOT, ROOT / "include", ROOT / "plugins"))),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    described: dict[str, dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])
    return described


def test_every_dag_is_described_owned_tagged_and_in_one_time_zone(dags: dict[str, dict[str, Any]]) -> None:
    assert set(dags) == set(DAG_IDS)
    for dag in dags.values():
        assert dag["description"].endswith(".")
        assert dag["owner"] == "leaderboard"
        assert "leaderboard" in dag["tags"]
        assert len(dag["tags"]) > 1
        assert dag["zone"] == "Europe/Paris"


def test_the_documentation_of_every_dag_links_to_the_pages_and_to_the_other_dags(
    dags: dict[str, dict[str, Any]],
) -> None:
    for dag in dags.values():
        for page in PAGES:
            assert f"](https://airflow.test/here/palmares/{page})" in dag["docs"]
        for name in DAG_IDS:
            assert f"[{name}](https://airflow.test/here/dags/{name})" in dag["docs"]


def test_assets_have_names_of_one_form(dags: dict[str, dict[str, Any]]) -> None:
    named = {uri for dag in dags.values() for uri in dag["assets"]}
    assert "palmares://results/published" in named
    assert all(uri.startswith("palmares://") for uri in named)


def test_descriptions_of_form_fields_are_plain_text(dags: dict[str, dict[str, Any]]) -> None:
    texts = [text for dag in dags.values() for text in dag["params"].values() if text]
    assert len(texts) > 5
    assert not [text for text in texts if "`" in text]


def test_no_field_of_a_form_is_marked_as_required(dags: dict[str, dict[str, Any]]) -> None:
    assert {name: dag["starred"] for name, dag in dags.items()} == {name: [] for name in DAG_IDS}


def test_the_sweep_says_that_a_backfill_goes_by_dates_of_submission(dags: dict[str, dict[str, Any]]) -> None:
    assert "backfill's dates are\ndates of submission" in dags["evaluate_submissions"]["docs"]
