"""Attempts that we bring to their end: cancelled, by whom it may be, or adopted."""

from __future__ import annotations

from typing import Any

import pytest
from clearml_provider import api
from clearml_provider.exceptions import ClearMLMovedError, ClearMLTaskFailedError
from clearml_provider.flows import attempts
from clearml_provider.flows.cancel import adopt, cancel
from clearml_provider.operators import ClearMLWaitOperator
from clearml_provider.outcomes import CAUSE_FORCED, AttemptOutcome, Termination, classify_by_status
from clearml_provider.transport import Call, Pause

from tests.plugins.clearml_provider.workplace import Workplace, carry, defer, fire


def cancelling(task_id: str, **arguments: Any) -> Any:
    given: dict[str, Any] = {"attempt": 1, "cause": CAUSE_FORCED, "reason": "a new result is wanted by run 7"}
    return cancel(task_id, **given | {"grace_s": 0.2, "poll_s": 0.05} | arguments)


def test_a_queued_job_is_stopped_at_once_and_says_why(clearml):
    task_id = clearml.enqueue()
    assert clearml.hook.run(cancelling(task_id))
    task = clearml.task()
    assert (task.status, clearml.entries()) == ("stopped", [])
    assert task.user_properties["stop_cause"] == "1:forced"
    assert task.user_properties["stop_reason"] == "a new result is wanted by run 7"


def test_an_agent_that_does_not_answer_is_given_its_grace_and_then_overruled(clearml):
    task_id = clearml.enqueue()
    clearml.start()
    assert clearml.hook.run(cancelling(task_id))
    assert clearml.task().status == "stopped"
    assert clearml.faults.seen.count("tasks.stop") == 1


@pytest.mark.parametrize("moment", ["tasks.edit_hyper_params", "tasks.stop", "tasks.stopped"])
def test_a_job_that_completes_while_it_is_cancelled_stays_completed(clearml, moment):
    task_id = clearml.enqueue()
    clearml.start()

    def complete(step: object) -> None:
        if isinstance(step, Call) and step.endpoint == moment and clearml.status(task_id) == "in_progress":
            clearml.call("tasks.completed", task=task_id, status_reason="worker execution done")

    assert not carry(clearml.hook, cancelling(task_id), between=complete)
    task = clearml.task()
    assert (task.status, task.user_properties["stop_cause"]) == ("completed", "")


def test_a_job_that_an_agent_had_taken_and_starts_all_the_same_is_stopped_again(clearml):
    task_id = clearml.enqueue()
    clearml.call("queues.get_next_task", queue=clearml.queue_id)

    def start(step: object) -> None:
        if isinstance(step, Pause) and clearml.status(task_id) == "stopped":
            clearml.call("tasks.started", task=task_id, force=True)  # agents do it by force

    assert carry(clearml.hook, cancelling(task_id), between=start)
    assert clearml.task().status == "stopped"
    assert clearml.faults.seen.count("tasks.stop") == 2


@pytest.mark.parametrize("moment", range(4))
def test_a_task_that_is_deleted_meanwhile_needs_no_cancelling(clearml, moment):
    task_id = clearml.enqueue()
    clearml.start()
    steps = iter(range(100))

    def delete(_: object) -> None:
        if next(steps) == moment:
            clearml.call("tasks.delete_many", ids=[task_id], force=True)

    assert not carry(clearml.hook, cancelling(task_id), between=delete)
    assert clearml.of_key() == []


def test_another_attempt_and_another_waiters_are_left_alone(clearml):
    task_id = clearml.enqueue()
    assert not clearml.hook.run(cancelling(task_id, attempt=2))
    clearml.hook.run(attempts.acquire(clearml.task(), "me"))
    assert not clearml.hook.run(cancelling(task_id, waiter="you"))
    assert clearml.task().status == "queued"
    assert clearml.hook.run(cancelling(task_id, waiter="me"))


def test_an_attempt_that_begins_while_the_last_is_cancelled_is_left_alone(clearml):
    task_id = clearml.enqueue()
    clearml.start()

    def begin(_: object) -> None:
        if "tasks.stop" in clearml.faults.seen and clearml.status(task_id) == "in_progress":
            clearml.call("tasks.failed", task=task_id)
            clearml.enqueue()

    assert not carry(clearml.hook, cancelling(task_id), between=begin)
    assert (clearml.task().status, clearml.task().attempt) == ("queued", 2)


@pytest.mark.parametrize("lost", ["tasks.stop", "tasks.stopped", "tasks.edit_hyper_params", "tasks.get_all"])
@pytest.mark.parametrize("after_effect", [True, False], ids=["after the effect", "before the effect"])
def test_a_cancelling_survives_lost_answers(clearml, lost, after_effect):
    task_id = clearml.enqueue()
    clearml.start()
    clearml.faults.lose(lost, after_effect=after_effect)
    assert clearml.hook.run(cancelling(task_id))
    assert clearml.task().user_properties["stop_cause"] == "1:forced"


