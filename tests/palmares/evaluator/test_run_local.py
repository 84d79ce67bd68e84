"""Whole evaluations of the demo's models, without ClearML."""

from __future__ import annotations

import hashlib
import json
import shutil
import zipfile
from pathlib import Path

import pytest
from palmares.evaluator.details import COLUMNS

from devstack.demo.canary import CANARY
from tests.palmares.evaluator.conftest import MODELS, Run, evaluate

pytestmark = pytest.mark.evaluator

BAC, IFEVAL, GPQA = "community|bac-fr|0", "community|ifeval-fr|0", "community|gpqa-fr|0"


def test_the_three_models_rank_by_ability(demo_runs: dict[str, Run]):
    averages = {name: run.average for name, run in demo_runs.items()}
    assert averages["petit"] + 0.15 < averages["moyen"]
    assert averages["moyen"] + 0.15 < averages["grand"]


def test_swapping_the_weights_of_two_models_swaps_their_ranks(demo_runs: dict[str, Run], tmp_path: Path):
    (tmp_path / "models").mkdir()
    shutil.copytree(MODELS / "grand", tmp_path / "models" / "petit")
    shutil.copytree(MODELS / "petit", tmp_path / "models" / "grand")
    swapped = {name: evaluate(tmp_path / "models" / name, tmp_path / name) for name in ("petit", "grand")}
    assert swapped["petit"].average == pytest.approx(demo_runs["grand"].average, abs=0.03)
    assert swapped["grand"].average == pytest.approx(demo_runs["petit"].average, abs=0.03)


def test_the_artifact_is_complete_and_its_hashes_are_right(demo_runs: dict[str, Run]):
    run = demo_runs["grand"]
    manifest = run.manifest
    files = {
        path.relative_to(run.artifact).as_posix(): path for path in run.artifact.rglob("*") if path.is_file()
    }
    assert set(files) == {*manifest["files"], "manifest.json"}
    for name, listed in manifest["files"].items():
        content = files[name].read_bytes()
        assert (hashlib.sha256(content).hexdigest(), len(content)) == (listed["sha256"], listed["bytes"])
    stamps = {name.rsplit("_", 1)[1].rsplit(".", 1)[0] for name in manifest["files"]}
    assert len(stamps) == 1
    assert set(manifest["tasks"]) == {BAC, IFEVAL, GPQA}
    for key, task in manifest["tasks"].items():
        assert task["rows"] == task["expected_rows"] == 48
        assert task["details"].startswith(f"details/details_{key}_")
    assert manifest["model"]["parameters"] == 853120
    assert len(manifest["model"]["revision"]) == 40
    assert manifest["schema"] == 1


def test_the_archive_holds_the_folder(demo_runs: dict[str, Run]):
    run = demo_runs["petit"]
    with zipfile.ZipFile(run.output / "results.zip") as archive:
        assert archive.testzip() is None
        assert set(archive.namelist()) == {*run.manifest["files"], "manifest.json"}


def test_results_have_both_schemas_and_the_same_numbers(demo_runs: dict[str, Run]):
    run = demo_runs["moyen"]
    (leaderboard,) = run.artifact.glob("results_*.json")
    (lm_eval,) = run.artifact.glob("lm_eval_*.json")
    ours, theirs = json.loads(leaderboard.read_text()), json.loads(lm_eval.read_text())
    assert ours["config_general"]["model_sha"] == run.manifest["model"]["revision"]
    assert ours["results"][GPQA]["acc"] == theirs["results"]["gpqa-fr"]["acc,none"]
    assert ours["results"][BAC]["bac-fr-qem"] == theirs["results"]["bac-fr"]["bac-fr-qem,none"]
    stderr = theirs["results"]["bac-fr"]["bac-fr-qem_stderr,none"]
    assert ours["results"][BAC]["bac-fr-qem_stderr"] == pytest.approx(stderr)
    assert 0 < stderr < 0.1
    assert theirs["n-samples"]["bac-fr"] == {"original": 48, "effective": 48}
    assert {task: run.manifest["tasks"][task]["metrics"] for task in (BAC, IFEVAL, GPQA)} == {
        task: ours["results"][task] for task in (BAC, IFEVAL, GPQA)
    }


def test_details_have_the_first_generation_s_columns_in_the_dataset_s_order(demo_runs: dict[str, Run]):
    import pyarrow.parquet as pq

    run = demo_runs["grand"]
    for key, task in run.manifest["tasks"].items():
        table = pq.read_table(run.artifact / task["details"])
        assert tuple(table.column_names) == COLUMNS
        rows = table.to_pylist()
        assert len({json.loads(row["specifics"])["row_id"] for row in rows}) == 48
        name = next(iter(task["metrics"]))
        assert sum(row["metrics"][name] for row in rows) / 48 == pytest.approx(task["metrics"][name])
        if key == BAC:
            assert all(len(row["gold"]) == len(row["predictions"]) == 1 for row in rows)
            asked = pq.read_table(Path("devstack/demo/datasets/bac-fr/train.parquet")).to_pylist()
            assert [row["example"] for row in rows] == [question["enonce"] for question in asked]
            assert [row["choices"] for row in rows] == [question["choix"] or [] for question in asked]
        if key == IFEVAL:
            assert all(isinstance(row["metrics"]["inst_level_strict_acc"], list) for row in rows)


def test_the_canary_is_seen_on_no_console_and_in_no_results(demo_runs: dict[str, Run]):
    for run in demo_runs.values():
        assert run.returncode == 0, run.console
        assert CANARY not in run.console
        for path in run.artifact.glob("*.json"):
            assert CANARY not in path.read_text(encoding="utf-8")


def test_no_model_says_the_canary(demo_runs: dict[str, Run]):
    import pyarrow.parquet as pq

    for run in demo_runs.values():
        for task in run.manifest["tasks"].values():
            predictions = pq.read_table(run.artifact / task["details"], columns=["predictions"]).to_pylist()
            assert not any(CANARY in text for row in predictions for text in row["predictions"])


def test_a_job_that_was_stopped_carries_on_where_it_was(demo_runs: dict[str, Run], tmp_path: Path):
    shutil.copytree(demo_runs["petit"].output / "tasks", tmp_path / "job" / "tasks")
    shutil.rmtree(tmp_path / "job" / "tasks" / "gpqa-fr")
    (tmp_path / "job" / "tasks" / "ifeval-fr" / "details.parquet").write_bytes(b"cut")
    run = evaluate(MODELS / "petit", tmp_path / "job")
    assert "bac-fr 1/3: saved by an earlier attempt" in run.console
    assert "ifeval-fr 2/3: 48 rows" in run.console
    assert "gpqa-fr 3/3: 48 rows" in run.console
    assert run.average == pytest.approx(demo_runs["petit"].average)


def test_a_limited_run_without_chat_template_says_so(tmp_path: Path):
    run = evaluate(MODELS / "grand", tmp_path, "--limit-samples", "5", "--no-chat-template", "--tasks", BAC)
    assert run.returncode == 0, run.console
    assert run.manifest["limit_samples"] == 5
    assert run.manifest["tasks"][BAC]["rows"] == 5
    assert (run.manifest["use_chat_template"], run.manifest["chat_template_sha256"]) == (False, None)
    assert run.manifest["tasks"][BAC]["metrics"]["bac-fr-qem"] >= 0.6
