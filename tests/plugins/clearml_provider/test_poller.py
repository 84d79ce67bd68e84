"""One poller for all who wait: how often it asks, whom it tells what, and when it ends."""

from __future__ import annotations

import asyncio
import logging
from contextvars import ContextVar

import pytest
from clearml_provider import api, poller
from clearml_provider.exceptions import ClearMLAuthError, ClearMLNotFoundError, ClearMLUnavailableError
from clearml_provider.hook import ClearMLHook
from clearml_provider.models import TaskInfo
from clearml_provider.poller import PollResult, Subscription, TaskPoller, shared_poller

from tests.plugins.clearml_provider.watchers import CONNECTION, Watcher, all_watching, connect, until
from tests.plugins.clearml_provider.workplace import Workplace


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(poller, "POLL_BUDGET_S", 0.05)
    monkeypatch.setattr(poller, "LINGER_S", 0.05)


@pytest.fixture
def task_ids(clearml: Workplace) -> list[str]:
    """Twelve tasks."""
    ids = [clearml.call("tasks.create", name=f"task {n}", type="testing")["id"] for n in range(12)]
    clearml.faults.seen.clear()
    return ids


async def test_a_look_costs_one_request_a_page_however_many_wait(clearml, task_ids, monkeypatch):
    monkeypatch.setattr(api, "PAGE_ROWS", 5)
    watchers = [Watcher(task_id) for task_id in task_ids for _ in range(2)]
    async with all_watching(*watchers):
        await until(lambda: len(watchers[-1].looks) >= 3)
    looks = len(watchers[-1].looks)
    assert {len(each.looks) for each in watchers} == {looks}
    asked = len(clearml.faults.seen) - 1
    assert clearml.faults.seen == ["auth.login"] + ["tasks.get_all"] * asked
    assert 3 * looks <= asked <= 3 * looks + 3  # one more may have been under way
    assert {status for each in watchers for status in each.statuses} == {"created"}


async def test_whoever_comes_later_is_looked_at_soon_and_joins_the_common_tick(clearml, task_ids):
    early, late = Watcher(task_ids[0], interval_s=2.0), Watcher(task_ids[1], interval_s=2.0)
    async with all_watching(early):
        await until(lambda: len(early.looks) >= 1)
        async with all_watching(late):
            await until(lambda: len(late.looks) >= 1)
            assert len(early.looks) == 1  # the extra look was the late one's alone
            await until(lambda: len(late.looks) >= 2)
    assert len(early.looks) == 2
    assert clearml.faults.seen.count("tasks.get_all") == 3


async def test_different_intervals_go_side_by_side_and_meet(clearml, task_ids):
    often, seldom = Watcher(task_ids[0], interval_s=0.1), Watcher(task_ids[1], interval_s=0.5)
    async with all_watching(often, seldom):
        await until(lambda: len(seldom.looks) >= 3)
    assert 6 <= len(often.looks) <= 12
    assert clearml.faults.seen.count("tasks.get_all") <= len(often.looks) + 1


async def test_a_task_that_is_gone_concerns_only_who_waits_for_it(clearml, task_ids):
    gone, others = Watcher("0" * 32), [Watcher(task_id) for task_id in task_ids[:3]]
    async with all_watching(gone, *others):
        await until(lambda: len(gone.looks) >= 2)
    assert isinstance(gone.looks[0].task, ClearMLNotFoundError)
    assert {status for each in others for status in each.statuses} == {"created"}


async def test_an_outage_is_told_to_all_and_asked_about_once_a_look(clearml, task_ids, monkeypatch):
    monkeypatch.setattr(api, "PAGE_ROWS", 2)
    monkeypatch.setattr(poller, "POLL_BUDGET_S", 0.0)
    watchers = [Watcher(task_id) for task_id in task_ids]
    async with all_watching(*watchers):
        await until(lambda: len(watchers[-1].looks) >= 1)
        clearml.faults.away()
        clearml.faults.seen.clear()
        await until(lambda: len(watchers[-1].looks) >= 4)
        asked = len(clearml.faults.seen)
        clearml.faults.away(False)
        await until(lambda: watchers[-1].statuses[-1] == "created")
    assert asked <= 5
    for each in watchers:
        assert sum(isinstance(look.task, ClearMLUnavailableError) for look in each.looks) >= 2


async def test_keys_that_were_changed_meanwhile_are_read_again(clearml, task_ids, monkeypatch):
    right = str(ClearMLHook.get_connection(CONNECTION).password)
    connect(monkeypatch, password="old-secret")
    async with shared_poller(CONNECTION) as shared:
        await shared._client(refused=None)  # read with the old keys
        connect(monkeypatch, password=right)
        watcher = Watcher(task_ids[0])
        with shared.subscribed(watcher.subscription):
            await until(lambda: len(watcher.looks) >= 1)
    assert watcher.statuses == ["created"]


async def test_keys_that_stay_wrong_are_told_after_one_more_reading(clearml, task_ids, monkeypatch):
    monkeypatch.setattr(api, "PAGE_ROWS", 2)
    connect(monkeypatch, password="wrong-secret")
    watchers = [Watcher(task_id, interval_s=60) for task_id in task_ids]
    async with all_watching(*watchers):
        await until(lambda: all(each.looks for each in watchers))
    assert all(isinstance(each.looks[0].task, ClearMLAuthError) for each in watchers)
    assert clearml.faults.seen == ["auth.login", "auth.login"]


