"""What may be shown of a console, and what never."""

from __future__ import annotations

from pathlib import Path

import pytest
from palmares.contract import CONSOLE_PREFIX, FAILURE_MARKER
from palmares.leaderboard.outcomes.console import (
    lines_of_attempt,
    safe_line,
)
from palmares.signatures import SIGNATURES

from devstack.demo.canary import CANARY

HEX = "0123456789abcdef0123456789abcdef"
EXCERPTS = sorted((Path(__file__).parents[3] / "data" / "failure_logs").glob("*.txt"))

CONSOLES_THAT_QUOTE = [
    f"    raise ValueError('{CANARY}')",
    f"ValueError: {CANARY}",
    f"ValueError: no answer for row '{CANARY}'",
    f"INFO 10-01 18:43:27 logger.py:36] Received request cmpl-c52dbd9a-0: prompt: '{CANARY}', params: "
    "SamplingParams(n=1)",
    f"ERROR 07-21 13:02:07 [dump_input.py:76] NewRequestData(req_id=0,prompt='{CANARY}')",
    f'{{"doc_id": 0, "doc": {{"enonce": "{CANARY}"}}, "target": "{CANARY}", "resps": [["{CANARY}"]]}}',
    f"Requesting API: 12%| | 3/24 {CANARY}",
    f"task {HEX} pulled from {HEX} by worker w {CANARY}",
    f"Executing task id [{HEX}]: {CANARY}",
    f"{CANARY} palmares | loaded: 3 parameters",
    f"Process failed, exit code 1 {CANARY}",
    f"Model architectures ['{CANARY}'] are not supported for now",
    f"model type `{CANARY}` but Transformers does not recognize this architecture",
    f"Access to model {CANARY} is restricted",
    CANARY,
]


@pytest.mark.parametrize("line", CONSOLES_THAT_QUOTE)
def test_a_line_that_quotes_a_row_is_withheld_or_shown_without_it(line):
    shown = safe_line(line)

    assert shown is None or "CANARI" not in shown


@pytest.mark.parametrize("excerpt", EXCERPTS, ids=lambda path: path.stem)
def test_of_a_known_failure_only_what_is_known_is_shown(excerpt):
    lines = excerpt.read_text(encoding="utf-8").splitlines()[1:]

    shown = [safe_line(f"{CANARY} {line} {CANARY}") for line in lines]

    assert not any(CANARY in line for line in shown if line)
    assert any(safe_line(line) for line in lines)


def test_no_pattern_matches_free_text():
    for signature in SIGNATURES:
        pattern = signature.pattern.pattern
        assert ".*" not in pattern
        assert ".+" not in pattern
        assert r"\S" not in pattern


@pytest.mark.parametrize(
    "line",
    [
        f"{CONSOLE_PREFIX}bac-fr 1/3: 48 rows",
        f'{FAILURE_MARKER} {{"class": "gated", "message": "org/model is gated"}}',
        f"task {HEX} pulled from {HEX} by worker node-1:gpu0",
        f"Executing task id [{HEX}]:",
        "Starting Task Execution:",
        "Environment setup completed successfully",
        "Process failed, exit code -9",
        "Process terminated by user",
        f"User abort - stopping task {HEX}",
        "Process completed successfully",
    ],
)
def test_the_evaluator_s_and_the_agent_s_own_lines_are_shown_whole(line):
    assert safe_line(f"{line}\n") == line


def test_numbers_of_a_known_failure_are_shown():
    line = (
        "[rank0]: torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total"
    )

    assert safe_line(line) == "CUDA out of memory. Tried to allocate 2.00 GiB"


def test_control_characters_and_endless_lines_do_not_pass():
    assert safe_line(f"{CONSOLE_PREFIX}\x1b[31mred\x1b[0m\u202e text\x07") == f"{CONSOLE_PREFIX}red text"
    assert len(safe_line(CONSOLE_PREFIX + "x" * 10_000) or "") == 500


def test_a_console_without_any_start_is_this_attempt_s():
    assert lines_of_attempt(["a", "b"], 1) == ["a", "b"]
