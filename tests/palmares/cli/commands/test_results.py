"""`palmares results`: every schema in a folder, as one table, and one clear line for what is none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from palmares.cli.main import build_app
from palmares.leaderboard.settings import load_settings
from palmares.leaderboard.submissions.submission import Submission
from typer.testing import CliRunner, Result

from tests.fixtures.config import CONFIG_DIR
from tests.palmares.leaderboard.results_folder import TIMESTAMP, write_results

SUITE = load_settings(CONFIG_DIR).suite()


def results(*arguments: str) -> Result:
    found = CliRunner().invoke(build_app(), ["results", *arguments], env={"COLUMNS": "140"})
    assert found.exception is None or isinstance(found.exception, SystemExit), found.exception
    return found


def rows(*arguments: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(results(*arguments, "--json").stdout)["rows"]
    return found


def leaderboard_json(model: str = "org/model", *, gpqa: float = 0.5, **general: Any) -> dict[str, Any]:
    return {
        "config_general": {
            "model_name": model,
            "model_sha": "abc",
            "model_dtype": "torch.bfloat16",
            **general,
        },
        "results": {
            "community|bac-fr|0": {"bac-fr-qem": 0.8, "bac-fr-qem_stderr": 0.04},
            "community|ifeval-fr|0": {"prompt_level_strict_acc": 0.4, "inst_level_strict_acc": 0.6},
            "community|gpqa-fr|0": {"acc": gpqa, "acc_stderr": 0.03},
        },
    }


def write(folder: Path, data: Any, name: str = f"results_{TIMESTAMP}.json") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(data), encoding="utf-8")
    return path


def test_the_table_shows_values_as_the_leaderboard_does_with_their_errors(tmp_path: Path) -> None:
    write(tmp_path / "org" / "model", leaderboard_json())

    found = results(str(tmp_path))

    assert found.exit_code == 0
    line = next(line for line in found.stdout.splitlines() if "org/model" in line)
    for cell in ("80.0 ± 4.0", "50.0", "33.3 ± 4.0", "54.4"):
        assert cell in line


def test_a_program_reads_raw_and_shown_values(tmp_path: Path) -> None:
    write(tmp_path / "org" / "model", leaderboard_json())

    (row,) = rows(str(tmp_path))
    assert (row["model"], row["revision"], row["precision"], row["rank"]) == (
        "org/model",
        "abc",
        "bfloat16",
        1,
    )
    score = row["scores"]["gpqa-fr"]
    assert (score["value"], score["shown"], score["stderr"]) == (0.5, pytest.approx(1 / 3), 0.03)
    assert (score["metric"], score["filter"], score["shots"], score["rows"]) == ("acc", None, 0, None)
    assert row["scores"]["ifeval-fr"]["stderr"] is None
    assert row["average"] == pytest.approx((0.8 + 0.5 + 1 / 3) / 3)


def test_older_names_of_metrics_are_read_and_a_post_processed_value_goes_first(tmp_path: Path) -> None:
    data = leaderboard_json()
    data["results"]["community|bac-fr|0|0"] = {"qem": 0.7, "qem_stderr": 0.05}
    del data["results"]["community|bac-fr|0"]
    data["results"]["community|gpqa-fr|0"] |= {"new_acc": 0.625, "new_acc_stderr": 0.02}
    write(tmp_path, data)

    (row,) = rows(str(tmp_path))
    assert row["scores"]["bac-fr"]["value"] == 0.7
    assert row["scores"]["bac-fr"]["stderr"] == 0.05
    score = row["scores"]["gpqa-fr"]
    assert (score["metric"], score["value"], score["shown"], score["stderr"]) == ("new_acc", 0.625, 0.5, 0.02)


def test_demonstration_forks_without_config_general_are_read(tmp_path: Path) -> None:
    data = leaderboard_json()
    data["config"] = data.pop("config_general")
    write(tmp_path, data)

    assert rows(str(tmp_path))[0]["model"] == "org/model"


def test_lm_evals_own_files_are_read(tmp_path: Path) -> None:
    data = {
        "results": {
            "bac-fr": {"alias": "bac-fr", "bac-fr-qem,none": 0.5, "bac-fr-qem_stderr,none": "N/A"},
            "ifeval-fr": {"prompt_level_strict_acc,none": 0.5, "inst_level_strict_acc,none": 0.6},
            "gpqa-fr": {"acc,none": 0.4, "acc_stderr,none": 0.02},
        },
        "n-shot": {"bac-fr": 0},
        "config": {"model_sha": "abc", "model_dtype": "torch.bfloat16", "limit": None},
        "model_name": "org/model",
        "lm_eval_version": "0.4.13",
    }
    write(tmp_path / "org__model", data)

    (row,) = rows(str(tmp_path))
    assert (row["schema"], row["model"]) == ("lm-eval", "org/model")
    assert row["scores"]["ifeval-fr"]["value"] == pytest.approx(0.55)
    assert row["scores"]["bac-fr"]["stderr"] is None
    assert row["scores"]["gpqa-fr"]["stderr"] == 0.02


def test_a_jobs_artifact_is_graded_from_its_generations(tmp_path: Path, submission: Submission) -> None:
    write_results(tmp_path / "artifact", submission, SUITE)

    (row,) = rows(str(tmp_path / "artifact"))
    assert row["schema"] == "artifact"
    assert row["scores"]["bac-fr"]["value"] == 0.75  # the evaluator's own number is 0.5
    assert row["scores"]["bac-fr"]["stderr"] == pytest.approx(0.25)


def test_the_newest_result_of_a_model_is_shown_and_all_on_request(tmp_path: Path) -> None:
    write(tmp_path / "a", leaderboard_json(gpqa=0.3), "results_2026-01-01T00-00-00.000000.json")
    write(tmp_path / "b", leaderboard_json(gpqa=0.4), "results_2026-02-01T00-00-00.000000.json")

    assert [row["scores"]["gpqa-fr"]["value"] for row in rows(str(tmp_path))] == [0.4]
    assert len(rows(str(tmp_path), "--all")) == 2


def test_models_are_ranked_and_an_incomplete_or_limited_one_is_not(tmp_path: Path) -> None:
    write(tmp_path / "good", leaderboard_json("org/good", gpqa=0.9))
    write(tmp_path / "fair", leaderboard_json("org/fair", gpqa=0.6))
    write(tmp_path / "trial", leaderboard_json("org/trial", gpqa=1.0, max_samples=10))
    half = leaderboard_json("org/half")
    del half["results"]["community|bac-fr|0"]
    write(tmp_path / "half", half)

    ranks = {row["model"]: row["rank"] for row in rows(str(tmp_path))}
    assert ranks == {"org/good": 1, "org/fair": 2, "org/trial": None, "org/half": None}
    assert "org/trial (preliminary)" in results(str(tmp_path)).stdout


@pytest.mark.parametrize("content", ["{", "[]", '{"results": 3}', "[" * 100_000, '"\\ud800"'])
def test_a_broken_file_is_named_and_the_others_are_shown(tmp_path: Path, content: str) -> None:
    write(tmp_path / "good", leaderboard_json())
    (tmp_path / "results_broken.json").write_text(content, encoding="utf-8")

    found = results(str(tmp_path))

    assert found.exit_code == 0
    assert "org/model" in found.stdout
    assert "results_broken.json was not read" in found.stderr
    assert "Traceback" not in found.output


def test_an_artifact_that_fails_its_gates_is_no_number(tmp_path: Path, submission: Submission) -> None:
    write_results(tmp_path / "artifact", submission, SUITE)
    manifest_path = tmp_path / "artifact" / "manifest.json"
    manifest = json.loads(manifest_path.read_text())
    manifest["tasks"]["community|gpqa-fr|0"]["metrics"]["acc"] = 0.9
    manifest_path.write_text(json.dumps(manifest))

    found = results(str(tmp_path))

    assert found.exit_code == 1
    assert "the evaluator reports 0.900000" in found.stderr


def test_a_folder_without_results_and_one_that_is_not_there(tmp_path: Path) -> None:
    assert results(str(tmp_path)).exit_code == 1
    absent = results(str(tmp_path / "absent"))
    assert absent.exit_code == 2
    assert "no such folder" in absent.stderr


def test_a_hostile_name_does_not_reach_the_terminal(tmp_path: Path) -> None:
    write(tmp_path, leaderboard_json("\x1b[31mred[bold]\u202e"))

    found = results(str(tmp_path))

    assert "\x1b[31m" not in found.stdout
    assert "\u202e" not in found.stdout


@pytest.fixture
def submission() -> Submission:
    return Submission(
        request_path="p.json",
        blob_oid="oid",
        model_id="org/model",
        revision="0" * 40,
        requested_revision="main",
        precision="bfloat16",
        weight_type="Original",
        use_chat_template=True,
        suite="fr",
        suite_hash="hash",
        seed=42,
        evaluator_version="1",
    )
