"""Numbered attempts: begun once, whoever dies on the way, and shown."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException, TaskDeferred
from clearml_provider import api
from clearml_provider.exceptions import ClearMLMovedError, ClearMLTaskFailedError
from clearml_provider.flows import attempts
from clearml_provider.operators import ClearMLWaitOperator
from clearml_provider.outcomes import AttemptEdit, AttemptOutcome, Termination

from tests.plugins.clearml_provider.workplace import Crashed, Workplace, carry, defer, fire


class Airflow:
    """The context of one try, as far as the operator uses it: XComs, which a new try begins without."""

    def __init__(self) -> None:
        self.xcoms: dict[str, Any] = {}

    def xcom_push(self, key: str, value: Any) -> None:
        self.xcoms[key] = value

    @property
    def context(self) -> Any:
        return {"ti": self}


def wait(task_id: str, **arguments: Any) -> ClearMLWaitOperator:
    given = {"poll_interval": 0.05, "stop_grace_s": 0.2}
    return ClearMLWaitOperator(task_id="wait", clearml_task_id=task_id, **given | arguments)


def told(place: Workplace, *, complete: bool = False) -> str:
    """A job whose first attempt has ended, and Airflow was told so."""
    task_id = place.enqueue()
    (place.complete if complete else place.fail)()

    def refuse(termination: Termination) -> AttemptOutcome:
        return AttemptOutcome(decision="retry", failure_class="failed", reason="")

    with pytest.raises(ClearMLTaskFailedError):
        wait(task_id, classify=refuse).execute({})
    return task_id


def begin(place: Workplace, until: int | None = None, **edit: Any) -> None:
    """Begin the next attempt, but die before step *until*."""
    flow = attempts.start_attempt(place.task(), queue_id=place.queue_id, edit=AttemptEdit(**edit))
    with suppress(Crashed):
        carry(place.hook, flow, until=until)


CHANGE: dict[str, Any] = {"hyperparams": {"General": {"nb_nodes": "2"}}, "note": "two nodes"}


@pytest.mark.parametrize("complete", [False, True], ids=["failed", "completed"])
@pytest.mark.parametrize("until", range(7))
def test_a_try_that_dies_while_it_begins_an_attempt_is_gone_on_from(clearml, until, complete):
    task_id = told(clearml, complete=complete)
    begin(clearml, until, **CHANGE)

    def refuse(termination: Termination) -> AttemptOutcome:
        assert termination.attempt == 1, "the old outcome was read as the new attempt's"
        return AttemptOutcome(decision="retry", failure_class="failed", reason="")

    again = wait(task_id, classify=refuse, next_attempt=lambda termination, outcome: AttemptEdit(**CHANGE))
    assert (clearml.status(task_id), clearml.task().attempt) != ("created", 1), "reset without its number"
    defer(again)
    task = clearml.task()
    assert (task.status, task.attempt) == ("queued", 2)
    assert task.hyperparams["General"]["nb_nodes"] == "2"
    assert clearml.entries() == [task_id]
    assert task.user_properties["enqueue_intent"] == ""
    clearml.fail()
    with pytest.raises(ClearMLTaskFailedError, match="attempt 2: failed"):
        wait(task_id).execute({})


@pytest.mark.parametrize("until", range(7))
def test_the_enqueueing_task_goes_on_from_it_too_and_raises_the_number_once(clearml, until):
    task_id = told(clearml)
    begin(clearml, until, **CHANGE)
    assert clearml.enqueue() == task_id
    assert (clearml.task().status, clearml.task().attempt) == ("queued", 2)
    assert clearml.entries() == [task_id]


def test_an_attempt_that_was_enqueued_and_ended_is_an_ending_even_if_nobody_noted_that_it_began(clearml):
    task_id = told(clearml)
    begin(clearml)
    clearml.fail("worker execution exit code 3")
    assert attempts.intended_queue(clearml.task()) is None
    with pytest.raises(ClearMLTaskFailedError, match=r"attempt 2: failed \(worker execution exit code 3\)"):
        wait(task_id).execute({})


def test_of_two_that_begin_the_next_attempt_the_later_steps_back(clearml):
    told(clearml)
    seen = clearml.task()
    begin(clearml)
    clearml.fail()
    with pytest.raises(ClearMLMovedError, match="was failed, attempt 1, and now is failed, attempt 2"):
        clearml.hook.run(attempts.start_attempt(seen, queue_id=clearml.queue_id, edit=AttemptEdit()))
    assert (clearml.task().status, clearml.task().attempt) == ("failed", 2)


def test_a_try_that_comes_second_waits_for_the_attempt_of_the_first(clearml):
    task_id = told(clearml)

    def overtaken(termination: Termination, outcome: AttemptOutcome) -> AttemptEdit:
        begin(clearml)
        return AttemptEdit(note="too late")

    deferred = defer(wait(task_id, next_attempt=overtaken))
    assert deferred.trigger.serialize()[1]["attempt"] == 2
    assert clearml.task().user_properties["attempt_note"] == ""
    assert clearml.entries() == [task_id]


@pytest.mark.parametrize("after_effect", [True, False], ids=["after the effect", "before the effect"])
@pytest.mark.parametrize("lost", ["tasks.edit", "tasks.enqueue", "tasks.reset", "tasks.get_all"])
def test_a_beginning_survives_lost_answers(clearml, lost, after_effect):
    task_id = told(clearml, complete=True)
    clearml.faults.lose(lost, after_effect=after_effect)
    begin(clearml, **CHANGE)
    assert (clearml.task().status, clearml.task().attempt) == ("queued", 2)
    assert clearml.entries() == [task_id]


def test_an_enqueueing_that_an_agent_was_faster_than_to_hear_again_has_happened(clearml):
    told(clearml)
    seen = clearml.task()
    begin(clearml)
    clearml.start()
    clearml.hook.run(
        attempts._reset_and_enqueue(seen, 2, clearml.queue_id)
    )  # its answer was lost: sent again
    assert clearml.task().status == "in_progress"
    assert clearml.entries() == []


def test_an_attempt_that_ended_before_an_older_trigger_told_of_it_is_told(clearml):
    task_id = clearml.enqueue()
    deferred = defer(wait(task_id))
    clearml.fail()
    clearml.enqueue()  # by another run, which makes attempt 2
    event = fire(deferred)
    clearml.fail("worker execution exit code 3")
    with pytest.raises(ClearMLTaskFailedError, match=r"attempt 2: failed \(worker execution exit code 3\)"):
        wait(task_id).execute_complete({}, event)
    assert clearml.task().attempt == 2


@pytest.mark.parametrize("how", ["tasks.reset", "tasks.dequeue"])
def test_a_draft_is_not_waited_for(clearml, how):
    task_id = clearml.enqueue()
    clearml.call(how, task=task_id)
    with pytest.raises(
        AirflowFailException, match="attempt 1, is a draft and in no queue: a person reset or"
    ):
        wait(task_id).execute({})
    clearml.enqueue()
    deferred = defer(wait(task_id))
    clearml.call(how, task=task_id)
    event = fire(deferred)
    assert event["status"] == "created"
    with pytest.raises(AirflowFailException, match="is a draft and in no queue"):
        wait(task_id).execute_complete({}, event)
    clearml.enqueue()
    defer(wait(task_id))


def test_a_task_that_a_person_put_away_is_shown_again_when_it_is_to_run(clearml):
    task_id = told(clearml)
    clearml.call("tasks.archive_many", ids=[task_id])
    begin(clearml)
    assert "archived" not in clearml.task().system_tags


def test_a_retry_shows_what_it_changed(clearml):
    other = clearml.hook.run(api.resolve_queue(f"other-{clearml.queue}", create_if_missing=True))

    def next_attempt(termination: Termination, outcome: AttemptOutcome) -> AttemptEdit:
        return AttemptEdit(queue=other.name, note="two nodes", user_properties={"plan": '{"nodes": 2}'})

    task_id = clearml.enqueue()
    clearml.fail()
    first, second, third = Airflow(), Airflow(), Airflow()
    with pytest.raises(ClearMLTaskFailedError):
        wait(task_id).execute(first.context)
    one = {"attempt": 1, "after": None, "note": "", "queue": clearml.queue}
    assert first.xcoms == {"attempts": [one | {"plan": "first"}]}

    again = wait(task_id, next_attempt=next_attempt)
    with pytest.raises(TaskDeferred):
        again.execute(second.context)
    two = {"attempt": 2, "after": "failed", "note": "two nodes", "queue": other.name}
    assert second.xcoms == {"attempts": [one, two | {"plan": {"nodes": 2}}]}

    clearml.call("queues.get_next_task", queue=other.id)
    clearml.call("tasks.started", task=task_id, force=True)
    clearml.call("tasks.failed", task=task_id)
    with pytest.raises(ClearMLTaskFailedError):  # a third try, which begins without the second's XComs
        wait(task_id).execute(third.context)
    assert third.xcoms == second.xcoms
    assert clearml.task().user_properties["endings"] == (
        f'[[1, "failed", "", "{clearml.queue}"], [2, "failed", "two nodes", "{other.name}"]]'
    )
