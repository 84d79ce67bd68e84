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
FILE = ROOT / "dags" / "rescore_details.py"

DESCRIBE = """
import json, sys
from datetime import UTC, datetime
from airflow.dag_processing.dagbag import DagBag
from airflow.serialization.serialized_objects import DagSerialization

def described(dag):
    timetable = DagSerialization.from_dict(DagSerialization.to_dict(dag)).timetable
    return {
        "tasks": {
            task.task_id: {
                "upstream": sorted(task.upstream_task_ids),
                "outlets": [asset.uri for asset in task.outlets],
                "pool": task.pool,
                "retries": task.retries,
                "trigger_rule": str(task.trigger_rule),
                "mapped": task.get_closest_mapped_task_group() is not None,
                "map_index_template": task.map_index_template,
            }
            for task in dag.tasks
        },
        "params": sorted(dag.params),
        "catchup": dag.catchup,
        "max_active_runs": dag.max_active_runs,
        "timetable": type(timetable).__name__,
        "inner": type(getattr(timetable, "timetable", None)).__name__,
        "periodic": timetable.periodic,
        "assets": sorted(asset.uri for _, asset in timetable.asset_condition.iter_assets()),
        "condition": type(timetable.asset_condition).__name__,
    }

bag = DagBag(sys.argv[1])
read_back = DagSerialization.from_dict(DagSerialization.to_dict(bag.dags["rescore_details"]))
days = [datetime(2026, 3, day, tzinfo=UTC) for day in (2, 5)]
backfill = read_back.iter_dagrun_infos_between(*days)
print("\\n" + json.dumps({
    "errors": bag.import_errors,
    "backfill": [[str(info.data_interval.start), str(info.data_interval.end)] for info in backfill],
    "dags": {name: described(dag) for name, dag in bag.dags.items()},
}))
"""


@pytest.fixture(scope="module")
def parsed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The file's DAGs as a fresh Airflow parses and serializes them."""
    done = subprocess.run(
        [sys.executable, "-c", DESCRIBE, str(FILE)],
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
    assert described["errors"] == {}
    return described


@pytest.fixture(scope="module")
def dag(parsed: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = parsed["dags"]["rescore_details"]
    return found


@pytest.fixture(scope="module")
def dag_file() -> ModuleType:
    spec = importlib.util.spec_from_file_location("the_rescoring", FILE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


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


def test_each_model_is_graded_then_published_under_its_name(dag: dict[str, Any]) -> None:
    group = {name: task for name, task in dag["tasks"].items() if "." in name}

    assert list(group) == ["rescore_model.grade_again", "rescore_model.republish"]
    for before, after in pairwise(group):
        assert before in dag["tasks"][after]["upstream"]
    for task in group.values():
        assert task["mapped"]
        names = shown_names(task["map_index_template"], source="select_models")
        assert names == ["org/first", "org/second"]


def test_the_summary_runs_whatever_happened(dag: dict[str, Any]) -> None:
    assert dag["tasks"]["summarize"]["trigger_rule"] == "TriggerRule.ALL_DONE"
    assert dag["tasks"]["summarize"]["upstream"] == ["rescore_model.republish"]


def test_it_answers_new_scorers_and_can_be_backfilled(dag: dict[str, Any]) -> None:
    assert (dag["timetable"], dag["inner"]) == ("AssetOrTimeSchedule", "CronDataIntervalTimetable")
    assert dag["periodic"] is True  # what a backfill asks for
    assert dag["condition"] == "SerializedAssetAny"
    assert (dag["catchup"], dag["max_active_runs"]) == (False, 1)


def test_a_backfill_has_a_run_a_day_whose_intervals_meet(parsed: dict[str, Any]) -> None:
    intervals = parsed["backfill"]

    assert [start for start, _ in intervals] == [f"2026-03-0{day} 05:30:00+00:00" for day in (2, 3, 4)]
    assert all(before[1] == after[0] for before, after in pairwise(intervals))


def test_the_watch_tells_of_each_scorer_by_an_asset_of_its_own(
    parsed: dict[str, Any], dag: dict[str, Any]
) -> None:
    from palmares.benchmarks.registry import all_scorers

    watch = parsed["dags"]["watch_scorers"]["tasks"]
    told = {name.removeprefix("note_"): task["outlets"] for name, task in watch.items()}

    assert told == {name: [f"palmares://scorers/{name}"] for name in all_scorers()}
    assert dag["assets"] == sorted(uri for uris in told.values() for uri in uris)
    assert all(task["upstream"] == [] for task in watch.values())


def test_every_pool_that_a_task_names_is_made_by_the_stack(parsed: dict[str, Any]) -> None:
    made = json.loads((ROOT / "include" / "config" / "pools.json").read_text(encoding="utf-8"))
    named = {task["pool"] for dag in parsed["dags"].values() for task in dag["tasks"].values()}

    assert named <= {*made, "default_pool"}


def test_the_form_offers_what_the_selection_understands(dag: dict[str, Any]) -> None:
    from palmares.steps.rescore.selection import RescoreOptions

    assert set(dag["params"]) == {"models", "suite", "max_models", "force", "dry_run"}
    assert set(dag["params"]) <= set(RescoreOptions.model_fields)


def test_the_file_imports_nothing_of_the_domain_at_module_level() -> None:
    code = (
        "import sys, runpy; runpy.run_path(sys.argv[1]); "
        "print(sorted(name for name in sys.modules if name.split('.')[0] in "
        "{'palmares', 'pandas', 'pyarrow', 'huggingface_hub', 'sympy', 'scipy', 'sqlalchemy'}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(FILE)],
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(map(str, (ROOT, ROOT / "include", ROOT / "plugins"))),
        },
        capture_output=True,
        text=True,
        check=True,
    )

    imported = json.loads(done.stdout.splitlines()[-1].replace("'", '"'))
    assert [name for name in imported if not name.startswith("sqlalchemy")] == []


@pytest.mark.parametrize(
    ("changed", "run_type", "expected"),
    [
        ({}, "scheduled", True),
        ({}, "asset_triggered", True),
        ({}, "manual", True),
        ({}, "backfill", False),
        ({"models": ["a/b"]}, "manual", False),
        ({"suite": "fr"}, "manual", False),
        ({"force": True}, "manual", False),
        ({"dry_run": True}, "manual", False),
        ({"max_models": 1}, "manual", False),
    ],
)
def test_only_a_run_of_everything_goes_on_with_the_rest(
    dag_file: ModuleType, changed: dict[str, Any], run_type: str, expected: bool
) -> None:
    params = {name: param.value for name, param in dag_file.PARAMS.items()}

    assert dag_file.takes_everything(run_type, params | changed) is expected