def test_a_forced_stop_is_a_cancellation_for_the_run_that_waited(clearml):
    task_id = clearml.enqueue()
    deferred = defer(ClearMLWaitOperator(task_id="wait", clearml_task_id=task_id, poll_interval=0.05))
    clearml.hook.run(cancelling(task_id))
    assert fire(deferred)["status"] == "stopped"
    outcome = classify_by_status(Termination(info=clearml.task(), stop_cause=CAUSE_FORCED, past=()))
    assert (outcome.decision, outcome.failure_class) == ("cancelled", "cancelled")


def uploaded(termination: Termination) -> AttemptOutcome:
    """The caller's rule: this attempt's results are there."""
    fence = termination.info.user_properties.get("results_attempt")
    if termination.info.artifact("results") is not None and fence == str(termination.attempt):
        return AttemptOutcome(
            decision="succeeded", failure_class="succeeded", reason="its results were uploaded"
        )
    return classify_by_status(termination)


def upload_results(place: Workplace, task_id: str, *, attempt: int) -> None:
    """What the job itself does at its end."""
    place.upload(task_id, "results", b"results")
    verify_results(place, task_id, attempt=attempt)


def verify_results(place: Workplace, task_id: str, *, attempt: int) -> None:
    item = {"section": "properties", "name": "results_attempt", "value": str(attempt)}
    place.call("tasks.edit_hyper_params", task=task_id, hyperparams=[item])


def wait(task_id: str, **arguments: Any) -> ClearMLWaitOperator:
    given: dict[str, Any] = {"poll_interval": 0.05, "stop_grace_s": 0.2, "classify": uploaded}
    return ClearMLWaitOperator(task_id="wait", clearml_task_id=task_id, **given | arguments)


def test_a_job_whose_agent_died_but_whose_results_are_there_has_succeeded(clearml):
    task_id = clearml.enqueue()
    deferred = defer(wait(task_id, lost_after_s=0.5))
    clearml.start()
    upload_results(clearml, task_id, attempt=1)
    event = fire(deferred)
    assert event["status"] == "lost"
    result = wait(task_id).execute_complete({}, event)
    assert (result["attempt"], result["status"]) == (1, "completed")
    task = clearml.task()
    assert (task.status, task.status_reason) == ("completed", "adopted: its results were uploaded")
    assert task.artifact("results") is not None


def test_results_that_come_before_the_next_attempt_begins_are_adopted_instead(clearml):
    task_id = clearml.enqueue()
    event = {"task_id": task_id, "attempt": 1, "status": "lost"}
    clearml.start()
    clearml.upload(task_id, "results", b"results")
    with pytest.raises(ClearMLTaskFailedError, match="node_lost"):
        wait(task_id).execute_complete({}, event)
    verify_results(clearml, task_id, attempt=1)  # by the process, which outlived its agent
    assert wait(task_id).execute({})["attempt"] == 1
    assert (clearml.task().status, clearml.task().attempt) == ("completed", 1)
    assert clearml.entries() == []


def test_results_of_an_attempt_that_is_not_current_are_not_adopted(clearml):
    task_id = clearml.enqueue()
    clearml.fail()
    with pytest.raises(ClearMLTaskFailedError):
        wait(task_id).execute({})
    defer(wait(task_id))
    clearml.start()
    upload_results(clearml, task_id, attempt=1)  # late, of the first
    clearml.call("tasks.failed", task=task_id, status_reason="worker execution exit code 1")
    with pytest.raises(ClearMLTaskFailedError, match="attempt 2: failed"):
        wait(task_id).execute({})
    assert clearml.task().status == "failed"


def test_an_adoption_looks_again_whose_attempt_is_current(clearml):
    clearml.enqueue()
    clearml.fail()
    task = clearml.task()
    clearml.enqueue()
    with pytest.raises(ClearMLMovedError, match="attempt 1 has results, but attempt 2 is current"):
        clearml.hook.run(adopt(task, reason="late"))
    assert clearml.task().status == "queued"


@pytest.mark.parametrize("after_effect", [True, False], ids=["after the effect", "before the effect"])
def test_an_adoption_survives_a_lost_answer(clearml, after_effect):
    clearml.enqueue()
    clearml.fail()
    clearml.faults.lose("tasks.completed", after_effect=after_effect)
    assert clearml.hook.run(adopt(clearml.task(), reason="there")).status == "completed"


def test_a_job_without_its_agents_word_is_completed_whatever_its_status(clearml):
    task_id = clearml.enqueue()
    clearml.start()
    clearml.hook.run(api.completed(task_id, reason="adopted: there"))
    assert clearml.task().status == "completed"
