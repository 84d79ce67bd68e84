"""`palmares compare` and `palmares gate`, on a job's artifacts and on lm-eval's samples."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from palmares.benchmarks.registry import text_scorers
from palmares.cli.main import build_app
from palmares.leaderboard.results.verify import read_manifest
from palmares.leaderboard.scoring import score_results
from palmares.leaderboard.settings import load_settings
from palmares.leaderboard.submissions.submission import Submission
from palmares.rescoring.row_scores import read_rows
from typer.testing import CliRunner, Result

from tests.fixtures.config import CONFIG_DIR
from tests.palmares.leaderboard.results_folder import (
    CANARY,
    TIMESTAMP,
    read_manifest_json,
    write_details,
    write_manifest,
    write_results,
)

SUITE = load_settings(CONFIG_DIR).suite()
ROWS = 200


def run(*arguments: str) -> Result:
    found = CliRunner().invoke(build_app(), [*arguments], env={"COLUMNS": "140"})
    assert found.exception is None or isinstance(found.exception, SystemExit), found.exception
    return found


def artifact(folder: Path, name: str, right: Callable[[int], bool], **manifest: Any) -> str:
    """A job's results of 200 rows a task; *right* says which rows of every task are right."""
    submission = Submission(
        request_path="p.json",
        blob_oid="oid",
        model_id=f"org/{name}",
        revision="a" * 40,
        requested_revision="main",
        precision="bfloat16",
        weight_type="Original",
        use_chat_template=False,
        suite=SUITE.name,
        suite_hash="b" * 64,
        seed=42,
        evaluator_version="1",
    )
    place = write_results(folder / name, submission, SUITE)
    data = read_manifest_json(place)
    share = sum(map(right, range(ROWS))) / ROWS
    for task in SUITE.tasks:
        write_details(place / f"details/details_{task.key}_{TIMESTAMP}.parquet", [
            {
                "choices": [], "example": CANARY, "full_prompt": CANARY, "gold": ["12"], "instruction": None,
                "metrics": metrics_of(task.name, float(right(row))),
                "predictions": ["12" if right(row) else "13"],
                "specifics": json.dumps({"row_id": f"{task.name}-{row}"}),
            }
            for row in range(ROWS)
        ])  # fmt: skip
        reported = dict.fromkeys(data["tasks"][task.key]["metrics"], share)
        data["tasks"][task.key] |= {"rows": ROWS, "expected_rows": ROWS, "metrics": reported}
    write_manifest(place, data | manifest)
    return str(place)


def metrics_of(task: str, value: float) -> dict[str, Any]:
    if task == "ifeval-fr":
        return {"prompt_level_strict_acc": value, "inst_level_strict_acc": [value]}
    return {"bac-fr-qem": value} if task == "bac-fr" else {"acc": value}


def samples(folder: Path, name: str, right: Callable[[int], bool], gold: str = "12") -> str:
    """What lm-eval writes of bac-fr with --log_samples."""
    place = folder / name
    place.mkdir(parents=True)
    lines = [
        {
            "doc_id": row,
            "doc": {"enonce": CANARY},
            "target": gold,
            "arguments": {},
            "resps": [["12" if right(row) else "13"]],
            "filtered_resps": ["12" if right(row) else "13"],
            "filter": "none",
            "metrics": ["bac-fr-qem"],
            "bac-fr-qem": float(right(row)),
        }
        for row in range(ROWS)
    ]
    text = "\n".join(map(json.dumps, lines))
    (place / f"samples_bac-fr_{TIMESTAMP}.jsonl").write_text(text, encoding="utf-8")
    return str(place)


def test_a_difference_is_said_by_task_and_for_the_average_with_its_interval(tmp_path: Path) -> None:
    first = artifact(tmp_path, "first", lambda row: row < 100)
    second = artifact(tmp_path, "second", lambda row: row < 120)

    found = json.loads(run("compare", first, second, "--json").stdout)["comparisons"][0]

    assert (found["first"], found["second"]) == ("org/first", "org/second")
    assert [task["task"] for task in found["tasks"]] == [task.name for task in SUITE.tasks]
    for task in found["tasks"]:
        assert task["difference"] == pytest.approx(0.1)
        assert 0.05 < task["low"] < 0.1 < task["high"] < 0.15
        assert (task["first_better"], task["second_better"], task["unpaired"]) == (0, 20, 0)
    assert found["average"]["low"] > 0


