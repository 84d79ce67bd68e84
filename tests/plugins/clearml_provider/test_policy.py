"""The caller's functions: what they decide, and what their mistakes cost."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from clearml_provider.console import ShowLine
from clearml_provider.exceptions import ClearMLConfigError, ClearMLPolicyError, ClearMLTaskFailedError
from clearml_provider.models import TaskInfo
from clearml_provider.operators import ClearMLWaitOperator
from clearml_provider.outcomes import AttemptOutcome, Policy, Termination, termination_of

from tests.plugins.clearml_provider.workplace import defer

TERMINATION = termination_of(TaskInfo.from_api({"id": "t", "status": "failed"}))
OUTCOME = AttemptOutcome(decision="retry", failure_class="failed", reason="it failed")


def broken(*_: Any) -> Any:
    raise ConnectionError("the store is away")


def wait(task_id: str, **arguments: Any) -> ClearMLWaitOperator:
    return ClearMLWaitOperator(task_id="wait", clearml_task_id=task_id, poll_interval=0.05, **arguments)


def test_a_function_that_raises_is_named_with_its_error():
    for ask in (
        lambda p: p.outcome(TERMINATION),
        lambda p: p.publish(TERMINATION, OUTCOME),
        lambda p: p.edit(TERMINATION, OUTCOME),
    ):
        with pytest.raises(
            ClearMLPolicyError, match=r"test_policy.broken raised ConnectionError: the store"
        ) as e:
            ask(Policy(classify=broken, next_attempt=broken, on_outcome=broken))
        assert isinstance(e.value.__cause__, ConnectionError)


def test_a_function_that_returns_something_else_is_named():
    wrong: Any = lambda *_: "again"  # noqa: E731 - a callable of one line
    with pytest.raises(ClearMLPolicyError, match="returned str, expected AttemptOutcome"):
        Policy(classify=wrong).outcome(TERMINATION)
    with pytest.raises(ClearMLPolicyError, match="returned str, expected AttemptEdit"):
        Policy(next_attempt=wrong).edit(TERMINATION, OUTCOME)
    assert Policy(next_attempt=lambda termination, outcome: None).edit(TERMINATION, OUTCOME) is None


def test_a_filter_that_raises_withholds_everything_and_never_quotes_a_line(caplog):
    lines = ["one", "a hidden row"]
    assert Policy(show_line=broken).shown(lines) == ["… 2 lines withheld"]
    assert "raised ConnectionError" in caplog.text
    assert "hidden" not in caplog.text


def test_a_dotted_path_that_leads_nowhere_is_told_before_a_job_of_a_day_is_waited_for(clearml):
    task_id = clearml.enqueue()
    for name in ("classify", "next_attempt", "on_outcome", "show_line"):
        with pytest.raises(ClearMLConfigError, match=r"Cannot import 'no\.such\.function'"):
            wait(task_id, **{name: "no.such.function"}).execute({})
    assert clearml.task().status == "queued"


def test_a_classifier_that_raises_leaves_the_ending_for_the_next_try(clearml):
    task_id = clearml.enqueue()
    clearml.fail()
    with pytest.raises(ClearMLPolicyError):
        wait(task_id, classify=broken).execute({})
    task = clearml.task()
    assert (task.status, task.attempt, task.user_properties.get("endings")) == ("failed", 1, None)
    with pytest.raises(ClearMLTaskFailedError, match="attempt 1: failed"):
        wait(task_id).execute({})


def test_a_next_attempt_that_raises_begins_nothing(clearml):
    task_id = clearml.enqueue()
    clearml.fail()
    with pytest.raises(ClearMLTaskFailedError):
        wait(task_id).execute({})
    with pytest.raises(ClearMLPolicyError):
        wait(task_id, next_attempt=broken).execute({})
    assert (clearml.task().status, clearml.task().attempt) == ("failed", 1)
    defer(wait(task_id))
    assert clearml.task().attempt == 2


def show(line: str) -> str | None:
    """Shorten one line, withhold another."""
    return None if "row" in line else line[:7]


@pytest.mark.parametrize(
    ("filtered", "shown"),
    [
        (None, ["loading the model", "a hidden row", "done"]),
        (show, ["loading", "done", "… 1 lines withheld"]),
        (broken, ["… 3 lines withheld"]),
    ],
    ids=["no filter", "filter", "broken filter"],
)
def test_the_log_of_a_failure_has_its_class_and_what_may_be_shown_of_the_console(
    clearml, caplog, monkeypatch, filtered: ShowLine | None, shown: list[str]
):
    task_id = clearml.enqueue()
    clearml.console(task_id, "one", "two", "loading the model", "a hidden row", "done")
    clearml.fail()
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(ClearMLWaitOperator, "log", logging.getLogger("wait"))  # evades caplog otherwise
    with pytest.raises(ClearMLTaskFailedError):
        wait(task_id, log_tail=3, show_line=filtered).execute({})
    said = [r.getMessage() for r in caplog.records if r.name == "wait"]
    assert f"ClearML task {task_id}, attempt 1: failed (worker execution exit code 1)" in said
    prefix = "ClearML console | "
    assert [line.removeprefix(prefix) for line in said if line.startswith(prefix)] == shown
    assert clearml.task().user_properties["endings"].startswith('[[1, "failed"')


def test_the_classifier_sees_more_of_the_console_than_is_shown(clearml):
    task_id = clearml.enqueue()
    clearml.console(task_id, *(f"line {i}" for i in range(300)))
    clearml.fail()
    seen: list[Termination] = []

    def classify(termination: Termination) -> AttemptOutcome:
        seen.append(termination)
        return OUTCOME

    with pytest.raises(ClearMLTaskFailedError):
        wait(task_id, classify=classify, log_tail=1).execute({})
    assert seen[0].log_lines == tuple(f"line {i}" for i in range(100, 300))
