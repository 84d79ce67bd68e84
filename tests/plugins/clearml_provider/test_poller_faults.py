"""A poller and a server that fails: who hears of it, and how soon it is asked again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from clearml_provider import poller
from clearml_provider.exceptions import ClearMLUnavailableError
from clearml_provider.hook import ClearMLHook
from clearml_provider.transport import call

from devstack.servers.clearml.app import create_api_app
from devstack.servers.faults import Fault, FaultInjector
from tests.plugins.clearml_provider.conftest import ACCESS_KEY, JWT_SECRET, SECRET_KEY, _served
from tests.plugins.clearml_provider.watchers import Watcher, all_watching, connect, until
from tests.plugins.clearml_provider.workplace import Workplace


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(poller, "POLL_BUDGET_S", 0.05)
    monkeypatch.setattr(poller, "LINGER_S", 0.05)


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
        await until(lambda: len(watcher.looks) >= 3)
    assert [each["kind"] for each in faulty.report()["injected"]] == [fault["kind"]]
    assert set(watcher.statuses) == {"created"}


async def test_a_server_that_says_when_to_come_again_is_not_asked_before(faulty, faulty_task):
    faulty.replace([Fault(endpoint="tasks.get_all", kind="status", status=429, retry_after_s=1)])
    watcher = Watcher(faulty_task)
    async with all_watching(watcher):
        await until(lambda: watcher.statuses[-1:] == ["created"])
    assert faulty.report()["seen"]["tasks.get_all"] == 2
    assert len(watcher.looks) > 5  # so that outages are limited meanwhile
    assert all(isinstance(look.task, ClearMLUnavailableError) for look in watcher.looks[:-1])
