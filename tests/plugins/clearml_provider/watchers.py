"""Those who wait in the poller's tests."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from clearml_provider.models import TaskInfo
from clearml_provider.poller import PollResult, Subscription, TaskPoller, shared_poller

CONNECTION = "clearml_default"


class Watcher:
    """Somebody who waits and remembers every look."""

    def __init__(self, task_id: str, **arguments: Any) -> None:
        self.looks: list[PollResult] = []
        arguments = {"interval_s": 0.1, **arguments}
        self.subscription: Subscription[None] = Subscription(task_id, judge=self.looks.append, **arguments)

    @property
    def statuses(self) -> list[str]:
        return [each.task.status if isinstance(each.task, TaskInfo) else "?" for each in self.looks]


@asynccontextmanager
async def all_watching(*watchers: Watcher) -> AsyncIterator[TaskPoller]:
    async with shared_poller(CONNECTION) as shared:
        contexts = [shared.subscribed(each.subscription) for each in watchers]
        for context in contexts:
            context.__enter__()
        yield shared
        for context in contexts:
            context.__exit__(None, None, None)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - nobody signals it
            await asyncio.sleep(0.01)


def connect(monkeypatch: pytest.MonkeyPatch, **changes: str) -> None:
    fields = json.loads(os.environ["AIRFLOW_CONN_CLEARML_DEFAULT"]) | changes
    monkeypatch.setenv("AIRFLOW_CONN_CLEARML_DEFAULT", json.dumps(fields))
