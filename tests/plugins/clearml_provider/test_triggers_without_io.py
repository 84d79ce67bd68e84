"""What a waiting trigger makes of a look, without a server."""

from __future__ import annotations

import time
import traceback
from datetime import UTC, datetime
from typing import Any

import pytest
from clearml_provider.exceptions import (
    ClearMLAPIError,
    ClearMLNotFoundError,
    ClearMLUnavailableError,
    ClearMLUnknownStatusError,
)
from clearml_provider.models import TaskInfo
from clearml_provider.poller import PollResult
from clearml_provider.triggers import Update, Waiting, own_copy

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
AWAY = ClearMLUnavailableError("away")


def waiting(**limits: Any) -> Waiting:
    nothing = {"deadline": None, "run_limit_s": None, "lost_after_s": None, "max_outage_s": 60.0}
    return Waiting(task_id="t", attempt=1, **(nothing | limits))


def task(status: str, *, attempt: int = 1, id: str = "t", **times: str) -> TaskInfo:
    """A task at noon; *times* are hours and minutes before it."""
    row = {"id": id, "status": status, "hyperparams": {"properties": {"attempt": {"value": str(attempt)}}}}
    row |= {field: f"2026-11-21T{at}:00+00:00" for field, at in times.items()}
    return TaskInfo.from_api(row, server_time=NOON)


def payload(news: Update | None) -> dict[str, Any] | None:
    return news.payload if news is not None else None


def status_told(wait: Waiting, *looked_at: TaskInfo, **look: Any) -> str | None:
    """The status in the event after these looks; None: none came."""
    for seen in looked_at:
        if found := payload(wait.judge(PollResult(task=seen, **look))):
            return str(found["status"])
    return None


def test_only_a_change_is_news():
    wait = waiting()
    first = wait.judge(PollResult(task=task("queued")))
    assert first == Update(lines=("ClearML task t, attempt 1: queued",))
    assert wait.judge(PollResult(task=task("queued"))) is None
    assert wait.judge(PollResult(task=task("in_progress"))) is not None


@pytest.mark.parametrize("status", ["completed", "failed", "stopped", "closed", "publishing", "published"])
def test_an_end_is_told_as_the_server_calls_it(status):
    assert payload(waiting().judge(PollResult(task=task(status)))) == {
        "task_id": "t",
        "attempt": 1,
        "status": status,
    }


def test_another_attempt_is_told_before_its_status():
    assert status_told(waiting(), task("failed", attempt=2)) == "superseded"


@pytest.mark.parametrize(
    ("signs", "told"),
    [
        ({"last_update": "11:50"}, "lost"),
        ({"last_update": "11:50", "last_worker_report": "11:59"}, None),
        ({"last_update": "11:59", "last_worker_report": "11:50"}, None),
        ({}, None),
    ],
)
def test_a_job_is_lost_when_neither_it_nor_its_worker_was_heard_of(signs, told):
    assert status_told(waiting(lost_after_s=300), task("in_progress", **signs)) == told


def test_a_queued_task_is_never_lost_nor_overtime():
    wait = waiting(lost_after_s=300, run_limit_s=60)
    assert status_told(wait, task("queued", last_update="08:00", started="08:00")) is None


def test_overtime_counts_from_the_start():
    assert status_told(waiting(run_limit_s=3600), task("in_progress", started="10:59")) == "overtime"
    assert status_told(waiting(run_limit_s=3600), task("in_progress", started="11:01")) is None


@pytest.mark.parametrize(
    ("child", "told"),
    [
        (task("failed", id="c"), "failed"),
        (task("stopped", id="c"), "stopped"),
        (task("in_progress", id="c", last_update="11:00"), "lost"),
        (task("in_progress", id="c", last_update="11:59"), None),
        (task("completed", id="c"), None),
        (task("queued", id="c"), None),
        (task("failed", id="c", attempt=3), None),
    ],
)
def test_a_node_of_this_attempt_that_ended_badly_is_told(child, told):
    news = waiting(lost_after_s=300).judge(PollResult(task=task("in_progress"), children=[child]))
    expected = {
        "task_id": "t",
        "attempt": 1,
        "status": "child_ended",
        "child_id": "c",
        "child_status": told,
    }
    assert payload(news) == (expected if told else None)


