"""The waiting operator: endings, next attempts, and whose they are."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException, TaskDeferred
from clearml_provider import api
from clearml_provider.exceptions import ClearMLConfigError, ClearMLNotFoundError, ClearMLTaskFailedError
from clearml_provider.flows import create
from clearml_provider.operators import ClearMLWaitOperator
from clearml_provider.outcomes import AttemptEdit, AttemptOutcome, Termination

from tests.plugins.clearml_provider.workplace import Workplace, defer, fire


@pytest.fixture
def task_id(clearml: Workplace) -> str:
    """A queued task."""
    return clearml.enqueue()


def wait(task_id: str, **arguments: Any) -> ClearMLWaitOperator:
    """A fresh operator: each step of a task runs in a process of its own."""
    arguments = {"poll_interval": 0.05, "stop_grace_s": 0.2} | arguments
    return ClearMLWaitOperator(task_id="wait", clearml_task_id=task_id, **arguments)


def test_a_job_that_completes_gives_its_ending(clearml, task_id):
    deferred = defer(wait(task_id))
    clearml.complete()
    event = fire(deferred)
    assert event == {"task_id": task_id, "attempt": 1, "status": "completed"}
    assert wait(task_id).execute_complete({}, event) == {
        "task_id": task_id,
        "attempt": 1,
        "status": "completed",
        "failure_class": "succeeded",
        "reason": "worker execution done",
    }


def test_a_job_that_is_done_already_is_not_waited_for(clearml, task_id):
    clearml.complete()
    assert wait(task_id).execute({})["status"] == "completed"


def test_a_failure_is_told_once_and_the_next_try_starts_the_next_attempt(clearml, task_id):
    event = _failed_event(clearml, task_id)
    with pytest.raises(ClearMLTaskFailedError, match="attempt 1: failed") as told:
        wait(task_id).execute_complete({}, event)
    assert told.value.failure_class == "failed"
    assert "http://web.test/projects/" in str(told.value)

    deferred = defer(wait(task_id))  # Airflow's retry
    assert (clearml.task().status, clearml.task().attempt) == ("queued", 2)
    clearml.complete()
    assert wait(task_id).execute_complete({}, fire(deferred))["attempt"] == 2
    assert len(clearml.of_key()) == 1


def test_a_try_that_died_before_telling_does_not_skip_the_telling(clearml, task_id):
    clearml.fail()
    with pytest.raises(ClearMLTaskFailedError):
        wait(task_id).execute({})
    assert (clearml.task().status, clearml.task().attempt) == ("failed", 1)


def test_the_next_attempt_is_what_the_caller_says(clearml, task_id):
    other = clearml.hook.run(api.resolve_queue(f"other-{clearml.queue}", create_if_missing=True))
    seen: list[tuple[Termination, AttemptOutcome]] = []

    def more_nodes(termination: Termination, outcome: AttemptOutcome) -> AttemptEdit:
        seen.append((termination, outcome))
        return AttemptEdit(
            hyperparams={"General": {"nb_nodes": "2"}},
            user_properties={"plan": "two nodes"},
            queue=other.name,
            note="two nodes",
        )

    event = _failed_event(clearml, task_id)
    with pytest.raises(ClearMLTaskFailedError):
        wait(task_id).execute_complete({}, event)
    defer(wait(task_id, next_attempt=more_nodes))
    task = clearml.task()
    assert (task.attempt, task.queue_id, task.user_properties["plan"]) == (2, other.id, "two nodes")
    assert task.hyperparams == {"General": {"model": "org/name", "nb_nodes": "2"}}
    ((termination, outcome),) = seen
    assert (termination.attempt, termination.count("failed"), outcome.failure_class) == (1, 0, "failed")


def test_an_attempt_is_classified_once_and_published_once(clearml, task_id):
    classified: list[int] = []
    published: list[tuple[int, str]] = []

    def classify(termination: Termination) -> AttemptOutcome:
        classified.append(termination.attempt)
        return AttemptOutcome(decision="retry", failure_class="node_lost", reason="the node fell silent")

    def keep(termination: Termination, outcome: AttemptOutcome) -> None:
        published.append((termination.attempt, outcome.reason))

    given: dict[str, Any] = {"classify": classify, "on_outcome": keep}
    clearml.fail()
    with pytest.raises(ClearMLTaskFailedError):
        wait(task_id, **given).execute({})
    defer(wait(task_id, **given))
    assert clearml.task().attempt == 2
    assert (classified, published) == ([1], [(1, "the node fell silent")])


def test_an_attempt_whose_facts_changed_after_its_outcome_is_classified_again(clearml, task_id):
    clearml.fail()
    with pytest.raises(ClearMLTaskFailedError):
        wait(task_id).execute({})
    properties = {"results_attempt": "1"}
    clearml.hook.run(create.edit_hyperparams(task_id, properties=properties))

    def late(termination: Termination) -> AttemptOutcome:
        assert termination.info.user_properties["results_attempt"] == "1"
        return AttemptOutcome(decision="succeeded", failure_class="succeeded", reason="they came late")

    assert wait(task_id, classify=late).execute({})["status"] == "completed"


def test_no_next_attempt_fails_without_retry(clearml, task_id):
    event = _failed_event(clearml, task_id)
    with pytest.raises(ClearMLTaskFailedError):
        wait(task_id).execute_complete({}, event)
    with pytest.raises(AirflowFailException, match="no further attempt after attempt 1"):
        wait(task_id, next_attempt=lambda termination, outcome: None).execute({})
    assert clearml.task().attempt == 1


@pytest.mark.parametrize(
    ("outcome", "error"),
    [
        ("retry", ClearMLTaskFailedError),
        ("fail", AirflowFailException),
        ("cancelled", AirflowFailException),
        ("skip", AirflowSkipException),
    ],
)
def test_the_callers_classifier_decides_how_airflow_hears_of_it(clearml, task_id, outcome, error):
    def classify(termination: Termination) -> AttemptOutcome:
        assert termination.log_lines == ("loading", "repository is gated")
        return AttemptOutcome(decision=outcome, failure_class="gated", reason="no access to the repository")

    clearml.console(task_id, "loading", "repository is gated")
    clearml.fail()
    with pytest.raises(error, match="gated"):
        wait(task_id, classify=classify).execute({})
    assert clearml.task().user_properties["endings"] == f'[[1, "gated", "", "{clearml.queue}"]]'


def test_the_console_stays_out_of_airflows_log_unless_asked(clearml, task_id, caplog, monkeypatch):
    clearml.console(task_id, "a hidden row")
    clearml.fail()
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(ClearMLWaitOperator, "log", logging.getLogger("wait"))  # evades caplog otherwise
    with pytest.raises(ClearMLTaskFailedError):
        wait(task_id).execute({})
    assert "a hidden row" not in caplog.text
    with pytest.raises(ClearMLTaskFailedError):
        wait(task_id, log_tail=5)._judge({}, clearml.task())
    assert "a hidden row" in caplog.text


def test_a_completed_job_that_is_refused_is_reset_and_run_again(clearml, task_id):
    def never_enough(termination: Termination) -> AttemptOutcome:
        return AttemptOutcome(decision="retry", failure_class="results_incomplete", reason="rows are missing")

    clearml.complete()
    with pytest.raises(ClearMLTaskFailedError):
        wait(task_id, classify=never_enough).execute({})
    defer(wait(task_id, classify=never_enough))
    assert (clearml.task().status, clearml.task().attempt) == ("queued", 2)
    assert clearml.entries() == [task_id]


def test_a_lost_node_is_cancelled_and_tried_again(clearml, task_id):
    deferred = defer(wait(task_id, lost_after_s=0.5))
    clearml.start()
    event = fire(deferred)
    assert event["status"] == "lost"
    with pytest.raises(ClearMLTaskFailedError, match="node_lost"):
        wait(task_id).execute_complete({}, event)
    task = clearml.task()
    assert (task.status, task.user_properties["stop_cause"]) == ("stopped", "1:node_lost")
    assert "no sign of life" in task.user_properties["stop_reason"]


@pytest.mark.parametrize("running", [False, True], ids=["queued", "running"])
def test_a_deadline_cancels_the_job_and_fails_without_retry(clearml, task_id, running):
    if running:
        clearml.start()
    deferred = defer(wait(task_id, deadline_s=0))
    event = fire(deferred)
    assert event["status"] == "deadline"
    with pytest.raises(AirflowFailException, match="not done 0 s after it was enqueued"):
        wait(task_id, deadline_s="0").execute_complete({}, event)
    task = clearml.task()
    assert (task.status, task.user_properties["stop_cause"]) == ("stopped", "1:deadline")
    assert clearml.entries() == []


def test_a_deadline_counts_from_the_enqueueing_however_often_the_wait_restarts(clearml, task_id):
    clearml.hook.run(create.edit_hyperparams(task_id, properties={"enqueued_at": "1000"}))
    for _ in range(2):
        assert defer(wait(task_id, deadline_s=60)).trigger.serialize()[1]["deadline"] == 1060


def test_an_event_of_an_older_attempt_changes_nothing(clearml, task_id):
    event = _failed_event(clearml, task_id)
    with pytest.raises(ClearMLTaskFailedError):
        wait(task_id).execute_complete({}, event)
    defer(wait(task_id))
    again = defer(wait(task_id), event)
    assert again.trigger.serialize()[1]["attempt"] == 2
    assert (clearml.task().status, clearml.task().attempt) == ("queued", 2)


def test_an_attempt_that_another_run_started_is_followed(clearml, task_id):
    deferred = defer(wait(task_id))
    clearml.fail()
    clearml.enqueue()
    event = fire(deferred)
    assert event["status"] == "superseded"
    assert defer(wait(task_id), event).trigger.serialize()[1]["attempt"] == 2


def test_a_deleted_task_is_an_error_that_says_so(clearml, task_id):
    clearml.call("tasks.delete_many", ids=[task_id], force=True)
    with pytest.raises(ClearMLNotFoundError, match=f"no task {task_id} .*It was deleted"):
        wait(task_id).execute({})


def test_an_empty_task_id_is_not_taken_for_all_tasks(clearml):
    with pytest.raises(ClearMLConfigError, match="empty ClearML task id"):
        wait("").execute({})


@pytest.mark.parametrize("bad", ["soon", [1]])
def test_a_wrong_number_of_seconds_is_named(clearml, task_id, bad):
    with pytest.raises(ClearMLConfigError, match="deadline_s is"):
        wait(task_id, deadline_s=bad).execute({})


def test_it_never_holds_a_worker(clearml, task_id):
    with pytest.raises(TaskDeferred):
        wait(task_id).execute({})


def _failed_event(clearml: Workplace, task_id: str) -> dict[str, Any]:
    deferred = defer(wait(task_id))
    clearml.fail()
    return fire(deferred)
