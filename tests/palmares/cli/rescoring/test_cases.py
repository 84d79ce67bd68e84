"""Cases are graded in order whatever happens to a process, and a long line is no case."""

from __future__ import annotations

import io
import json
import os
import signal

from palmares.cli.rescoring import cases
from palmares.cli.rescoring.cases import graded_cases
from palmares.rescoring.pool import Pool


def stream(*lines):
    return io.BytesIO(b"".join(json.dumps(line).encode() + b"\n" for line in lines))


def deadly(lines, policy):
    """Grades nothing, and ends its process at one line."""
    if any(b"deadly" in content for _, content in lines):
        os.kill(os.getpid(), signal.SIGKILL)
    return [cases.GradedCase(number=number, answer={}, problem=None, label=None) for number, _ in lines]


def test_a_line_that_ends_its_process_is_named_and_its_neighbours_are_graded(monkeypatch):
    monkeypatch.setattr(cases, "grade_lines", deadly)
    with Pool(2) as pool:
        found = list(graded_cases(stream({"a": 1}, {"a": "deadly"}, {"a": 2}), pool))

    assert [(one.number, one.problem is None) for one in found] == [(1, True), (2, False), (3, True)]
    assert "killed" in str(found[1].problem)


def test_a_line_that_is_too_long_is_one_bad_line(monkeypatch):
    monkeypatch.setattr(cases, "LONGEST_LINE", 100)
    good = {"gold": "1", "prediction": "1"}

    with Pool(1) as pool:
        found = list(graded_cases(stream(good, {"gold": "1" * 350, "prediction": ""}, good), pool))

    assert [(one.number, one.problem) for one in found] == [
        (1, None), (2, "longer than 100 bytes"), (3, None),
    ]  # fmt: skip


def test_a_byte_order_mark_is_no_part_of_the_first_case():
    with Pool(1) as pool:
        (found,) = graded_cases(io.BytesIO(b'\xef\xbb\xbf{"gold": "1", "prediction": "1"}'), pool)

    assert found.answer is not None
    assert found.answer["correct"]