def test_changes_of_nodes_are_logged_once():
    wait = waiting()
    look = PollResult(task=task("in_progress"), children=[task("queued", id="c")])
    first = wait.judge(look)
    assert first is not None
    assert first.lines[1:] == ("Node c of ClearML task t: queued",)
    assert wait.judge(look) is None


def test_a_node_with_an_unknown_status_fails_only_its_own_job():
    news = waiting().judge(
        PollResult(task=task("in_progress"), children=[ClearMLUnknownStatusError("dreaming")])
    )
    assert news is not None
    assert isinstance(news.error, ClearMLUnknownStatusError)


@pytest.mark.parametrize(
    ("in_queues", "put_back_at"),
    [
        ([False, False], [1]),
        ([False, None, None, False], [3]),  # nobody looked in between
        ([False, True, False], []),
        ([False, False, False, False], [1, 3]),
        ([None, None], []),
    ],
)
def test_a_task_is_put_back_when_two_looks_in_a_row_miss_it(in_queues, put_back_at):
    wait = waiting()
    news = [wait.judge(PollResult(task=task("queued"), in_queue=in_queue)) for in_queue in in_queues]
    assert [n for n, each in enumerate(news) if each is not None and each.requeue] == put_back_at


def test_a_task_that_started_in_between_is_not_put_back():
    wait = waiting()
    for status, in_queue in (("queued", False), ("in_progress", None), ("queued", False)):
        news = wait.judge(PollResult(task=task(status), in_queue=in_queue))
        assert news is None or not news.requeue


def test_an_outage_is_told_once_at_its_beginning_and_once_at_its_end():
    wait = waiting()
    wait.judge(PollResult(task=task("queued")))
    first = wait.judge(PollResult(task=AWAY))
    assert first is not None
    assert first.warning == "ClearML is away, waiting on for up to 60 s: away"
    assert wait.judge(PollResult(task=AWAY)) is None
    assert wait.judge(PollResult(task=task("queued"))) == Update(lines=("ClearML is back",))
    assert wait.judge(PollResult(task=task("queued"))) is None


def test_every_trigger_keeps_its_own_patience(monkeypatch):
    now = 1000.0
    monkeypatch.setattr("clearml_provider.triggers.time.monotonic", lambda: now)
    patient, impatient = waiting(max_outage_s=60), waiting(max_outage_s=10)
    for wait in (patient, impatient):
        wait.judge(PollResult(task=AWAY))
    now += 30
    assert patient.judge(PollResult(task=AWAY)) is None
    assert impatient.judge(PollResult(task=AWAY)) == Update(error=AWAY)
    patient.judge(PollResult(task=task("queued")))  # counts anew from here
    now += 50
    assert payload(patient.judge(PollResult(task=AWAY))) is None
    now += 20
    assert patient.judge(PollResult(task=AWAY)) == Update(error=AWAY)


def test_what_cannot_pass_is_an_error_at_once():
    gone = ClearMLNotFoundError("deleted", status=400, subcode=101)
    assert waiting().judge(PollResult(task=gone)) == Update(error=gone)


def test_a_deadline_that_has_come_waits_only_for_the_first_look():
    wait = waiting(deadline=time.time() - 5)
    assert wait.patience_s() == pytest.approx(60, abs=1)
    assert status_told(wait, task("completed")) == "completed"
    assert wait.patience_s() == 0
    assert status_told(waiting(deadline=time.time() - 5), task("queued")) == "deadline"
    assert waiting().patience_s() is None


def test_an_error_that_many_raise_is_each_ones_own():
    shared = ClearMLAPIError("refused", status=403, subcode=7, endpoint="tasks.get_all")
    lengths = []
    for _ in range(3):
        with pytest.raises(ClearMLAPIError) as caught:
            raise own_copy(shared)
        lengths.append(len(traceback.format_exception(caught.value)))
        assert caught.value is not shared
        assert (str(caught.value), caught.value.status, caught.value.subcode) == ("refused", 403, 7)
    assert len(set(lengths)) == 1
