"""The trigger: what it carries, what it tells, and what it may cancel."""

from __future__ import annotations

import asyncio
import inspect
import logging
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from clearml_provider import poller, triggers
from clearml_provider.exceptions import ClearMLConfigError, ClearMLNotFoundError, ClearMLUnavailableError
from clearml_provider.operators import ClearMLWaitOperator
from clearml_provider.triggers import ClearMLTaskTrigger

from tests.plugins.clearml_provider.workplace import Workplace, defer


@pytest.fixture
def task_id(clearml: Workplace) -> str:
    """A queued task."""
    return clearml.enqueue()


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(poller, "POLL_BUDGET_S", 0.05)
    monkeypatch.setattr(triggers, "KILL_GRACE_S", 0.1)
    monkeypatch.setattr(ClearMLTaskTrigger, "log", logging.getLogger("trigger"))  # evades caplog otherwise


def trigger(task_id: str, **arguments: Any) -> ClearMLTaskTrigger:
    arguments = {"attempt": 1, "waiter": "me", "poll_interval": 0.05, **arguments}
    return ClearMLTaskTrigger(clearml_task_id=task_id, **arguments)


async def first_event(waiting: ClearMLTaskTrigger) -> dict[str, Any]:
    async with asyncio.timeout(20):
        (event,) = [event async for event in waiting.run()]
        payload: dict[str, Any] = event.payload
        return payload


def test_every_argument_survives_serialization():
    parameters = inspect.signature(ClearMLTaskTrigger.__init__).parameters
    names = [name for name in parameters if name != "self"]
    values: dict[str, Any] = {name: f"value of {name}" for name in names}
    path, kwargs = ClearMLTaskTrigger(**values).serialize()
    assert path == "clearml_provider.triggers.ClearMLTaskTrigger"
    assert kwargs == values


def test_what_the_triggerer_sets_does_not_change_what_is_waited_for():
    waiting = trigger("remote")
    waiting.task_instance = SimpleNamespace(task_id="airflows own")  # type: ignore[assignment]
    assert waiting.serialize()[1]["clearml_task_id"] == "remote"


async def test_an_empty_task_id_is_refused_before_the_server_takes_it_for_all_tasks(clearml):
    with pytest.raises(ClearMLConfigError, match="did the task that enqueues return one"):
        await first_event(trigger(""))


async def test_an_interval_that_is_none_is_refused(clearml, task_id):
    with pytest.raises(ClearMLConfigError, match="poll_interval is 0, expected seconds above 0"):
        await first_event(trigger(task_id, poll_interval=0))


async def test_changes_of_status_are_logged_once(clearml, task_id, caplog):
    caplog.set_level(logging.INFO)
    waiting = asyncio.create_task(first_event(trigger(task_id)))
    await _seen(caplog, "attempt 1: queued")
    await asyncio.to_thread(clearml.start)
    await _seen(caplog, "attempt 1: in_progress")
    polls = clearml.faults.seen.count("tasks.get_all")
    await _until(lambda: clearml.faults.seen.count("tasks.get_all") >= polls + 3)
    await asyncio.to_thread(clearml.call, "tasks.completed", task=task_id, status_reason="done")
    assert (await waiting)["status"] == "completed"
    lines = [r.getMessage() for r in caplog.records if "attempt 1:" in r.getMessage()]
    assert [line.partition("attempt 1: ")[2].split()[0] for line in lines] == [
        "queued",
        "in_progress",
        "completed",
    ]


async def test_a_passing_outage_is_waited_out(clearml, task_id, caplog):
    caplog.set_level(logging.INFO)
    clearml.faults.away()
    waiting = asyncio.create_task(first_event(trigger(task_id)))
    await _seen(caplog, "ClearML is away")
    clearml.faults.away(False)
    await asyncio.to_thread(clearml.complete)
    assert (await waiting)["status"] == "completed"
    assert "ClearML is back" in caplog.text


async def test_a_lasting_outage_fails_the_trigger(clearml, task_id):
    clearml.faults.away()
    with pytest.raises(ClearMLUnavailableError):
        await first_event(trigger(task_id, max_outage_s=0.2))


async def test_a_deadline_is_kept_while_the_api_is_away(clearml, task_id):
    clearml.faults.away()
    event = await first_event(trigger(task_id, deadline=time.time() + 0.3))
    assert event == {"task_id": task_id, "attempt": 1, "status": "deadline"}


async def test_a_deadline_that_passed_while_the_triggerer_was_down_does_not_hide_an_ending(clearml, task_id):
    await asyncio.to_thread(clearml.complete)
    assert (await first_event(trigger(task_id, deadline=time.time() - 60)))["status"] == "completed"


async def test_a_deadline_fires_on_time_between_polls(clearml, task_id):
    clearml.faults.seen.clear()
    event = await first_event(trigger(task_id, poll_interval=60, deadline=time.time() + 1.5))
    assert event["status"] == "deadline"
    assert clearml.faults.seen.count("tasks.get_all") == 1


async def test_a_job_with_signs_of_life_is_not_lost(clearml, task_id):
    await asyncio.to_thread(clearml.start)
    event = await first_event(trigger(task_id, lost_after_s=60, deadline=time.time() + 0.3))
    assert event["status"] == "deadline"


async def test_time_in_progress_is_limited_and_time_in_the_queue_is_not(clearml, task_id):
    event = await first_event(trigger(task_id, run_limit_s=0.1, deadline=time.time() + 1.5))
    assert event["status"] == "deadline"
    await asyncio.to_thread(clearml.start)
    assert (await first_event(trigger(task_id, run_limit_s=0.1)))["status"] == "overtime"


