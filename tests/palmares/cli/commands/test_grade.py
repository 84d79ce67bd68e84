"""`palmares grade`: one line a case, in order, as they come; bad lines are named and the rest goes on."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from french_answers import grade_answer
from palmares.cli.main import build_app
from typer.testing import CliRunner

CASE = {"id": "a", "gold": "12", "prediction": "La réponse est 12."}


def grade(tmp_path, content, *arguments):
    path = tmp_path / "cases.jsonl"
    lines = (
        content if isinstance(content, bytes) else "".join(json.dumps(one) + "\n" for one in content).encode()
    )
    path.write_bytes(lines)
    result = CliRunner().invoke(build_app(), ["grade", str(path), *arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result, [json.loads(line) for line in result.stdout.splitlines()]


def test_each_case_becomes_a_line_with_verdict_and_reason(tmp_path):
    result, lines = grade(tmp_path, [CASE, {**CASE, "id": 7, "prediction": "13"}], "--json")

    assert result.exit_code == 0
    assert [(one["id"], one["correct"]) for one in lines] == [("a", True), (7, False)]
    assert all(set(one) == {"id", "correct", "unsure", "extracted", "method", "reason"} for one in lines)


def test_instruction_and_choices_reach_the_grader(tmp_path):
    case = {
        "id": "c", "gold": "rouge", "prediction": "Réponse B", "choices": ["vert", "rouge"],
        "instruction": "Choisir.",
    }  # fmt: skip
    expected = grade_answer("rouge", "Réponse B", instruction="Choisir.", choices=("vert", "rouge"))

    _, (line,) = grade(tmp_path, [case])

    assert (line["correct"], line["method"]) == (True, expected.method)


def test_labels_are_counted_at_the_end(tmp_path):
    labelled = [
        {**CASE, "correct": True}, {**CASE, "correct": False}, {**CASE, "prediction": "1", "correct": True},
    ]  # fmt: skip

    result, _ = grade(tmp_path, [*labelled, CASE])

    assert "4 graded, 3 right, 0 unsure, 0 bad lines." in result.stderr
    assert (
        "1 of 3 agree (33.3 %); called right against the label: 1, called wrong against it: 1"
        in result.stderr
    )


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"{", "not JSON"),
        (b"[1]", "a JSON list, not an object"),
        (b"[" * 100_000, "not JSON"),
        (b"\xff\xfe{", "UTF-16"),
        ('{"gold": "é"}'.encode("latin-1"), "perhaps Latin-1"),
        (b"\0\1\2", "binary data"),
        (b'{"gold": "1", "prediction": "1", "question": 1}', "question is int"),
        (b'{"gold": "1"}', "prediction missing"),
        (b'{"gold": [1], "prediction": "1"}', "gold is list, not text"),
        (b'{"gold": "1", "prediction": {}}', "prediction is dict, not text"),
        (b'{"gold": "1", "prediction": "1", "choices": "AB"}', "choices are no list"),
        (b'{"gold": "1", "prediction": "1", "instruction": 1}', "instruction is int"),
        (b'{"gold": "1", "prediction": "1", "correct": "yes"}', "correct is str"),
    ],
)
def test_a_bad_line_is_named_by_number_and_the_rest_goes_on(tmp_path, line, said):
    good = json.dumps(CASE).encode()

    result, lines = grade(tmp_path, good + b"\n\n" + line + b"\n" + good)

    assert result.exit_code == 1
    assert [one["id"] for one in lines] == ["a", "a"]
    assert result.stderr.startswith("line 3: ")
    assert said in result.stderr


@pytest.mark.parametrize("content", [b"", b"\n\n", b"{\n[1]\n"])
def test_a_file_without_a_usable_line_is_unusable_input(tmp_path, content):
    result, lines = grade(tmp_path, content)

    assert (result.exit_code, lines) == (2, [])
    assert "no line is a case that can be graded" in result.stderr


def test_complaints_are_capped_and_counted(tmp_path):
    result, _ = grade(tmp_path, json.dumps(CASE).encode() + b"\n" + b"{\n" * 50)

    assert result.exit_code == 1
    assert result.stderr.count("It was left out.") == 20
    assert "30 further bad lines were left out." in result.stderr


def test_ids_that_occur_twice_are_counted(tmp_path):
    result, _ = grade(tmp_path, [CASE, CASE, {**CASE, "id": "b"}])

    assert "1 ids occur more than once." in result.stderr


def test_a_doubtful_answer_is_unsure_and_wrong(tmp_path):
    result, (line,) = grade(tmp_path, [{**CASE, "prediction": "La réponse est soit 12, soit 13."}])

    assert (line["correct"], line["unsure"]) == (False, True)
    assert "1 graded, 0 right, 1 unsure, 0 bad lines." in result.stderr


def test_numbers_no_prediction_and_no_id_are_tolerated(tmp_path):
    _, lines = grade(tmp_path, [{"gold": 12, "prediction": 12.0}, {"gold": "1", "prediction": None}])

    assert [(one["id"], one["correct"]) for one in lines] == [(1, True), (2, False)]


def test_half_a_character_is_graded_and_written_as_ascii(tmp_path):
    result, (line,) = grade(tmp_path, b'{"id": "\\ud800", "gold": "\\ud800 1", "prediction": "\\udfff 2"}')

    assert result.exit_code == 0
    assert line["id"] == "\ud800"


def test_several_processes_answer_in_the_lines_order(tmp_path):
    cases = [{"id": n, "gold": str(n), "prediction": f"x = {n + n % 2}"} for n in range(1500)]

    _, lines = grade(tmp_path, cases, "--workers", "2")

    assert [(one["id"], one["correct"]) for one in lines] == [(n, n % 2 == 0) for n in range(1500)]


def test_standard_input_is_answered_line_by_line():
    process = subprocess.Popen(
        [sys.executable, "-m", "palmares.cli.main", "grade", "-"], stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    for number in range(3):
        process.stdin.write(json.dumps({**CASE, "id": number}).encode() + b"\n")
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["id"] == number  # before the next is sent
    process.stdin.close()
    assert process.wait(timeout=30) == 0
    process.stdout.close()
    assert process.stderr is not None
    process.stderr.close()


def test_a_file_that_is_not_there_is_one_line_and_status_2():
    result = CliRunner().invoke(build_app(), ["grade", "/does/not/exist.jsonl"])

    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("Error: /does/not/exist.jsonl: cannot be read")
    assert result.stderr.count("\n") == 1