async def test_nodes_of_all_masters_cost_one_request_a_look(clearml, task_ids):
    def launch() -> str:
        for task_id in task_ids[:3]:
            clearml.call("tasks.started", task=task_id)
        child: str = clearml.call("tasks.clone", task=task_ids[0], new_task_parent=task_ids[0])["id"]
        clearml.call("tasks.edit", task=child, system_tags=["multi_node_instance"], force=True)
        return child

    child = await asyncio.to_thread(launch)
    clearml.faults.seen.clear()
    watchers = [Watcher(task_id, children=True) for task_id in task_ids]
    async with all_watching(*watchers):
        await until(lambda: len(watchers[-1].looks) >= 2)
    asked, looks = len(clearml.faults.seen) - 1, len(watchers[-1].looks)
    assert clearml.faults.seen == ["auth.login"] + ["tasks.get_all"] * asked
    assert 2 * looks <= asked <= 2 * looks + 2  # one more may have been under way
    assert [each.id for each in watchers[0].looks[0].children if isinstance(each, TaskInfo)] == [child]
    assert watchers[1].looks[0].children == ()


async def test_queues_are_looked_into_only_for_queued_tasks_and_only_so_often(clearml, task_ids):
    queued = await asyncio.to_thread(clearml.enqueue)
    draft = Watcher(task_ids[0], queue_check_s=0.01)
    async with all_watching(draft):
        await until(lambda: len(draft.looks) >= 2)
    assert "queues.get_all" not in clearml.faults.seen[clearml.faults.seen.index("tasks.enqueue") :]
    clearml.faults.seen.clear()
    watchers = [Watcher(queued, queue_check_s=60), Watcher(task_ids[1], queue_check_s=60), Watcher(queued)]
    async with all_watching(*watchers):
        await until(lambda: len(watchers[-1].looks) >= 4)
    assert clearml.faults.seen.count("queues.get_all") == 1
    assert [look.in_queue for look in watchers[0].looks][:4] == [True, None, None, None]
    assert watchers[1].looks[0].in_queue is None


async def test_queues_that_cannot_be_looked_into_stop_nobody(clearml, task_ids, caplog):
    queued = await asyncio.to_thread(clearml.enqueue)
    for _ in range(6):  # all tries of one budget
        clearml.faults.lose("queues.get_all", after_effect=False)
    watcher = Watcher(queued, queue_check_s=0.01)
    async with all_watching(watcher):
        await until(lambda: len(watcher.looks) >= 3)
    assert set(watcher.statuses) == {"queued"}
    assert "Cannot read ClearML's queues" in caplog.text


async def test_a_mistake_in_judging_is_raised_to_the_one_who_waits(clearml, task_ids):
    def stumble(result: PollResult) -> None:
        raise ZeroDivisionError("a bug")

    other = Watcher(task_ids[1])
    broken: Subscription[None] = Subscription(task_ids[0], interval_s=0.1, judge=stumble)
    async with all_watching(other) as shared:
        with shared.subscribed(broken), pytest.raises(ZeroDivisionError):
            await broken.next_update()
        await until(lambda: len(other.looks) >= 3)


async def test_a_mistake_of_the_poller_leaves_nobody_waiting(clearml, task_ids, monkeypatch):
    watcher, later = Watcher(task_ids[0]), Watcher(task_ids[1])
    async with all_watching(watcher) as shared:
        await until(lambda: len(watcher.looks) >= 1)
        with monkeypatch.context() as broken:
            broken.setattr(TaskPoller, "_tick_after", lambda *_: 1 / 0)
            await until(lambda: isinstance(watcher.looks[-1].task, ZeroDivisionError))
        with shared.subscribed(later.subscription):
            await until(lambda: later.statuses == ["created"])


async def test_the_pollers_own_log_lines_belong_to_no_trigger(clearml, task_ids, monkeypatch):
    of_trigger: ContextVar[str] = ContextVar("of_trigger", default="nobody's")
    written: list[str] = []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            written.append(of_trigger.get())

    handler = Handler()
    logging.getLogger(poller.__name__).addHandler(handler)
    connect(monkeypatch, password="wrong-secret")
    of_trigger.set("the first one's")
    watcher = Watcher(task_ids[0], interval_s=60)
    try:
        async with all_watching(watcher):
            await until(lambda: len(watcher.looks) >= 1)
    finally:
        logging.getLogger(poller.__name__).removeHandler(handler)
    assert written == ["nobody's"]


async def test_the_last_one_to_leave_ends_it(clearml, task_ids):
    before = asyncio.all_tasks()
    first, second = Watcher(task_ids[0]), Watcher(task_ids[1])
    async with all_watching(first) as shared:
        async with all_watching(second) as same:
            assert same is shared
        await until(lambda: len(first.looks) >= 2)
    assert asyncio.all_tasks() == before
    assert all(client._http.is_closed for client in shared._clients)
    async with shared_poller(CONNECTION) as fresh:
        assert fresh is not shared
