"""One poller for all who wait: how often it asks, whom it tells what, and when it ends."""

from __future__ import annotations

import asyncio
import json
import logging
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import pytest
from clearml_provider import calls, poller
from clearml_provider.exceptions import ClearMLAuthError, ClearMLNotFoundError, ClearMLUnavailableError
from clearml_provider.hook import ClearMLHook
from clearml_provider.models import TaskInfo
from clearml_provider.poller import Look, TaskPoller, Watch, shared_poller
from clearml_provider.wire import call

from include.embedded.clearml.app import create_api_app
from include.embedded.faults import Fault, FaultInjector
from tests.plugins.clearml_provider.conftest import ACCESS_KEY, JWT_SECRET, SECRET_KEY, _served
from tests.plugins.clearml_provider.workplace import Workplace

CONNECTION = "clearml_default"


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(poller, "POLL_BUDGET_S", 0.05)
    monkeypatch.setattr(poller, "GATHER_S", 0.05)


@pytest.fixture
def task_ids(clearml: Workplace) -> list[str]:
    """Twelve tasks."""
    ids = [clearml.call("tasks.create", name=f"task {n}", type="testing")["id"] for n in range(12)]
    clearml.faults.seen.clear()
    return ids


class Watcher:
    """Somebody who waits and remembers every look."""

    def __init__(self, task_id: str, **arguments: Any) -> None:
        self.looks: list[Look] = []
        arguments = {"interval_s": 0.1, **arguments}
        self.watch: Watch[None] = Watch(task_id, see=self.looks.append, **arguments)

    @property
    def statuses(self) -> list[str]:
        return [each.seen.status if isinstance(each.seen, TaskInfo) else "?" for each in self.looks]


@asynccontextmanager
async def all_watching(*watchers: Watcher) -> AsyncIterator[TaskPoller]:
    async with shared_poller(CONNECTION) as shared:
        contexts = [shared.watching(each.watch) for each in watchers]
        for context in contexts:
            context.__enter__()
        yield shared
        for context in contexts:
            context.__exit__(None, None, None)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - nobody signals it
            await asyncio.sleep(0.01)


async def test_a_look_costs_one_request_a_page_however_many_wait(clearml, task_ids, monkeypatch):
    monkeypatch.setattr(calls, "PAGE_ROWS", 5)
    watchers = [Watcher(task_id) for task_id in task_ids for _ in range(2)]
    async with all_watching(*watchers):
        await until(lambda: len(watchers[-1].looks) == 3)
    assert clearml.faults.seen == ["auth.login"] + ["tasks.get_all"] * 9
    assert {len(each.looks) for each in watchers} == {3}
    assert {status for each in watchers for status in each.statuses} == {"created"}


async def test_whoever_comes_later_is_looked_at_soon_and_joins_the_common_tick(clearml, task_ids):
    early, late = Watcher(task_ids[0], interval_s=2.0), Watcher(task_ids[1], interval_s=2.0)
    async with all_watching(early):
        await until(lambda: len(early.looks) == 1)
        async with all_watching(late):
            await until(lambda: len(late.looks) == 1)
            assert len(early.looks) == 1  # the extra look was the late one's alone
            await until(lambda: len(late.looks) == 2)
    assert len(early.looks) == 2
    assert clearml.faults.seen.count("tasks.get_all") == 3


async def test_different_intervals_go_side_by_side_and_meet(clearml, task_ids):
    often, seldom = Watcher(task_ids[0], interval_s=0.1), Watcher(task_ids[1], interval_s=0.5)
    async with all_watching(often, seldom):
        await until(lambda: len(seldom.looks) == 3)
    assert 6 <= len(often.looks) <= 12
    assert clearml.faults.seen.count("tasks.get_all") <= len(often.looks) + 1


