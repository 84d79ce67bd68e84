"""How a failure is told to the caller."""

from __future__ import annotations

import json

from include.evaluator.failures import EvaluationFailure, unexpected


def test_the_console_line_is_a_marker_and_one_line_of_json():
    line = EvaluationFailure("bad_model", "two\nlines").console_line
    marker, body = line.split(" ", 1)
    assert marker == "PALMARES_FAILURE"
    assert json.loads(body) == {"class": "bad_model", "message": "two lines"}


def test_a_foreign_error_is_placed_and_its_message_withheld():
    try:
        raise KeyError("une ligne cachée")  # noqa: TRY301
    except KeyError as error:
        failure = unexpected(error, while_doing="bac-fr 1/3")
    assert failure.failure_class == "evaluator_error"
    assert "KeyError at" in str(failure)
    assert "cachée" not in str(failure)


def test_memory_that_ran_out_has_a_class_of_its_own():
    assert unexpected(MemoryError(), while_doing="loading").failure_class == "out_of_memory"
    assert (
        unexpected(RuntimeError("CUDA out of memory."), while_doing="loading").failure_class
        == "out_of_memory"
    )
