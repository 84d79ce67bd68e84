"""Files in the shapes that lighteval and lm-eval write give their right values, and say what they lack."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from palmares.cli.main import build_app
from typer.testing import CliRunner, Result

CASES = Path(__file__).parents[3] / "data" / "real_files"
TIME = "2026-01-01T00-00-00.000000"


def run(*arguments: str) -> Result:
    found = CliRunner().invoke(build_app(), list(arguments), env={"COLUMNS": "160"})
    assert found.exception is None or isinstance(found.exception, SystemExit), found.exception
    return found


def document(*folders: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run("results", *map(str, folders), "--json").stdout)
    return found


def values(*folders: Path) -> dict[tuple[str, str], dict[str, float]]:
    """Per cent as shown, by model and precision, then by task."""
    return {
        (row["model"], row["precision"]): {
            task: round(100 * score["shown"], 1) for task, score in row["scores"].items()
        }
        for row in document(*folders)["rows"]
    }


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        (
            "01_lighteval_key_without_suite/results",
            {
                ("palmares-demo/grand", "bfloat16"): {"bac-fr": 60.0},
                ("palmares-demo/grand", "float16"): {"bac-fr": 60.0},
            },
        ),
        ("02_one_file_a_task", {("org/m", "bfloat16"): {"bac-fr": 60.0, "gpqa-fr": 20.0}}),
        ("03_two_filters", {("org/m", "bfloat16"): {"bac-fr": 75.6}}),
        (
            "04_model_name_empty",
            {("org/alpha", "bfloat16"): {"bac-fr": 50.0}, ("org/beta", "bfloat16"): {"bac-fr": 70.0}},
        ),
        ("04b_model_name_absent", {("org/alpha", "bfloat16"): {"bac-fr": 50.0}}),
        (
            "05_precision_elsewhere",
            {("org/m", "bfloat16"): {"bac-fr": 50.0}, ("org/m", "float16"): {"bac-fr": 70.0}},
        ),
        ("06_output_path_names/a", {("org/m", "bfloat16"): {"bac-fr": 50.0}}),
        ("06_output_path_names/b", {("org/n", "bfloat16"): {"bac-fr": 90.0}}),
        ("07_limit_not_max_samples", {("org/m", "float16"): {"bac-fr": 50.0}}),
        ("10_no_task_of_the_suite", {("org/m", "bfloat16"): {}}),
        ("11_effective_less_than_original", {("org/m", "bfloat16"): {"bac-fr": 100.0}}),
        ("17_zero_stderr_at_the_boundary", {("org/m", "bfloat16"): {"bac-fr": 0.0}}),
    ],
)
def test_every_writers_files_give_their_values(case, expected):
    assert values(CASES / case) == expected


def test_of_several_filters_the_first_is_taken_and_the_others_are_named():
    (row,) = document(CASES / "03_two_filters")["rows"]

    score = row["scores"]["bac-fr"]
    assert (score["filter"], score["stderr"]) == ("strict-match", 0.0118)
    assert score["other_filters"] == {"flexible-extract": 0.753}
    assert "others: flexible-extract 75.3" in run("results", str(CASES / "03_two_filters")).stderr


def test_each_value_names_the_file_that_it_is_from():
    (row,) = document(CASES / "02_one_file_a_task")["rows"]

    assert {task: Path(score["path"]).name for task, score in row["scores"].items()} == {
        "bac-fr": f"results_{TIME}.json",
        "gpqa-fr": "results_2026-01-02T00-00-00.000000.json",
    }


def test_a_limited_run_is_preliminary_wherever_the_limit_stands():
    (row,) = document(CASES / "07_limit_not_max_samples")["rows"]

    assert row["is_preliminary"] is True
    found = run("results", str(CASES / "07_limit_not_max_samples"))
    assert "org/m (preliminary)" in found.stdout
    assert "limited to 20 rows" in found.stderr


def test_an_older_file_that_is_in_no_row_is_named():
    left = document(CASES / "06_output_path_names" / "b")["left_out"]

    assert [Path(one["path"]).name for one in left] == [f"results_run7_{TIME}.json"]


def test_a_git_lfs_pointer_is_called_one():
    found = run("results", str(CASES / "09_lfs_pointers" / "results"))

    assert found.exit_code == 1
    assert "a Git LFS pointer: fetch the file (git lfs pull)" in found.stderr


def test_a_file_without_a_task_of_the_suite_is_named():
    found = run("results", str(CASES / "10_no_task_of_the_suite"))

    assert "has arc_challenge; suite fr has none of it" in found.stderr


def test_rows_that_were_not_scored_are_marked():
    (row,) = document(CASES / "11_effective_less_than_original")["rows"]

    score = row["scores"]["bac-fr"]
    assert (score["rows"], score["of"], score["is_partial"]) == (3, 5, True)
    assert "(3 of 5 rows)" in run("results", str(CASES / "11_effective_less_than_original")).stdout


def test_a_value_at_the_boundary_has_an_interval_instead_of_a_zero_error():
    (row,) = document(CASES / "17_zero_stderr_at_the_boundary")["rows"]

    score = row["scores"]["bac-fr"]
    assert score["stderr"] is None
    assert score["interval"] == [0.0, pytest.approx(0.0188, abs=1e-4)]
    found = run("results", str(CASES / "17_zero_stderr_at_the_boundary"))
    assert "0.0 [0.0, 1.9]" in found.stdout
    assert "± 0.0" not in found.stdout


def test_the_table_goes_into_csv_and_markdown_with_every_value():
    csv = run("results", str(CASES / "02_one_file_a_task"), "--csv").stdout.splitlines()
    markdown = run("results", str(CASES / "02_one_file_a_task"), "--markdown").stdout

    assert len(csv) == 2
    line = dict(zip(csv[0].split(","), csv[1].split(","), strict=True))
    assert (line["model"], line["bac-fr value"], line["gpqa-fr value"]) == ("org/m", "0.6", "0.4")
    assert (line["bac-fr filter"], line["bac-fr shots"]) == ("none", "0")
    assert "| – | org/m | bfloat16 | – | 60.0 ± 10.0 | – | 20.0 ± 6.7 |" in markdown


def test_only_one_form_of_output_is_given():
    found = run("results", str(CASES / "03_two_filters"), "--csv", "--json")

    assert found.exit_code == 2
    assert "exclude one another" in found.stderr


def test_lm_evals_table_has_a_line_for_every_filter():
    lines = json.loads(run("results", str(CASES / "03_two_filters"), "--table", "lm-eval", "--json").stdout)[
        "lines"
    ]

    assert [(one["task"], one["filter"], one["metric"], one["value"]) for one in lines] == [
        ("bac-fr", "strict-match", "bac-fr-qem", 0.756),
        ("bac-fr", "flexible-extract", "bac-fr-qem", 0.753),
    ]


def test_lm_evals_table_computes_the_groups_that_a_file_does_not_hold(tmp_path):
    file = {
        "results": {
            "a": {"acc,none": 0.5, "acc_stderr,none": 0.1},
            "b": {"acc,none": 0.8, "acc_stderr,none": 0.1},
        },
        "group_subtasks": {"both": ["a", "b"]},
        "n-samples": {"a": {"original": 10, "effective": 10}, "b": {"original": 20, "effective": 20}},
        "higher_is_better": {"a": {"acc": True}, "b": {"acc": True}},
        "model_name": "org/m",
    }
    (tmp_path / f"results_{TIME}.json").write_text(json.dumps(file), encoding="utf-8")

    lines = json.loads(run("results", str(tmp_path), "--table", "lm-eval", "--json").stdout)["lines"]

    assert [(one["task"], one["depth"], one["is_computed"]) for one in lines] == [
        ("both", 0, True), ("a", 1, False), ("b", 1, False),
    ]  # fmt: skip
    assert lines[0]["value"] == pytest.approx(0.7)
    pooled = ((9 * 0.1**2 * 10 + 19 * 0.1**2 * 20) / 28 / 30) ** 0.5  # lm-eval's pooled_sample_stderr
    assert lines[0]["stderr"] == pytest.approx(pooled)


def test_a_member_without_the_metric_leaves_its_group_without_a_number(tmp_path):
    file = {
        "results": {"a": {"acc,none": 0.5}, "b": {"f1,none": 0.8}},
        "group_subtasks": {"both": ["a", "b"]},
        "model_name": "org/m",
    }
    (tmp_path / f"results_{TIME}.json").write_text(json.dumps(file), encoding="utf-8")

    lines = json.loads(run("results", str(tmp_path), "--table", "lm-eval", "--json").stdout)["lines"]

    assert [one["task"] for one in lines] == ["a", "b"]


def test_the_table_of_lm_eval_is_printed_and_marks_what_was_computed_here(tmp_path):
    file = {
        "results": {"a": {"acc,none": 0.5, "acc_stderr,none": 0.1}},
        "group_subtasks": {"all-of-it": ["a"]},
        "higher_is_better": {"a": {"acc": True}},
        "n-shot": {"a": 5},
        "versions": {"a": 1.0},
        "model_name": "org/m",
    }
    (tmp_path / f"results_{TIME}.json").write_text(json.dumps(file), encoding="utf-8")

    table = run("results", str(tmp_path), "--table", "lm-eval", "--markdown").stdout

    assert "| Tasks | Version | Filter | n-shot | Metric | ↑/↓ | Value | ± | Stderr |" in table
    assert "all-of-it &#42; |  | none | 5 | acc | ↑ | 0.5000 | ± | 0.1000 |" in table
    assert "- a | 1.0 | none | 5 | acc | ↑ | 0.5000 | ± | 0.1000 |" in table
    assert "computed here" in table


@pytest.mark.parametrize("odd", [10**400, float("nan"), "N/A", None, [], {}, 41.2, True])
def test_an_odd_number_is_no_value_and_is_named(tmp_path, odd):
    file = {"results": {"bac-fr": {"bac-fr-qem,none": odd}}, "model_name": "org/m"}
    (tmp_path / f"results_{TIME}.json").write_text(json.dumps(file), encoding="utf-8")

    (row,) = document(tmp_path)["rows"]

    assert row["scores"] == {}
    assert "bac-fr is left out: bac-fr-qem,none" in run("results", str(tmp_path)).stderr


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({"config": {"model_args": {"peft": "org/adapter", "pretrained": "org/base"}}}, "org/adapter"),
        ({"config": {"model_args": '{"pretrained": "org/m", "dtype": "half"}'}}, "org/m"),
        ({"config_general": {"model_config": {"model_name": "org/inner"}}}, "org/inner"),
        ({"model_name": "org/outer", "config": {"model_args": "pretrained=org/m"}}, "org/outer"),
        ({}, "org/by-folder"),
    ],
)
def test_a_models_name_is_found_wherever_its_writer_puts_it(tmp_path, members, expected):
    folder = tmp_path / "org__by-folder"
    folder.mkdir()
    file = {"results": {"bac-fr": {"bac-fr-qem,none": 0.5}}, **members}
    (folder / f"results_{TIME}.json").write_text(json.dumps(file), encoding="utf-8")

    assert [row["model"] for row in document(tmp_path)["rows"]] == [expected]


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        (
            {"config": {"model_args": "pretrained=org/m,load_in_8bit=True", "model_dtype": "torch.float16"}},
            "8bit",
        ),
        ({"config": {"model_args": {"pretrained": "org/m", "quantization": "gptq"}}}, "GPTQ"),
        ({"config": {"model_args": "pretrained=org/m,dtype=half"}}, "float16"),
        ({"config": {"model_args": "pretrained=org/m,dtype=auto"}}, "?"),
        ({"config_general": {"model_dtype": "torch.bfloat16"}}, "bfloat16"),
    ],
)
def test_a_precision_is_found_in_one_spelling(tmp_path, members, expected):
    file = {"results": {"bac-fr": {"bac-fr-qem,none": 0.5}}, "model_name": "org/m", **members}
    (tmp_path / f"results_{TIME}.json").write_text(json.dumps(file), encoding="utf-8")

    assert [row["precision"] for row in document(tmp_path)["rows"]] == [expected]


def test_revisions_and_limited_runs_are_not_put_together(tmp_path):
    def write(name: str, time: str, **members: Any) -> None:
        file = {"results": {name: {"bac-fr-qem,none": 0.5, "acc,none": 0.5}}, "model_name": "org/m"} | members
        (tmp_path / f"results_{time}.json").write_text(json.dumps(file), encoding="utf-8")

    write("bac-fr", "2026-01-01T00-00-00", config={"model_sha": "a" * 40})
    write("gpqa-fr", "2026-01-02T00-00-00", config={"model_sha": "b" * 40})
    write("bac-fr", "2026-01-03T00-00-00", config={"limit": 5})

    found = document(tmp_path)

    (row,) = found["rows"]
    assert (list(row["scores"]), row["is_preliminary"]) == (["gpqa-fr"], False)
    assert sorted(Path(one["path"]).stem[8:18] for one in found["left_out"]) == ["2026-01-01", "2026-01-03"]


def test_what_a_note_quotes_cannot_paint_the_terminal(tmp_path):
    file = {"results": {"\x1b[31mtask\u202e": {"acc,none": 0.5}}, "model_name": "org/m"}
    (tmp_path / f"results_{TIME}.json").write_text(json.dumps(file), encoding="utf-8")

    found = run("results", str(tmp_path))

    assert "suite fr has none of it" in found.stderr
    assert not {"\x1b", "\u202e"} & set(found.output)


@pytest.fixture
def case(tmp_path):
    """A copy of a case that may be written to: its details and its results."""

    def case(name: str) -> tuple[Path, Path]:
        folder = Path(shutil.copytree(CASES / name, tmp_path / name))
        if (folder / "details").exists():
            return folder / "details", folder / "results"
        return folder, folder

    return case


def rescored(details: Path, scores: Path) -> dict[str, Any]:
    found = run("rescore", str(details), "--scores-dir", str(scores), "--workers", "1", "--json")
    parsed: dict[str, Any] = json.loads(found.stdout)
    return parsed


def test_details_without_a_suite_in_their_names_are_graded_into_their_key(case):
    details, scores = case("01_lighteval_key_without_suite")

    found = rescored(details, scores)

    assert [(one["task"], one["rows"], one["value"]) for one in found["graded"]] == [("bac-fr|0", 5, 0.8)] * 2
    for path in scores.rglob("results_*.json"):
        assert json.loads(path.read_text())["results"]["bac-fr|0"]["bac-fr-qem"] == 0.8


def test_tasks_without_a_suite_in_their_names_are_no_duplicates(case):
    details, scores = case("01b_lighteval_three_tasks")

    found = rescored(details, scores)

    assert "duplicate" not in {one["kind"] for one in found["problems"]}
    assert {one["task"] for one in found["graded"]} == {"bac-fr|0"}
    assert found["without_scorer"] == {"ifeval-fr": 1}
    (refused,) = found["problems"]  # bac-fr's rows under the name of gpqa-fr
    assert (refused["kind"], "gpqa-fr" in refused["message"]) == ("sanity_baseline", True)


@pytest.mark.parametrize(
    "name",
    [
        "08_samples_without_metrics_member",
        "08b_the_same_two_filters_no_counts",
        "08c_the_same_two_filters_with_counts",
    ],
)
def test_samples_that_name_neither_filter_nor_metrics_are_read_once_a_row(case, name):
    (graded,) = rescored(*case(name))["graded"]

    assert (graded["rows"], graded["value"], graded["stderr"]) == (5, 0.8, pytest.approx(0.2))
    assert (graded["to_right"], graded["to_wrong"]) == (2, 1)


def test_pointers_in_the_place_of_details_are_called_pointers(case):
    problems = rescored(*case("09_lfs_pointers"))["problems"]

    assert len(problems) == 2
    assert all("a Git LFS pointer: fetch the file (git lfs pull)" in one["message"] for one in problems)


def test_rows_that_are_in_no_details_are_named(case):
    found = rescored(*case("11_effective_less_than_original"))

    ((change,),) = [one["tasks"] for one in found["scores"]]
    assert (change["rows"], change["of"]) == (3, 5)
    assert "the other 2 are in no file" in found["notes"][0]
