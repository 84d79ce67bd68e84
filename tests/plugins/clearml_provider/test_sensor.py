"""Waiting for a task of somebody else: look, never touch."""

from __future__ import annotations

import asyncio
import inspect
import threading
from typing import Any

import pytest
from airflow.sdk.exceptions import (
    AirflowFailException,
    AirflowSensorTimeout,
    AirflowSkipException,
    TaskDeferred,
)
from clearml_provider.exceptions import ClearMLNotFoundError, ClearMLUnavailableError
from clearml_provider.sensors import ClearMLTaskSensor
from clearml_provider.triggers import ClearMLStatusTrigger

from tests.plugins.clearml_provider.workplace import Workplace


@pytest.fixture
def task_id(clearml: Workplace) -> str:
    """A queued task."""
    return clearml.enqueue()


def sensor(task_id: str, **arguments: Any) -> ClearMLTaskSensor:
    defaults = {"poke_interval": 0.05, "timeout": 10, "deferrable": False}
    return ClearMLTaskSensor(task_id="sense", clearml_task_id=task_id, **(defaults | arguments))


def deferred(made: ClearMLTaskSensor) -> TaskDeferred:
    with pytest.raises(TaskDeferred) as caught:
        made.execute({})
    return caught.value


def trigger_of(task: TaskDeferred) -> ClearMLStatusTrigger:
    """As the triggerer makes it, from its serialized form."""
    path, arguments = task.trigger.serialize()
    assert path == "clearml_provider.triggers.ClearMLStatusTrigger"
    return ClearMLStatusTrigger(**arguments)


async def first_event(trigger: ClearMLStatusTrigger) -> dict[str, Any]:
    async for event in trigger.run():
        payload: dict[str, Any] = event.payload
        return payload
    raise AssertionError("no event")


def fire(task: TaskDeferred) -> dict[str, Any]:
    return asyncio.run(asyncio.wait_for(first_event(trigger_of(task)), timeout=20))


def test_it_pokes_until_the_task_is_done_and_leaves_it_alone(clearml, task_id):
    made = sensor(task_id)
    before = clearml.task()
    assert not made.poke({})
    worker = threading.Thread(target=clearml.complete)
    worker.start()
    assert made.execute({}) == {"task_id": task_id, "status": "completed"}
    worker.join()
    assert clearml.task().user_properties == before.user_properties
    assert made.clearml_task_url.endswith(f"/{task_id}/execution")


def test_it_waits_for_a_start_too(clearml, task_id):
    clearml.start()
    found = sensor(task_id, allowed_states=["in_progress"], failed_states=["failed"]).execute({})
    assert found == {"task_id": task_id, "status": "in_progress"}


@pytest.mark.parametrize("deferrable", [False, True])
def test_a_failed_state_fails_at_once_or_skips(clearml, task_id, deferrable):
    clearml.fail()
    with pytest.raises(AirflowFailException, match=r"is failed, waited for \['closed', 'completed'"):
        sensor(task_id, deferrable=deferrable).execute({})
    with pytest.raises(AirflowSkipException):
        sensor(task_id, deferrable=deferrable, soft_fail=True).execute({})


def test_it_times_out(task_id):
    with pytest.raises(AirflowSensorTimeout):
        sensor(task_id, timeout=0.1).execute({})


def test_deferred_it_is_told_by_the_triggerer(clearml, task_id):
    made = sensor(task_id, deferrable=True, poke_interval=0.1)
    task = deferred(made)
    assert task.timeout is not None
    assert task.timeout.total_seconds() == 10
    clearml.complete()
    event = fire(task)
    assert event == {"task_id": task_id, "status": "completed"}
    assert getattr(made, task.method_name)({}, event) == event


def test_deferred_it_does_not_wait_for_what_is_done(clearml, task_id):
    clearml.complete()
    assert sensor(task_id, deferrable=True).execute({})["status"] == "completed"


def test_deferred_it_fails_for_a_failed_state(clearml, task_id):
    made = sensor(task_id, deferrable=True, poke_interval=0.1)
    task = deferred(made)
    clearml.fail()
    with pytest.raises(AirflowFailException, match="is failed"):
        made.execute_complete({}, fire(task))


def test_a_task_that_is_deleted_meanwhile_ends_the_trigger(clearml, task_id):
    task = deferred(sensor(task_id, deferrable=True, poke_interval=0.1))
    clearml.call("tasks.delete_many", ids=[task_id], force=True)
    with pytest.raises(ClearMLNotFoundError, match=task_id):
        fire(task)


def test_an_outage_is_waited_out_and_a_long_one_told(clearml, task_id):
    task = deferred(sensor(task_id, deferrable=True, poke_interval=0.1))
    clearml.faults.away()
    clearml.faults.seen.clear()

    async def come_back() -> dict[str, Any]:
        waiting = asyncio.create_task(first_event(trigger_of(task)))
        while len(clearml.faults.seen) < 2:  # noqa: ASYNC110 - the server's own count, in another thread
            await asyncio.sleep(0.01)
        clearml.faults.away(False)
        await asyncio.to_thread(clearml.complete)
        return await asyncio.wait_for(waiting, timeout=20)

    assert asyncio.run(come_back())["status"] == "completed"


def test_an_outage_beyond_the_limit_fails_the_trigger(clearml, task_id, monkeypatch):
    monkeypatch.setattr("clearml_provider.poller.POLL_BUDGET_S", 0.1)
    clearml.faults.away()
    trigger = ClearMLStatusTrigger(
        clearml_task_id=task_id, states=["completed"], poll_interval=0.05, max_outage_s=0.2
    )
    with pytest.raises(ClearMLUnavailableError):
        asyncio.run(asyncio.wait_for(first_event(trigger), timeout=20))


def test_a_trigger_that_is_killed_leaves_the_job_alone(clearml, task_id):
    clearml.start()
    trigger = trigger_of(deferred(sensor(task_id, deferrable=True)))
    asyncio.run(trigger.on_kill())
    assert clearml.task().status == "in_progress"
    assert "tasks.stop" not in clearml.faults.seen


def test_the_trigger_serializes_every_argument():
    arguments: dict[str, Any] = {
        "clearml_task_id": "t",
        "states": ["completed"],
        "poll_interval": 1.5,
        "max_outage_s": 2.5,
        "clearml_conn_id": "other",
    }
    assert set(arguments) == set(inspect.signature(ClearMLStatusTrigger.__init__).parameters) - {"self"}
    path, serialized = ClearMLStatusTrigger(**arguments).serialize()
    assert serialized == arguments
    assert path.endswith(".ClearMLStatusTrigger")
