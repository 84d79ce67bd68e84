"""Polls of many tasks at once: how the answers are read, and when a task is requeued."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from clearml_provider import api
from clearml_provider.exceptions import (
    ClearMLAPIError,
    ClearMLAuthError,
    ClearMLNotFoundError,
    ClearMLUnavailableError,
    ClearMLUnknownStatusError,
    may_pass,
)
from clearml_provider.flows import enqueue, read
from clearml_provider.flows.attempts import acquire
from clearml_provider.models import TaskInfo
from clearml_provider.transport import Answer, Flow, call

from tests.plugins.clearml_provider.workplace import Workplace

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


def answered(flow: Flow[Any], *answers: dict[str, Any]) -> Any:
    """Carry *flow* with these answers of the server."""
    next(flow)
    try:
        for data in answers:
            flow.send(Answer(data, NOON))
    except StopIteration as end:
        return end.value
    raise AssertionError("the flow asks for more")


def test_one_odd_task_does_not_hide_the_others():
    rows = [{"id": "a", "status": "in_progress"}, {"id": "b", "status": "dreaming"}]
    seen = answered(read.poll_tasks(["a", "b", "c"]), {"tasks": rows})
    assert isinstance(seen["a"], TaskInfo)
    assert isinstance(seen["b"], ClearMLUnknownStatusError)
    assert isinstance(seen["c"], ClearMLNotFoundError)
    assert "has no task c" in str(seen["c"])
    assert list(seen) == ["a", "b", "c"]


def test_more_children_than_a_page_holds_are_all_read(monkeypatch):
    monkeypatch.setattr("clearml_provider.api.PAGE_ROWS", 2)
    rows = [{"id": f"c{n}", "status": "queued", "parent": "ab"[n % 2]} for n in range(3)]
    seen = answered(read.poll_children(["a", "b"]), {"tasks": rows[:2]}, {"tasks": rows[2:]})
    assert {master: [child.id for child in children] for master, children in seen.items()} == {
        "a": ["c0", "c2"],
        "b": ["c1"],
    }


def test_a_look_asks_for_little_and_gets_what_is_judged(clearml):
    task_id = clearml.enqueue()
    clearml.start()
    task = clearml.hook.run(read.poll_tasks([task_id]))[task_id]
    assert (task.status, task.attempt, task.last_worker) == ("in_progress", 1, clearml.worker)
    assert task.queue_id == clearml.queue_id
    assert task.silent_s is not None
    assert task.running_s is not None
    assert set(task.user_properties) <= {"attempt", "waiter"}
    assert (task.name, task.hyperparams) == ("", {})


@pytest.mark.parametrize(
    ("error", "passes"),
    [
        (ClearMLUnavailableError("away"), True),
        (ClearMLAPIError("a proxy's page", status=403), True),
        (ClearMLAPIError("validation", status=400, subcode=800), False),
        (ClearMLAuthError("refused", status=401, subcode=22), False),
        (ClearMLAuthError("refused by a proxy", status=401), False),
        (ClearMLNotFoundError("deleted", status=400, subcode=101), False),
        (ValueError("a bug"), False),
    ],
)
def test_only_what_is_not_clearmls_own_refusal_may_pass(error, passes):
    assert may_pass(error) is passes


@pytest.fixture
def fallen_out(clearml: Workplace) -> str:
    """A task whose agent took it and died: queued, and in no queue."""
    task_id = clearml.enqueue()
    clearml.hook.run(acquire(clearml.task(), "me"))
    clearml.call("queues.get_next_task", queue=clearml.queue_id)
    assert (clearml.task().status, clearml.entries()) == ("queued", [])
    return task_id


def requeue(clearml: Workplace, task_id: str, *, attempt: int = 1, waiter: str = "me") -> bool:
    return clearml.hook.run(enqueue.requeue(task_id, attempt=attempt, waiter=waiter))


def test_a_task_that_fell_out_goes_back_to_its_own_queue_once(clearml, fallen_out):
    assert requeue(clearml, fallen_out)
    assert clearml.entries() == [fallen_out]
    assert not requeue(clearml, fallen_out)
    assert clearml.entries() == [fallen_out]


@pytest.mark.parametrize("other", [{"attempt": 2}, {"waiter": "somebody else"}])
def test_another_waiters_task_is_not_put_back(clearml, fallen_out, other):
    assert not requeue(clearml, fallen_out, **other)
    assert clearml.entries() == []


def test_a_task_that_started_after_all_is_not_put_back(clearml, fallen_out):
    clearml.call("tasks.started", task=fallen_out, force=True)
    assert not requeue(clearml, fallen_out)
    assert clearml.entries() == []


def test_a_lost_answer_to_putting_back_is_no_harm(clearml, fallen_out):
    clearml.faults.lose("tasks.enqueue", after_effect=True)
    assert requeue(clearml, fallen_out)
    assert clearml.entries() == [fallen_out]


def test_a_putting_back_that_never_came_through_is_told_and_not_said_twice(clearml, fallen_out):
    clearml.faults.lose("tasks.enqueue", after_effect=False)
    with pytest.raises(ClearMLUnavailableError):
        requeue(clearml, fallen_out)
    assert (clearml.entries(), clearml.faults.seen.count("tasks.enqueue")) == ([], 2)  # one put it there
    assert requeue(clearml, fallen_out)
    assert clearml.entries() == [fallen_out]


def test_a_deleted_queue_is_said_to_be_the_reason(clearml, fallen_out):
    clearml.hook.run(call("queues.delete", {"queue": clearml.queue_id, "force": True}))
    with pytest.raises(ClearMLNotFoundError, match="Was the queue deleted"):
        requeue(clearml, fallen_out)


def test_a_projection_never_names_a_field_together_with_its_own_sub_field():
    assert api.projection(["id", "hyperparams.properties", "hyperparams", "id", "hyperparams_x.y"]) == [
        "id",
        "hyperparams",
        "hyperparams_x.y",
    ]


def test_a_task_is_read_with_parameters_and_artifacts_from_a_server_that_refuses_collisions(clearml):
    task_id = clearml.enqueue()
    assert clearml.call("tasks.get_all", id=[task_id], only_fields=["hyperparams"])["tasks"]
    task = clearml.hook.task(task_id)
    assert task.hyperparams["General"] == {"model": "org/name", "nb_nodes": "1"}
    assert task.user_properties["plan"] == "first"
