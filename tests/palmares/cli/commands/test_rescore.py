"""`palmares rescore`: exit statuses, one object for programs, a report, and texts in private only."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from palmares.cli.main import build_app
from typer.testing import CliRunner, Result

from tests.palmares.leaderboard.details.layouts import ANSWERS, Answer
from tests.palmares.rescoring.tree import AFTER, TASK, Tree, leaderboard_scores


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    root = Tree(tmp_path / "tree")
    root.details.mkdir(parents=True)
    root.results.mkdir()
    return root


def rescore(tree: Tree, *arguments: str) -> Result:
    result = CliRunner().invoke(
        build_app(),
        [
            "rescore", str(tree.details), "--scores-dir", str(tree.results), "--workers", "1", *arguments,
        ],
    )  # fmt: skip
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def test_scores_before_and_after_are_shown(tree):
    tree.add()

    result = rescore(tree)

    assert result.exit_code == 0
    assert "org/model  bac-fr  60.0 ± 24.0  80.0 ± 20.0   +20.0" in result.stdout
    assert "Results files: 1 updated" in result.stdout
    assert tree.read_scores()["results"][TASK]["bac-fr-qem"] == AFTER


def test_programs_get_one_object(tree):
    tree.add()

    found = json.loads(rescore(tree, "--json").stdout)

    assert found["scores"][0]["state"] == "updated"
    assert found["scores"][0]["tasks"][0]["after"] == AFTER
    assert (found["graded"][0]["rows"], found["graded"][0]["to_right"]) == (5, 2)
    assert (found["problems"], found["dry_run"]) == ([], False)


def test_a_dry_run_writes_its_report_only(tree, tmp_path):
    tree.add()
    before = tree.contents()

    result = rescore(tree, "--dry-run", "--report", str(tmp_path / "report"))

    assert result.exit_code == 0
    assert "1 results file would change" in result.stdout
    assert tree.contents() == before
    assert sorted(path.name for path in (tmp_path / "report").iterdir()) == [
        "flips.json", "flips.md", "flips.svg",
    ]  # fmt: skip


def test_the_report_tells_rows_by_id_and_the_texts_go_to_a_private_folder(tree, tmp_path):
    secret = Answer(row_id="r9", gold="canari doré", said="Le canari doré.", before=0)
    tree.add(answers=[*ANSWERS, secret])

    rescore(tree, "--report", str(tmp_path / "report"), "--with-texts", str(tmp_path / "texts"))

    for path in (tmp_path / "report").iterdir():
        assert "canari" not in path.read_text(encoding="utf-8")
    assert "r9" in (tmp_path / "report/flips.json").read_text()
    (texts,) = (tmp_path / "texts").iterdir()
    assert (texts.stat().st_mode & 0o777, texts.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    rows = {row["row_id"]: row for row in map(json.loads, texts.read_text().splitlines())}
    assert set(rows) == {"r0", "r1", "r4", "r9"}
    assert (rows["r9"]["before"], rows["r9"]["after"], rows["r9"]["gold"]) == (False, True, ["canari doré"])


def test_the_report_of_a_second_run_tells_the_same(tree, tmp_path):
    tree.add()
    tree.add("org/other")
    rescore(tree, "--report", str(tmp_path / "first"))

    rescore(tree, "--report", str(tmp_path / "second"))

    for name in ("flips.json", "flips.md"):
        assert (tmp_path / "first" / name).read_text() == (tmp_path / "second" / name).read_text()


def test_evaluations_of_one_model_are_told_apart_by_their_times(tree, tmp_path):
    tree.add(time="2025-03-01T10-20-30.123456")
    tree.add(time="2025-04-02T10-20-30.123456")

    rescore(tree, "--report", str(tmp_path / "report"))

    report = (tmp_path / "report/flips.json").read_text()
    assert "org/model (20250301-102030)" in report
    assert "org/model (20250402-102030)" in report


def test_what_is_left_out_is_named_and_the_status_is_1(tree):
    broken = tree.add("org/broken")
    broken.write_bytes(b"")
    tree.add("org/whole")

    result = rescore(tree)

    assert result.exit_code == 1
    assert result.stderr.count("Left out:") == 1
    assert broken.name in result.stderr
    assert tree.read_scores("org/whole")["results"][TASK]["bac-fr-qem"] == AFTER


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["/does/not/exist", "--scores-dir", "."], "no such file or folder"),
        ([".", "--scores-dir", "/does/not/exist"], "no such folder"),
        (["{empty}", "--scores-dir", "."], "no details in it"),
        ([".", "--scores-dir", ".", "--task", "nothing"], "no scorer of that name"),
    ],
)
def test_unusable_input_is_one_line_and_status_2(tmp_path, arguments, said):
    given = [one.format(empty=tmp_path) for one in arguments]

    result = CliRunner().invoke(build_app(), ["rescore", *given])

    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("Error: ")
    assert result.stderr.count("\n") == 1
    assert said in result.stderr


def test_one_file_can_be_given(tree):
    details = tree.add("org/one")
    tree.add("org/other")

    result = CliRunner().invoke(
        build_app(), ["rescore", str(details), "--scores-dir", str(tree.results), "--workers", "1"]
    )

    assert result.exit_code == 0
    assert tree.read_scores("org/one")["results"][TASK]["bac-fr-qem"] == AFTER
    assert tree.read_scores("org/other") == leaderboard_scores("org/other")


def test_an_interrupted_run_leaves_whole_files_and_can_be_taken_up(tree):
    answers = [Answer(row_id=f"r{n}", gold="12", said=f"x = {n}", before=0) for n in range(1000)]
    for number in range(8):
        tree.add(f"org/model-{number}", answers=answers)
    originals = {path: content for path, content in tree.contents().items() if path.suffix == ".parquet"}
    command = [
        sys.executable, "-m", "palmares.cli.main", "rescore", str(tree.details), "--scores-dir",
        str(tree.results), "--workers", "2",
    ]  # fmt: skip
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    )
    deadline = time.monotonic() + 60
    while not list(tree.details.rglob("*.mark.json")) and time.monotonic() < deadline:
        assert process.poll() is None, process.communicate()
        os.sched_yield()
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=600)

    assert process.returncode == 130, errors
    assert b"Traceback" not in errors
    contents = tree.contents()
    assert not [path for path in contents if path.suffix == ".tmp"]
    assert {path: contents[path] for path in originals} == originals
    for path, content in contents.items():
        if path.suffix == ".json":
            json.loads(content)
    done = len([path for path in contents if path.name.endswith(".mark.json")])
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert f"{done} file{'s' if done != 1 else ''} had been done before" in result.stdout