def test_the_average_is_the_leaderboards(tmp_path: Path) -> None:
    first = artifact(tmp_path, "first", lambda row: row < 100)
    second = artifact(tmp_path, "second", lambda row: row < 120)

    found = json.loads(run("compare", first, second, "--json").stdout)["comparisons"][0]["average"]

    scores = {task.name: {"value": 0.5, "stderr": None, "n": ROWS} for task in SUITE.tasks}
    assert found["first"] == pytest.approx(SUITE.average(scores))


def test_a_table_names_rows_by_id_and_shows_no_text(tmp_path: Path) -> None:
    first = artifact(tmp_path, "first", lambda row: row != 7)
    second = artifact(tmp_path, "second", lambda row: row != 9)

    found = run("compare", first, second, "--rows")

    assert found.exit_code == 0
    assert "org/second scored more: bac-fr-7" in found.stdout
    assert "org/first scored more: bac-fr-9" in found.stdout
    assert CANARY not in found.stdout


def test_three_models_get_ranks_that_the_rows_can_hold(tmp_path: Path) -> None:
    models = [
        artifact(tmp_path, "weak", lambda row: row % 10 == 0),
        artifact(tmp_path, "one", lambda row: row % 2 == 0),
        artifact(tmp_path, "twin", lambda row: row % 2 == 1),
    ]

    found = json.loads(run("compare", *models, "--json").stdout)["ranks"]

    assert {(rank["model"], rank["best"], rank["worst"], rank["tie_group"]) for rank in found} == {
        ("org/one", 1, 2, 1), ("org/twin", 1, 2, 1), ("org/weak", 3, 3, 2),
    }  # fmt: skip
    assert "1–2" in run("compare", *models).stdout


def test_ranks_have_the_comparisons_average_and_leave_out_what_it_leaves_out(tmp_path: Path) -> None:
    # A random guesser of gpqa-fr scores 0, and so does who is below: the mean of rows is no average there.
    first = artifact(tmp_path, "first", lambda row: row < 20)
    second = artifact(tmp_path, "second", lambda row: row < 120)
    found = json.loads(run("compare", first, second, "--json").stdout)
    averages = {rank["model"]: rank["average"] for rank in found["ranks"]}
    assert averages == {
        "org/first": found["comparisons"][0]["average"]["first"],
        "org/second": found["comparisons"][0]["average"]["second"],
    }

    for task in ("gpqa-fr", "ifeval-fr"):
        details = next(Path(second).glob(f"details/*{task}*"))
        rows = pq.read_table(details).to_pylist()
        write_details(details, [row | {"gold": ["other"]} for row in rows])
    found = json.loads(run("compare", first, second, "--json").stdout)
    assert [task["task"] for task in found["comparisons"][0]["tasks"]] == ["bac-fr"]
    assert {rank["model"]: rank["average"] for rank in found["ranks"]} == {
        "org/first": 0.1,
        "org/second": 0.6,
    }


def test_a_row_that_one_model_lacks_counts_for_none(tmp_path: Path) -> None:
    first = artifact(tmp_path, "first", lambda row: row < 100)
    second = artifact(tmp_path, "second", lambda row: row < 100)
    details = next(Path(second).glob("details/*bac-fr*"))
    write_details(details, pq.read_table(details).to_pylist()[50:])

    found = json.loads(run("compare", first, second, "--json").stdout)

    (task,) = [one for one in found["comparisons"][0]["tasks"] if one["task"] == "bac-fr"]
    assert (task["rows"], task["unpaired"]) == (150, 50)
    assert task["first"] == task["second"] == pytest.approx(50 / 150)
    assert len({rank["average"] for rank in found["ranks"]}) == 1


def test_what_rows_count_makes_the_score_that_is_published(tmp_path: Path) -> None:
    place = Path(artifact(tmp_path, "model", lambda row: row % 3 == 0))
    manifest = read_manifest(place)
    scored = score_results(place, manifest, SUITE)
    read = read_rows(place, SUITE, text_scorers())

    for task in SUITE.tasks:
        values = read.tasks[task.name].scores.values()
        assert sum(values) / len(values) == pytest.approx(scored.scores[task.name].value), task.name