async def test_a_task_that_is_gone_concerns_only_who_waits_for_it(clearml, task_ids):
    gone, others = Watcher("0" * 32), [Watcher(task_id) for task_id in task_ids[:3]]
    async with all_watching(gone, *others):
        await until(lambda: len(gone.looks) == 2)
    assert isinstance(gone.looks[0].seen, ClearMLNotFoundError)
    assert {status for each in others for status in each.statuses} == {"created"}


async def test_an_outage_is_told_to_all_and_asked_about_once_a_look(clearml, task_ids, monkeypatch):
    monkeypatch.setattr(calls, "PAGE_ROWS", 2)
    monkeypatch.setattr(poller, "POLL_BUDGET_S", 0.0)
    watchers = [Watcher(task_id) for task_id in task_ids]
    async with all_watching(*watchers):
        await until(lambda: len(watchers[-1].looks) == 1)
        clearml.faults.away()
        clearml.faults.seen.clear()
        await until(lambda: len(watchers[-1].looks) >= 4)
        asked = len(clearml.faults.seen)
        clearml.faults.away(False)
        await until(lambda: watchers[-1].statuses[-1] == "created")
    assert asked <= 5
    for each in watchers:
        assert sum(isinstance(look.seen, ClearMLUnavailableError) for look in each.looks) >= 2


def connect(monkeypatch: pytest.MonkeyPatch, **changes: str) -> None:
    fields = json.loads(os.environ["AIRFLOW_CONN_CLEARML_DEFAULT"]) | changes
    monkeypatch.setenv("AIRFLOW_CONN_CLEARML_DEFAULT", json.dumps(fields))


async def test_keys_that_were_changed_meanwhile_are_read_again(clearml, task_ids, monkeypatch):
    right = str(ClearMLHook.get_connection(CONNECTION).password)
    connect(monkeypatch, password="old-secret")
    async with shared_poller(CONNECTION) as shared:
        await shared._client(refused=None)  # read with the old keys
        connect(monkeypatch, password=right)
        watcher = Watcher(task_ids[0])
        with shared.watching(watcher.watch):
            await until(lambda: len(watcher.looks) == 1)
    assert watcher.statuses == ["created"]


async def test_keys_that_stay_wrong_are_told_after_one_more_reading(clearml, task_ids, monkeypatch):
    monkeypatch.setattr(calls, "PAGE_ROWS", 2)
    connect(monkeypatch, password="wrong-secret")
    watchers = [Watcher(task_id, interval_s=60) for task_id in task_ids]
    async with all_watching(*watchers):
        await until(lambda: all(each.looks for each in watchers))
    assert all(isinstance(each.looks[0].seen, ClearMLAuthError) for each in watchers)
    assert clearml.faults.seen == ["auth.login", "auth.login"]


@pytest.fixture
def faulty(clearml: Workplace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultInjector]:
    """A server of this test's own that fails on request, with the task ``0``."""
    api = create_api_app(tmp_path, access_key=ACCESS_KEY, secret_key=SECRET_KEY, jwt_secret=JWT_SECRET)
    injector = FaultInjector(api, service="clearml_api", token="token")
    with _served(injector) as url:
        connect(monkeypatch, host=url)
        yield injector


@pytest.fixture
def faulty_task(faulty: FaultInjector) -> str:
    task_id: str = ClearMLHook().run(call("tasks.create", {"name": "task", "type": "testing"})).data["id"]
    faulty.clear()
    return task_id


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "drop_before"},
        {"kind": "drop_after"},
        {"kind": "truncate"},
        {"kind": "truncate", "close": False},
        {"kind": "expired_token"},
        {"kind": "latency", "seconds": 0.3},
        {"kind": "status", "status": 429, "retry_after_s": 0},
        {"kind": "status", "status": 500},
        {"kind": "status", "status": 502},
        {"kind": "status", "status": 503},
    ],
    ids=lambda fault: "-".join(str(value) for value in fault.values()),
)
async def test_a_look_that_goes_wrong_once_is_news_to_nobody(faulty, faulty_task, fault, monkeypatch):
    monkeypatch.setattr(poller, "POLL_BUDGET_S", 5.0)
    faulty.replace([Fault(endpoint="tasks.get_all", skip=1, **fault)])
    watcher = Watcher(faulty_task)
    async with all_watching(watcher):
        await until(lambda: len(watcher.looks) == 3)
    assert [each["kind"] for each in faulty.report()["injected"]] == [fault["kind"]]
    assert set(watcher.statuses) == {"created"}


