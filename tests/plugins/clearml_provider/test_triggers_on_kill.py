"""What a trigger may cancel when a person acts on the waiting task, in whatever order things happen."""

from __future__ import annotations

import asyncio

import pytest
from clearml_provider import poller, triggers
from clearml_provider.flows.cancel import cancel
from clearml_provider.operators import ClearMLWaitOperator
from clearml_provider.poller import shared_poller
from clearml_provider.transport import call
from clearml_provider.triggers import ClearMLTaskTrigger

from tests.plugins.clearml_provider.workplace import Workplace, defer, fire


@pytest.fixture
def task_id(clearml: Workplace) -> str:
    """A queued task."""
    return clearml.enqueue()


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(poller, "POLL_BUDGET_S", 0.05)
    monkeypatch.setattr(triggers, "KILL_GRACE_S", 0.1)


def _waiting(task_id: str) -> ClearMLTaskTrigger:
    """The trigger that a new try of the waiting task defers to."""
    operator = ClearMLWaitOperator(task_id="wait", clearml_task_id=task_id, poll_interval=0.05)
    return ClearMLTaskTrigger(**defer(operator).trigger.serialize()[1])


@pytest.mark.parametrize("running", [False, True], ids=["queued", "running"])
def test_a_kill_cancels_the_job_and_says_why_on_it(clearml, task_id, running):
    waiting = _waiting(task_id)
    if running:
        clearml.start()
    asyncio.run(waiting.on_kill())
    task = clearml.task()
    assert (task.status, task.user_properties["stop_cause"]) == ("stopped", "1:killed")
    assert "Cancelled from Airflow" in task.user_properties["stop_reason"]
    assert clearml.entries() == []


def test_a_kill_leaves_another_attempt_alone(clearml, task_id):
    waiting = _waiting(task_id)
    clearml.fail()
    clearml.enqueue()
    asyncio.run(waiting.on_kill())
    assert (clearml.task().status, clearml.task().attempt) == ("queued", 2)


def test_a_kill_of_a_finished_job_does_nothing(clearml, task_id):
    waiting = _waiting(task_id)
    clearml.complete()
    asyncio.run(waiting.on_kill())
    assert clearml.task().status == "completed"


def test_after_a_clear_the_new_try_keeps_the_job_when_it_comes_before_the_kill(clearml, task_id):
    old = _waiting(task_id)
    clearml.start()
    new = _waiting(task_id)
    asyncio.run(old.on_kill())
    task = clearml.task()
    assert (task.status, task.attempt) == ("in_progress", 1)
    asyncio.run(new.on_kill())
    assert clearml.task().status == "stopped"


def test_after_a_clear_the_new_try_starts_the_next_attempt_when_it_comes_after_the_kill(clearml, task_id):
    old = _waiting(task_id)
    clearml.start()
    asyncio.run(old.on_kill())
    _waiting(task_id)
    task = clearml.task()
    assert (task.status, task.attempt, task.user_properties["stop_cause"]) == ("queued", 2, "")


def test_after_a_clear_the_new_try_goes_on_when_it_comes_between_the_kill_and_its_effect(clearml, task_id):
    old = ClearMLTaskTrigger(**_waiting(task_id).serialize()[1])
    clearml.start()
    flow_at_stop = asyncio.run(_kill_until(old, "tasks.stop"))
    operator = ClearMLWaitOperator(task_id="wait", clearml_task_id=task_id, poll_interval=0.05)
    deferred = defer(operator)  # adopts what is still in progress
    flow_at_stop()  # the agent obeys
    event = fire(deferred)
    assert event["status"] == "stopped"
    again = defer(ClearMLWaitOperator(task_id="wait", clearml_task_id=task_id), event)
    assert again.trigger.serialize()[1]["attempt"] == 2
    assert (clearml.task().status, clearml.task().attempt) == ("queued", 2)


async def _kill_until(old: ClearMLTaskTrigger, endpoint: str):
    """Do what on_kill does up to and with *endpoint*; the rest is the agent's."""
    from clearml_provider.transport import Call

    flow = cancel(
        old.clearml_task_id, attempt=1, waiter=old.waiter, cause="killed", reason="cleared", grace_s=30
    )
    async with shared_poller(old.clearml_conn_id) as lent:
        client = await lent._client(refused=None)
        step = next(flow)
        while True:
            answer = await client._perform(step)
            if isinstance(step, Call) and step.endpoint == endpoint:
                break
            step = flow.send(answer)

    def agent_obeys() -> None:
        from clearml_provider.hook import ClearMLHook

        stopped = call("tasks.stopped", {"task": old.clearml_task_id, "status_reason": "task was stopped"})
        ClearMLHook(old.clearml_conn_id).run(stopped)

    return agent_obeys