def test_samples_of_lm_eval_are_compared_on_the_rows_that_both_have(tmp_path: Path) -> None:
    first = samples(tmp_path, "first", lambda row: row < 100)
    second = samples(tmp_path, "second", lambda row: row < 150)

    found = json.loads(run("compare", first, second, "--json").stdout)["comparisons"][0]

    assert found["tasks"][0]["difference"] == pytest.approx(0.25)


def test_evaluations_of_two_suites_are_not_comparable(tmp_path: Path) -> None:
    first = artifact(tmp_path, "first", bool)
    second = artifact(tmp_path, "second", bool, suite={"name": SUITE.name, "hash": "c" * 64})

    found = run("compare", first, second)

    assert found.exit_code == 2
    assert f"not comparable: suite hash {'b' * 64} and {'c' * 64}" in found.stderr


def test_a_chat_template_that_one_has_and_the_other_has_not_makes_them_incomparable(tmp_path: Path) -> None:
    first = artifact(tmp_path, "first", bool)
    second = artifact(tmp_path, "second", bool, use_chat_template=True, chat_template_sha256="d" * 64)
    third = artifact(tmp_path, "third", bool, use_chat_template=True, chat_template_sha256="e" * 64)

    assert "chat template none and used" in run("compare", first, second).stderr
    assert run("compare", second, third).exit_code == 0


def test_another_precision_is_reported_and_does_not_matter(tmp_path: Path) -> None:
    first = artifact(tmp_path, "first", bool)
    second = artifact(tmp_path, "second", bool, precision="float16")

    found = run("compare", first, second)

    assert found.exit_code == 0
    assert "precision: bfloat16 and float16" in found.stdout


def test_rows_with_one_id_and_two_expected_answers_are_not_one_row(tmp_path: Path) -> None:
    first = samples(tmp_path, "first", bool)
    second = samples(tmp_path, "second", bool, gold="5")

    found = run("compare", first, second)

    assert found.exit_code == 2
    assert "200 of 200 rows have one id and two expected answers" in found.stderr


@pytest.mark.parametrize(
    ("right", "margin", "status", "said"),
    [
        (lambda row: row < 110, "0", 0, "GO: average"),
        (lambda row: row < 60, "5", 1, "NO-GO: average"),
        (lambda row: row < 96 or row > 196, "0", 3, "INCONCLUSIVE: average"),
        (lambda row: row < 96 or row > 196, "5", 0, "GO: average"),
    ],
)
def test_a_gate_answers_programs_by_its_exit_status(
    tmp_path: Path, right: Callable[[int], bool], margin: str, status: int, said: str
) -> None:
    baseline = artifact(tmp_path, "baseline", lambda row: row < 100)
    candidate = artifact(tmp_path, "candidate", right)

    found = run("gate", candidate, baseline, "--margin", margin)

    assert (found.exit_code, said in found.stdout) == (status, True), found.stdout


def test_a_gate_can_judge_one_task(tmp_path: Path) -> None:
    baseline = artifact(tmp_path, "baseline", lambda row: row < 100)
    candidate = artifact(tmp_path, "candidate", lambda row: row < 130)

    found = json.loads(run("gate", candidate, baseline, "--task", "bac-fr", "--json").stdout)

    assert (found["verdict"], found["of"], found["difference"]) == ("GO", "bac-fr", pytest.approx(15))
    refused = run("gate", candidate, baseline, "--task", "bacfr")
    assert refused.exit_code == 2
    assert "bacfr is not compared. Compared are bac-fr" in refused.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["compare", "nowhere", "nowhere"], "nowhere, nowhere: no such folder or file."),
        (["compare", "."], "Name two evaluations or more."),
        (["compare", ".", "."], "no details of a task of suite"),
        (["compare", ".", ".", "--suite", "nope"], "nope"),
        (["gate", ".", "nowhere"], "nowhere: no such folder or file."),
    ],
)
def test_bad_input_is_one_clear_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], said: str
) -> None:
    monkeypatch.chdir(tmp_path)

    found = run(*arguments)

    assert found.exit_code == 2
    assert said in found.stderr
    assert len(found.stderr.splitlines()) == 1