async def test_a_task_that_fell_out_of_its_queue_is_put_back_and_waited_for(clearml, task_id, caplog):
    caplog.set_level(logging.INFO)
    waiting = await asyncio.to_thread(_waiting, task_id)
    waiting.queue_check_s = 0.05
    outcome = asyncio.create_task(first_event(waiting))
    await asyncio.to_thread(
        clearml.call, "queues.get_next_task", queue=clearml.queue_id
    )  # and the agent dies
    await _seen(caplog, "requeued")
    assert await asyncio.to_thread(clearml.entries) == [task_id]
    await asyncio.to_thread(clearml.complete)
    assert (await outcome)["status"] == "completed"
    assert caplog.text.count("requeued") == 1


async def test_a_task_in_its_queue_is_left_there(clearml, task_id):
    clearml.faults.seen.clear()
    await first_event(trigger(task_id, queue_check_s=0.05, deadline=time.time() + 0.5))
    assert clearml.faults.seen.count("queues.get_all") >= 3
    assert "tasks.enqueue" not in clearml.faults.seen


async def test_a_task_whose_putting_back_got_no_answer_is_put_back_later(clearml, task_id, caplog):
    waiting = await asyncio.to_thread(_waiting, task_id)
    waiting.queue_check_s = 0.05
    await asyncio.to_thread(clearml.call, "queues.get_next_task", queue=clearml.queue_id)
    clearml.faults.lose("tasks.enqueue", after_effect=False)
    outcome = asyncio.create_task(first_event(waiting))
    await _seen(caplog, "could not be requeued yet")
    await _seen(caplog, "its agent died")
    await asyncio.to_thread(clearml.complete)
    assert (await outcome)["status"] == "completed"


async def test_a_node_that_fails_is_told_while_its_master_runs(clearml, task_id, caplog):
    caplog.set_level(logging.INFO)
    await asyncio.to_thread(clearml.start)
    child = await asyncio.to_thread(_launch_node, clearml, task_id)
    waiting = asyncio.create_task(first_event(trigger(task_id, watch_children=True)))
    await _seen(caplog, f"Node {child} of ClearML task {task_id}: created")
    await asyncio.to_thread(clearml.call, "tasks.failed", task=child, force=True, status_reason="exit code 1")
    assert await waiting == {
        "task_id": task_id,
        "attempt": 1,
        "status": "child_ended",
        "child_id": child,
        "child_status": "failed",
    }
    assert "failed (exit code 1)" in caplog.text


async def test_nodes_are_nobodys_business_unless_watched(clearml, task_id):
    await asyncio.to_thread(clearml.start)
    child = await asyncio.to_thread(_launch_node, clearml, task_id)
    await asyncio.to_thread(clearml.call, "tasks.failed", task=child, force=True)
    assert (await first_event(trigger(task_id, deadline=time.time() + 0.3)))["status"] == "deadline"


async def test_a_deleted_task_fails_the_trigger(clearml, task_id):
    await asyncio.to_thread(clearml.call, "tasks.delete_many", ids=[task_id], force=True)
    with pytest.raises(ClearMLNotFoundError):
        await first_event(trigger(task_id))


async def test_triggers_of_one_triggerer_share_a_log_in_and_their_looks(clearml, task_id):
    await asyncio.to_thread(clearml.complete)
    clearml.faults.seen.clear()
    events = await asyncio.gather(*(first_event(trigger(task_id)) for _ in range(20)))
    assert {e["status"] for e in events} == {"completed"}
    assert clearml.faults.seen == ["auth.login", "tasks.get_all"]


async def test_a_trigger_that_is_cancelled_with_its_triggerer_leaves_the_job_alone(clearml, task_id):
    await asyncio.to_thread(clearml.start)
    waiting = trigger(task_id)
    clearml.faults.seen.clear()
    running = asyncio.create_task(first_event(waiting))
    await _until(lambda: "tasks.get_all" in clearml.faults.seen)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    await waiting.cleanup()
    assert (await asyncio.to_thread(clearml.task)).status == "in_progress"
    assert not {"tasks.stop", "tasks.stopped"} & set(clearml.faults.seen)


async def test_a_slow_answer_does_not_hold_up_the_loop(clearml, task_id):
    await asyncio.to_thread(clearml.complete)
    clearml.faults.slow("tasks.get_all", seconds=0.5)
    waiting = asyncio.create_task(first_event(trigger(task_id)))
    turns = 0
    while not waiting.done():
        await asyncio.sleep(0.01)
        turns += 1
    assert waiting.result()["status"] == "completed"
    assert turns >= 5


def _launch_node(clearml: Workplace, master_id: str) -> str:
    """What `launch_multi_node` does for each further node."""
    child: str = clearml.call("tasks.clone", task=master_id, new_task_parent=master_id)["id"]
    clearml.call("tasks.edit", task=child, system_tags=["multi_node_instance", "hidden"], force=True)
    return child


def _waiting(task_id: str) -> ClearMLTaskTrigger:
    """The trigger that a new try of the waiting task defers to."""
    operator = ClearMLWaitOperator(task_id="wait", clearml_task_id=task_id, poll_interval=0.05)
    return ClearMLTaskTrigger(**defer(operator).trigger.serialize()[1])


async def _seen(caplog: pytest.LogCaptureFixture, text: str) -> None:
    await _until(lambda: text in caplog.text)


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - nobody signals it
            await asyncio.sleep(0.01)
