"""How a failure is told to the caller."""

from __future__ import annotations

import errno
import json

import pytest
from palmares.contract import CONSOLE_PREFIX
from palmares.evaluator.console import say
from palmares.evaluator.failures import LOADING, EvaluationFailure, known_failure, unexpected
from palmares.leaderboard.outcomes.console import ATTEMPT_LINE, safe_line


def test_the_console_line_is_a_marker_and_one_line_of_json():
    line = EvaluationFailure("bad_model", "two\nlines").console_line
    marker, body = line.split(" ", 1)
    assert marker == "PALMARES_FAILURE"
    assert json.loads(body) == {"class": "bad_model", "message": "two lines"}


def test_a_foreign_error_is_placed_and_its_message_withheld():
    try:
        raise KeyError("une ligne cachée")  # noqa: TRY301 - raised here on purpose
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


def test_a_disk_that_is_really_full_is_no_damaged_file():
    with pytest.raises(OSError) as full, open("/dev/full", "wb", buffering=0) as disk:  # noqa: PTH123 - unbuffered, as a full disk answers
        disk.write(b"weights")
    assert unexpected(full.value, while_doing="downloading").failure_class == "node_lost"


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.EDQUOT, "Disk quota exceeded"),
        RuntimeError("CUDA error: uncorrectable ECC error encountered"),
        RuntimeError("No CUDA GPUs are available"),
        ValueError("Free memory on device (31.44/47.38 GiB) on startup is less than desired"),
    ],
)
def test_an_unwell_machine_is_told_as_such_wherever_it_shows(error: Exception):
    assert unexpected(error, while_doing="bac-fr 1/3").failure_class == "node_lost"
    wrapped = OSError("Can't load tokenizer for 'org/model'")
    wrapped.__cause__ = error
    assert unexpected(wrapped, while_doing="loading").failure_class == "node_lost"


@pytest.mark.parametrize(
    ("error", "failure_class"),
    [
        (
            RuntimeError("CUDA error: out of memory\nCUDA kernel errors might be reported later"),
            "out_of_memory",
        ),
        (RuntimeError("HIP out of memory. Tried to allocate 2.00 GiB."), "out_of_memory"),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), "out_of_memory"),
        (RuntimeError("unable to mmap 4976698672 bytes: Cannot allocate memory (12)"), "out_of_memory"),
        (OSError(errno.EMFILE, "Too many open files"), "node_lost"),
        (OSError(errno.ESTALE, "Stale file handle"), "node_lost"),
        (OSError(errno.ETIMEDOUT, "Connection timed out"), "evaluator_error"),
        (RuntimeError("CUDA error: all CUDA-capable devices are busy or unavailable"), "node_lost"),
        (RuntimeError("The NVIDIA driver on your system is too old (found version 11040)."), "node_lost"),
        (RuntimeError("CUDA error: no kernel image is available for execution"), "evaluator_error"),
        (OSError("Can't load tokenizer for 'org/model'"), "bad_model"),
        (
            ValueError("model type `foo` but Transformers does not recognize this architecture"),
            "incompatible",
        ),
    ],
)
def test_while_a_model_loads_the_table_of_the_leaderboard_blames(error: Exception, failure_class: str):
    failure = known_failure(error, while_doing="loading", table=LOADING)
    assert failure is not None
    assert failure.failure_class == failure_class


@pytest.mark.parametrize(
    "error", [PermissionError(errno.EACCES, "Permission denied"), TimeoutError("timed out"), KeyError("x")]
)
def test_what_no_signature_knows_is_nobodys_known_fault(error: Exception):
    assert known_failure(error, while_doing="loading", table=LOADING) is None
    assert unexpected(error, while_doing="loading").failure_class == "evaluator_error"


@pytest.mark.parametrize(
    "message",
    [
        "No available memory for the cache blocks. Try increasing `gpu_memory_utilization`",
        "The model's max seq len (4096) is larger than the maximum number of tokens that can be stored in KV "
        "cache (3664).",
        "To serve at least one request with the models's max seq len (131072), (16.00 GiB KV cache is "
        "needed, which is larger than the available KV cache memory (0.71 GiB).",
    ],
)
def test_an_engine_without_room_for_its_cache_ran_out_of_memory(message: str):
    assert unexpected(ValueError(message), while_doing="loading").failure_class == "out_of_memory"


def test_the_leaderboard_knows_the_evaluator_s_own_lines(capsys: pytest.CaptureFixture[str]):
    say("bac-fr 1/3:\n48 rows")

    printed = capsys.readouterr().out
    assert printed == "palmares | bac-fr 1/3: 48 rows\n"
    assert safe_line(printed) == printed.strip()
    assert ATTEMPT_LINE.match(f"{CONSOLE_PREFIX}attempt 2 of ClearML task {'0' * 32}")
