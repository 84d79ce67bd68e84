"""Workers as Airflow has them: a slot runs one publication, and one that has to wait gives its slot back."""

from __future__ import annotations

import heapq
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from palmares.hub import Hub
from palmares.leaderboard.errors import OutboxWaitError
from palmares.leaderboard.settings import Settings
from palmares.steps.outbox import check_written, write_out
from palmares.steps.services import Services
from palmares.store.raw_outputs import RawOutputs
from palmares.store.store import Store

from performance.publishing.models import entries_of


def services_at(settings: Settings, *, endpoint: str, token: str, store_url: str, scratch: Path) -> Services:
    """Open what a task opens."""
    return Services(
        settings=settings,
        store=Store.connect(store_url),
        hub=Hub(endpoint=endpoint, token=token, timeout_s=10),
        raw=RawOutputs(str(scratch)),
    )


def publish(services: Services, number: int) -> None:
    """Queue a model's files and its status, and have them written.

    Raises:
        OutboxWaitError: They wait: come again.
    """
    hub = services.settings.hub
    entries = entries_of(number, hub)
    services.store.outbox.add(entries)
    for repo_id in (hub.details_repo, hub.results_repo, hub.requests_repo):
        write_out(services, repo_id, shares_commits=True)
    check_written(services, [entry.key for entry in entries])


class Slots:
    """Tasks by the time when they are due, run by a number of workers."""

    def __init__(self, numbers: range) -> None:
        self._due = [(0.0, number) for number in numbers]
        self._open = len(numbers)
        self._changed = threading.Condition()
        self.tries = 0
        """Task starts, first ones and later ones."""

    def take(self) -> int | None:
        """The next task, when it is due; None: all are done."""
        with self._changed:
            while self._open:
                wait_s = self._due[0][0] - time.monotonic() if self._due else None
                if wait_s is not None and wait_s <= 0:
                    self.tries += 1
                    return heapq.heappop(self._due)[1]
                self._changed.wait(wait_s)
        return None

    def done(self) -> None:
        """A task succeeded."""
        with self._changed:
            self._open -= 1
            self._changed.notify_all()

    def again(self, number: int, *, after_s: float) -> None:
        """A task is up for retry."""
        with self._changed:
            heapq.heappush(self._due, (time.monotonic() + after_s, number))
            self._changed.notify_all()


def publish_all(
    open_services: Callable[[], Services], numbers: range, *, workers: int, retry_s: float
) -> Slots:
    """Publish every model, each in a task that is tried again until it is written.

    Args:
        open_services: Called by each worker.
        retry_s: Longest pause of a task before it looks again.
    """
    slots = Slots(numbers)

    def work(_: int) -> None:
        with open_services() as services:
            while (number := slots.take()) is not None:
                try:
                    publish(services, number)
                except OutboxWaitError as waits:
                    slots.again(number, after_s=min(waits.retry_after_s or retry_s, retry_s))
                else:
                    slots.done()

    with ThreadPoolExecutor(workers) as pool:
        for done in [pool.submit(work, number) for number in range(workers)]:
            done.result()
    return slots
