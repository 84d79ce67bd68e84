"""Each excerpt of a public log is given its class, and each signature is shown by one of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from palmares.leaderboard.outcomes import SENTENCES, Termination, classify
from palmares.signatures import SIGNATURES, find

EXCERPTS = sorted((Path(__file__).parents[3] / "data" / "failure_logs").glob("*.txt"))


def lines_of(excerpt: Path) -> list[str]:
    """The log without its first line, which says where it is from."""
    return excerpt.read_text(encoding="utf-8").splitlines()[1:]


def class_of(*lines: str) -> str:
    ended = Termination(
        status="failed",
        succeeded=False,
        status_reason="worker execution exit code 1",
        reported="evaluator_error",
        console=lines,
    )
    return classify(ended).failure_class


@pytest.mark.parametrize("excerpt", EXCERPTS, ids=lambda path: path.stem)
def test_a_public_log_is_given_its_class(excerpt):
    expected, _, _ = excerpt.stem.partition("__")

    assert class_of(*lines_of(excerpt)) == expected


@pytest.mark.parametrize("excerpt", EXCERPTS, ids=lambda path: path.stem)
def test_an_excerpt_names_its_source(excerpt):
    source = excerpt.read_text(encoding="utf-8").splitlines()[0]

    assert source.startswith(("https://github.com/", "measured: "))


@pytest.mark.parametrize("place", range(len(SIGNATURES)))
def test_a_signature_is_shown_by_an_excerpt_and_has_a_source(place):
    signature = SIGNATURES[place]

    assert any(find(lines_of(excerpt), [signature]) for excerpt in EXCERPTS)
    assert signature.source == "measured" or signature.source.startswith("https://github.com/")
    assert signature.failure_class in SENTENCES


def test_each_class_that_a_console_can_tell_has_an_excerpt():
    told = {signature.failure_class for signature in SIGNATURES}

    assert {excerpt.stem.partition("__")[0] for excerpt in EXCERPTS} == told
    assert told == set(SENTENCES) - {"succeeded", "cancelled", "results_incomplete"}


@pytest.mark.parametrize(
    ("cause", "consequence", "expected"),
    [
        ("out_of_memory__cuda", "node_lost__nccl_watchdog", "out_of_memory"),
        ("out_of_memory__cache_blocks", "evaluator_error__engine", "out_of_memory"),
        ("out_of_memory__ray", "node_lost__ray_worker", "out_of_memory"),
        ("node_lost__ecc", "out_of_memory__cuda", "node_lost"),
        ("node_lost__disk_full", "bad_model__safetensors", "node_lost"),
        ("evaluator_error__hub_unreachable", "bad_model__tokenizer", "evaluator_error"),
        ("incompatible__engine", "evaluator_error__engine", "incompatible"),
        ("wall_time__slurm", "node_lost__nccl_remote", "wall_time"),
    ],
)
def test_the_cause_wins_over_what_follows_from_it_in_either_order(cause, consequence, expected):
    by_name = {excerpt.stem: lines_of(excerpt) for excerpt in EXCERPTS}

    assert class_of(*by_name[cause], *by_name[consequence]) == expected
    assert class_of(*by_name[consequence], *by_name[cause]) == expected


def test_a_handler_for_missing_memory_in_a_traceback_is_no_missing_memory():
    assert class_of("    except MemoryError:", "KeyError: 'row'") == "evaluator_error"
