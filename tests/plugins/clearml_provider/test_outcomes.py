"""Outcomes, classified by status, and the notes on a task that they are read from."""

from __future__ import annotations

from typing import Any

import pytest
from clearml_provider.exceptions import ClearMLConfigError
from clearml_provider.models import TaskInfo
from clearml_provider.outcomes import (
    attempts_so_far,
    classify_by_status,
    load_function,
    past_outcomes,
    termination_of,
    was_reported,
)


def task(status: str, reason: str = "", **properties: str) -> TaskInfo:
    row: dict[str, Any] = {"id": "t", "name": "job", "status": status, "status_reason": reason}
    row["hyperparams"] = {"properties": {name: {"value": value} for name, value in properties.items()}}
    return TaskInfo.from_api(row)


@pytest.mark.parametrize(
    ("termination", "decision", "failure_class"),
    [
        (task("completed", "worker execution done"), "succeeded", "succeeded"),
        (task("published"), "succeeded", "succeeded"),
        (task("failed", "worker execution exit code 1"), "retry", "failed"),
        (task("failed", "worker execution exit code -9"), "retry", "failed"),
        (task("stopped", "task was stopped by tasks.stop"), "cancelled", "cancelled"),
        (task("stopped", "user abort"), "retry", "preempted"),
        (task("stopped", "Forced stop (non-responsive)"), "retry", "node_lost"),
        (task("stopped", attempt="2", stop_cause="2:node_lost", stop_reason="silent"), "retry", "node_lost"),
        (task("stopped", attempt="2", stop_cause="2:deadline", stop_reason="late"), "fail", "wall_time"),
        (task("stopped", attempt="2", stop_cause="2:overtime", stop_reason="long"), "fail", "wall_time"),
        (
            task("stopped", attempt="2", stop_cause="2:killed", stop_reason="by hand"),
            "cancelled",
            "cancelled",
        ),
        (task("stopped", attempt="2", stop_cause="2:forced", stop_reason="anew"), "cancelled", "cancelled"),
        (task("stopped", "user abort", attempt="2", stop_cause="1:deadline"), "retry", "preempted"),
    ],
)
def test_the_default_classifier_goes_by_status_reason_and_our_own_cause(termination, decision, failure_class):
    outcome = classify_by_status(termination_of(termination))
    assert (outcome.decision, outcome.failure_class) == (decision, failure_class)


def test_budgets_count_earlier_attempts_only():
    failed = task("failed", attempt="3", endings='[[1, "node_lost"], [2, "node_lost"], [3, "node_lost"]]')
    assert was_reported(failed)
    assert termination_of(failed).count("node_lost") == 2


@pytest.mark.parametrize("mangled", ["", "{}", "[1]", "[[1]]", "not json", "null"])
def test_a_note_that_a_person_mangled_counts_as_none(mangled):
    assert not was_reported(task("failed", endings=mangled))


def test_notes_of_an_older_form_are_read():
    old = task("failed", attempt="3", endings='[[1, "node_lost"], [2, "out_of_memory", "two nodes", "big"]]')
    first, second = past_outcomes(old)
    assert (first.failure_class, first.note, first.queue) == ("node_lost", "", "")
    assert (second.failure_class, second.note, second.queue) == ("out_of_memory", "two nodes", "big")


def test_the_attempts_so_far_are_told_from_the_notes_on_the_task():
    notes = {"attempt_note": "shorter", "attempt_queue": "big", "plan": '{"tp": 2}'}
    termination = task("failed", attempt="2", endings='[[1, "out_of_memory"], [2, "failed"]]', **notes)
    assert attempts_so_far(termination) == [
        {"attempt": 1, "after": None, "note": "", "queue": ""},
        {"attempt": 2, "after": "out_of_memory", "note": "shorter", "queue": "big", "plan": {"tp": 2}},
    ]


def lost(status: str = "stopped") -> TaskInfo:
    return task(status, "task was stopped by tasks.stop", stop_cause="1:node_lost")


CONSEQUENCE = task("stopped", "task was stopped by tasks.stop", stop_cause="1:child_ended")
FAILED = task("failed", "worker execution exit code 1")
DRAINED = task("stopped", "user abort")
ABORTED = task("stopped", "task was stopped by tasks.stop")
DONE = task("completed", "worker execution done")


@pytest.mark.parametrize(
    ("nodes", "decision", "failure_class"),
    [
        ((CONSEQUENCE, FAILED, lost()), "retry", "node_lost"),
        ((FAILED, DRAINED), "retry", "preempted"),
        ((DONE, FAILED, CONSEQUENCE), "retry", "failed"),
        ((ABORTED, CONSEQUENCE), "cancelled", "cancelled"),
        ((ABORTED, FAILED), "retry", "failed"),
        ((), "retry", "failed"),
        ((CONSEQUENCE, DONE), "retry", "failed"),
    ],
    ids=["lost", "preempted", "failed", "aborted", "aborted and failed", "deleted", "nobody's"],
)
def test_a_job_that_a_node_ended_is_judged_by_the_guilty_node(nodes, decision, failure_class):
    master = task(
        "stopped", "task was stopped by tasks.stop", stop_cause="1:child_ended", stop_reason="node 1"
    )
    outcome = classify_by_status(termination_of(master, children=nodes))
    assert (outcome.decision, outcome.failure_class, outcome.reason) == (decision, failure_class, "node 1")


def test_a_completed_master_has_succeeded_whatever_its_nodes_say():
    assert classify_by_status(termination_of(DONE, children=(FAILED,))).decision == "succeeded"


def test_functions_are_found_by_dotted_path():
    assert load_function("clearml_provider.outcomes.classify_by_status") is classify_by_status


@pytest.mark.parametrize("path", ["nowhere", "no.such.module", "clearml_provider.outcomes.nothing"])
def test_a_wrong_dotted_path_is_named(path):
    with pytest.raises(ClearMLConfigError, match=f"Cannot import '{path}'"):
        load_function(path)
