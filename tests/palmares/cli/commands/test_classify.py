"""`palmares classify`: whose fault a console shows."""

from __future__ import annotations

import json

import pytest
from palmares.cli.main import build_app
from typer.testing import CliRunner

DRIVER = "RuntimeError: The NVIDIA driver on your system is too old (found version 11040)."


def classify(tmp_path, console, *arguments):
    path = tmp_path / "console.txt"
    path.write_bytes(console if isinstance(console, bytes) else console.encode())
    return CliRunner().invoke(build_app(), ["classify", str(path), *arguments])


def test_a_machine_is_blamed_with_the_line_its_source_and_what_follows(tmp_path):
    result = classify(tmp_path, f"Traceback (most recent call last):\n{DRIVER}\n", "--json")

    answer = json.loads(result.stdout)
    assert (answer["failure_class"], answer["fault"], answer["decision"]) == ("node_lost", "machine", "retry")
    assert answer["line"] == DRIVER
    assert answer["source"].startswith("https://github.com/")
    assert answer["retries"] == 3
    assert answer["submitter_reads"].startswith("PENDING, node_lost: The machine's GPU driver")


@pytest.mark.parametrize(
    ("console", "arguments", "failure_class", "fault"),
    [
        ("Cannot access gated repo for url https://hub.example/a/b", [], "gated", "model"),
        ("", ["--reason", "user abort", "--status", "stopped"], "preempted", "machine"),
        ("", ["--status", "stopped", "--reason", "by anna"], "cancelled", "person"),
        ("", ["--status", "completed"], "succeeded", "nobody"),
        ("", ["--reported", "bad_model"], "bad_model", "model"),
        ("", ["--status", "stopped", "--stop-cause", "overtime"], "wall_time", "plan"),
        (b"\xff\xfe nothing that is known", [], "evaluator_error", "evaluator"),
    ],
)
def test_status_reason_and_report_count_as_in_the_leaderboard(
    tmp_path, console, arguments, failure_class, fault
):
    answer = json.loads(classify(tmp_path, console, "--json", *arguments).stdout)

    assert (answer["failure_class"], answer["fault"]) == (failure_class, fault)


def test_a_person_reads_the_same_in_rows(tmp_path):
    result = classify(tmp_path, DRIVER)

    assert "fault            machine" in result.stdout
    assert f"line             {DRIVER}" in result.stdout


def test_a_file_that_is_not_there_is_one_line_and_status_2(tmp_path):
    result = CliRunner().invoke(build_app(), ["classify", str(tmp_path / "none.txt")])

    assert result.exit_code == 2
    assert "cannot be read" in result.stderr
