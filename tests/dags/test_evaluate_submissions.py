from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
STEPS = ["plan_resources", "enqueue", "poll_status", "fetch_results", "post_process", "publish"]

DESCRIBE = """
import json, sys
from airflow.dag_processing.dagbag import DagBag
from airflow.serialization.serialized_objects import DagSerialization

bag = DagBag(sys.argv[1])
dag = bag.dags["evaluate_submissions"]
DagSerialization.to_dict(dag)

print("\\n" + json.dumps({
    "errors": bag.import_errors,
    "tasks": {
        task.task_id: {
            "upstream": sorted(task.upstream_task_ids),
            "retries": task.retries,
            "pool": task.pool,
            "trigger_rule": str(task.trigger_rule),
            "mapped": task.get_closest_mapped_task_group() is not None,
            "map_index_template": task.map_index_template,
        }
        for task in dag.tasks
    },
    "params": sorted(dag.params),
    "catchup": dag.catchup,
    "max_active_runs": dag.max_active_runs,
    "timetable": type(dag.timetable).__name__,
}))
"""


@pytest.fixture(scope="module")
def dag(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The DAG as a fresh Airflow parses and serializes it."""
    done = subprocess.run(
        [sys.executable, "-c", DESCRIBE, str(ROOT / "dags")],
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


def test_the_file_parses_and_serializes(dag: dict[str, Any]) -> None:
    assert dag["errors"] == {}


def test_each_model_goes_through_six_steps_in_order(dag: dict[str, Any]) -> None:
    group = [task.removeprefix("evaluate_model.") for task in dag["tasks"] if "." in task]

    assert group == STEPS
    for before, after in pairwise(STEPS):
        assert f"evaluate_model.{before}" in dag["tasks"][f"evaluate_model.{after}"]["upstream"]


def shown_names(template: str, *, source: str) -> list[str]:
    """What the grid shows for the mapped tasks of two models, by Airflow's own template environment."""
    from airflow.sdk import DAG

    @dataclass(frozen=True)
    class TaskInstance:
        map_index: int

        def xcom_pull(self, *, task_ids: str) -> list[dict[str, str]]:
            return {source: [{"model_id": "org/first"}, {"model_id": "org/second"}]}[task_ids]

    rendered = DAG("any", schedule=None).get_template_env().from_string(template)
    return [rendered.render(ti=TaskInstance(map_index)) for map_index in (0, 1)]


def test_every_mapped_task_is_named_after_its_model(dag: dict[str, Any]) -> None:
    mapped = {name: task for name, task in dag["tasks"].items() if task["mapped"]}

    assert list(mapped) == [f"evaluate_model.{step}" for step in STEPS]
    for task in mapped.values():
        names = shown_names(task["map_index_template"], source="admit_submissions")
        assert names == ["org/first", "org/second"]


def test_the_summary_runs_whatever_happened(dag: dict[str, Any]) -> None:
    assert dag["tasks"]["summarize"]["trigger_rule"] == "TriggerRule.ALL_DONE"
    assert dag["tasks"]["summarize"]["upstream"] == ["evaluate_model.publish"]


def test_every_pool_that_a_task_names_is_made_by_the_stack(dag: dict[str, Any]) -> None:
    made = json.loads((ROOT / "include" / "config" / "pools.json").read_text(encoding="utf-8"))

    assert {task["pool"] for task in dag["tasks"].values()} <= {*made, "default_pool"}


def test_a_publication_waits_for_the_hub_for_a_day_and_other_tasks_do_not(dag: dict[str, Any]) -> None:
    assert dag["tasks"]["evaluate_model.publish"]["retries"] == 300
    assert dag["tasks"]["evaluate_model.fetch_results"]["retries"] == 2


def test_the_form_offers_what_the_sweep_understands(dag: dict[str, Any]) -> None:
    from palmares.steps.sweep.admission import SweepOptions

    offered = set(dag["params"])
    assert offered == {"models", "suite", "cluster", "max_models", "limit_samples", "force", "dry_run"}
    assert offered <= set(SweepOptions.model_fields)


def test_the_form_offers_the_suites_and_clusters_of_the_configuration(dag_file: ModuleType) -> None:
    from palmares.leaderboard.settings import load_settings

    settings = load_settings()
    assert dag_file.PARAMS["suite"].schema["enum"] == [None, *sorted(settings.suites)]
    assert dag_file.PARAMS["cluster"].schema["enum"] == [None, *sorted(settings.clusters)]


def test_a_configuration_that_cannot_be_read_leaves_free_text(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from palmares_airflow.forms import choice, clusters, suites

    monkeypatch.setenv("PALMARES_CONFIG_DIR", str(tmp_path))
    (tmp_path / "clusters.yaml").write_text("clusters: [", encoding="utf-8")
    assert (suites(), clusters()) == ([], [])
    assert "enum" not in choice([], title="Suite", description="Any").schema


def test_nights_overlap_have_an_interval_and_are_not_caught_up(dag: dict[str, Any]) -> None:
    assert dag["max_active_runs"] > 1
    assert dag["catchup"] is False
    assert dag["timetable"] == "CronDataIntervalTimetable"


@pytest.fixture(scope="module")
def dag_file() -> ModuleType:
    spec = importlib.util.spec_from_file_location("the_sweep", ROOT / "dags" / "evaluate_submissions.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("changed", "run_type", "expected"),
    [
        ({}, "scheduled", True),
        ({}, "manual", True),
        ({}, "backfill", False),
        ({"max_models": 1}, "manual", False),
        ({"models": ["a/b"]}, "manual", False),
        ({"force": True}, "manual", False),
        ({"limit_samples": 5}, "manual", False),
    ],
)
def test_only_a_sweep_of_everything_goes_on_with_the_backlog(
    dag_file: ModuleType, changed: dict[str, Any], run_type: str, expected: bool
) -> None:
    params = {name: param.value for name, param in dag_file.PARAMS.items()}

    assert dag_file.takes_everything(run_type, params | changed) is expected