async def test_a_server_that_says_when_to_come_again_is_not_asked_before(faulty, faulty_task):
    faulty.replace([Fault(endpoint="tasks.get_all", kind="status", status=429, retry_after_s=1)])
    watcher = Watcher(faulty_task)
    async with all_watching(watcher):
        await until(lambda: watcher.statuses[-1:] == ["created"])
    assert faulty.report()["seen"]["tasks.get_all"] == 2
    assert len(watcher.looks) > 5  # so that outages are limited meanwhile
    assert all(isinstance(look.seen, ClearMLUnavailableError) for look in watcher.looks[:-1])


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
        await until(lambda: len(watchers[-1].looks) == 2)
    assert clearml.faults.seen == ["auth.login"] + ["tasks.get_all"] * 4
    assert [each.id for each in watchers[0].looks[0].children if isinstance(each, TaskInfo)] == [child]
    assert watchers[1].looks[0].children == ()


async def test_queues_are_looked_into_only_for_queued_tasks_and_only_so_often(clearml, task_ids):
    queued = await asyncio.to_thread(clearml.enqueue)
    draft = Watcher(task_ids[0], queue_check_s=0.01)
    async with all_watching(draft):
        await until(lambda: len(draft.looks) == 2)
    assert "queues.get_all" not in clearml.faults.seen[clearml.faults.seen.index("tasks.enqueue") :]
    clearml.faults.seen.clear()
    watchers = [Watcher(queued, queue_check_s=60), Watcher(task_ids[1], queue_check_s=60), Watcher(queued)]
    async with all_watching(*watchers):
        await until(lambda: len(watchers[-1].looks) == 4)
    assert clearml.faults.seen.count("queues.get_all") == 1
    assert [look.in_queue for look in watchers[0].looks] == [True, None, None, None]
    assert watchers[1].looks[0].in_queue is None


async def test_queues_that_cannot_be_looked_into_stop_nobody(clearml, task_ids, caplog):
    queued = await asyncio.to_thread(clearml.enqueue)
    for _ in range(6):  # all tries of one budget
        clearml.faults.lose("queues.get_all", after_effect=False)
    watcher = Watcher(queued, queue_check_s=0.01)
    async with all_watching(watcher):
        await until(lambda: len(watcher.looks) == 3)
    assert set(watcher.statuses) == {"queued"}
    assert "Cannot look into ClearML's queues" in caplog.text


async def test_a_mistake_in_judging_is_raised_to_the_one_who_waits(clearml, task_ids):
    def stumble(look: Look) -> None:
        raise ZeroDivisionError("a bug")

    other = Watcher(task_ids[1])
    broken: Watch[None] = Watch(task_ids[0], interval_s=0.1, see=stumble)
    async with all_watching(other) as shared:
        with shared.watching(broken), pytest.raises(ZeroDivisionError):
            await broken.news()
        await until(lambda: len(other.looks) == 3)


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
            await until(lambda: len(watcher.looks) == 1)
    finally:
        logging.getLogger(poller.__name__).removeHandler(handler)
    assert written == ["nobody's"]


async def test_the_last_one_to_leave_ends_it(clearml, task_ids):
    before = asyncio.all_tasks()
    first, second = Watcher(task_ids[0]), Watcher(task_ids[1])
    async with all_watching(first) as shared:
        async with all_watching(second) as same:
            assert same is shared
        await until(lambda: len(first.looks) == 2)
    assert asyncio.all_tasks() == before
    assert all(client._http.is_closed for client in shared._clients)
    async with shared_poller(CONNECTION) as fresh:
        assert fresh is not shared
