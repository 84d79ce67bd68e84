"""One poller a connection: it polls the tasks of all triggers that wait in an event loop, together."""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from weakref import WeakKeyDictionary

from clearml_provider import api
from clearml_provider.exceptions import ClearMLAuthError, concerns_request
from clearml_provider.flows import read
from clearml_provider.models import TaskInfo, TaskStatus

if TYPE_CHECKING:
    from clearml_provider.client import AsyncClearMLClient
    from clearml_provider.transport import Flow

T = TypeVar("T")
N = TypeVar("N")

log = logging.getLogger(__name__)


POLL_BUDGET_S = 10.0
"""How long one request keeps trying; the next poll is another chance."""
LINGER_S = 0.5
"""How long the first poll of new tasks waits for others, so that a thousand triggers starting at once cost
three requests. Nothing is lost: whoever defers has just read the task."""
_LONGEST_HOLD_S = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PollResult:
    """What one poll showed of one task."""

    task: TaskInfo | Exception
    """The task, or why it could not be read."""
    children: Sequence[read.TaskOrError] = ()
    """Its further nodes, if they are polled and it is in progress."""
    in_queue: bool | None = None
    """Whether some queue holds it; None: not asked this time."""


class Subscription(Generic[N]):
    """A task that a trigger has polled: how often, and the updates that were made of the results.

    Args:
        task_id: Which task.
        interval_s: Seconds between polls; subscriptions of one interval are polled in the same moment.
        judge: Called with every result, within the poller: quick, awaits nothing, logs nothing (the log
            there is nobody's). What it returns is an update, kept for `next_update`; None: no update.
        children: Whether to poll the nodes of a multi-node job too.
        queue_check_s: Seconds between polls of the queues while the task is ``queued``; None: never.
    """

    def __init__(
        self,
        task_id: str,
        *,
        interval_s: float,
        judge: Callable[[PollResult], N | None],
        children: bool = False,
        queue_check_s: float | None = None,
    ) -> None:
        self.task_id = task_id
        self.interval_s = interval_s
        self.children = children
        self.queue_check_s = queue_check_s
        self._judge = judge
        self._updates: asyncio.Queue[N | Exception] = asyncio.Queue()

    def publish(self, result: PollResult) -> None:
        """Called by the poller."""
        try:
            update: N | Exception | None = self._judge(result)
        except Exception as error:  # noqa: BLE001 - raised where it belongs, to the one who waits
            update = error
        if update is not None:
            self._updates.put_nowait(update)

    async def next_update(self) -> N:
        """Wait for the next one that *judge* returned."""
        update = await self._updates.get()
        if isinstance(update, Exception):
            raise update
        return update


class TaskPoller:
    """Polls all subscribed tasks of one connection: ``tasks.get_all`` for each 500 tasks an interval.

    One poll at a time; subscriptions of one interval share its ticks, those of a multiple meet them there.
    Get it by `shared_poller`.
    """

    def __init__(self, clearml_conn_id: str) -> None:
        self.clearml_conn_id = clearml_conn_id
        self.users = 0
        self._loop = asyncio.get_running_loop()
        self._clients: list[AsyncClearMLClient] = []  # the last one is used, the others may still be
        self._client_lock = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None
        self._settled: dict[Subscription[Any], None] = {}
        self._fresh: dict[Subscription[Any], None] = {}
        self._fresh_at = 0.0
        self._fresh_came = asyncio.Event()
        self._origin = self._loop.time()
        self._ticks: dict[float, float] = {}
        self._queues_at = float("-inf")
        self._hold: tuple[float, Exception] | None = None

    @contextmanager
    def subscribed(self, subscription: Subscription[N]) -> Iterator[Subscription[N]]:
        """Poll it from now on: within `LINGER_S` first, then at the ticks of its interval."""
        if not self._fresh:
            self._fresh_at = self._loop.time() + min(LINGER_S, subscription.interval_s / 4)
            self._fresh_came.set()
        self._fresh[subscription] = None
        if self._task is None or self._task.done():
            # In an empty context: log lines are sorted by it, and these belong to none of the triggers.
            self._task = self._loop.create_task(self._poll(), context=contextvars.Context())
        try:
            yield subscription
        finally:
            self._fresh.pop(subscription, None)
            self._settled.pop(subscription, None)

    async def run(self, make_flow: Callable[[], Flow[T]]) -> T:
        """Carry a flow with the shared client.

        Keys that the server refuses are read from the connection once more: they may have been changed. So
        the flow may be started twice.
        """
        client = await self._client(refused=None)
        try:
            return await client.run(make_flow())
        except ClearMLAuthError:
            log.warning(
                "ClearML refused the keys of connection %s, reading it once more", self.clearml_conn_id
            )
            client = await self._client(refused=client)
            return await client.run(make_flow())

    async def aclose(self) -> None:
        """Stop polling, and close the connections."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        for client in self._clients:
            await client.aclose()

    async def _client(self, *, refused: AsyncClearMLClient | None) -> AsyncClearMLClient:
        from clearml_provider.hook import ClearMLHook
        from clearml_provider.transport import RetryPolicy

        async with self._client_lock:
            if not self._clients or self._clients[-1] is refused:
                hook = ClearMLHook(self.clearml_conn_id, retry=RetryPolicy(budget_s=POLL_BUDGET_S))
                self._clients.append(await hook.aclient())
            return self._clients[-1]

    async def _poll(self) -> None:
        try:
            while True:
                by_id: dict[str, list[Subscription[Any]]] = {}
                for subscription in await self._next_due():
                    by_id.setdefault(subscription.task_id, []).append(subscription)
                for task_id, result in (await self._poll_together(by_id)).items():
                    for subscription in by_id[task_id]:
                        subscription.publish(result)
        except Exception as error:  # a mistake of ours: no trigger may wait for ever because of it
            log.exception("The poller of connection %s ends", self.clearml_conn_id)
            for subscription in (*self._settled, *self._fresh):
                subscription.publish(PollResult(task=error))

    async def _next_due(self) -> list[Subscription[Any]]:
        """Wait for a tick, or until new subscriptions have gathered; those come along with any tick."""
        while True:
            now = self._loop.time()
            intervals = {subscription.interval_s for subscription in self._settled}
            self._ticks = {i: self._ticks.get(i) or self._tick_after(now, i) for i in intervals}
            moments = list(self._ticks.values())
            if self._fresh:
                moments.append(self._fresh_at)
            if moments and min(moments) <= now:
                ripe = {interval for interval, tick in self._ticks.items() if tick <= now}
                self._ticks |= {interval: self._tick_after(now, interval) for interval in ripe}
                due = [
                    subscription for subscription in self._settled if subscription.interval_s in ripe
                ] + list(self._fresh)
                self._settled |= self._fresh
                self._fresh.clear()
                return due
            self._fresh_came.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout_at(min(moments, default=None)):
                    await self._fresh_came.wait()

    def _tick_after(self, now: float, interval_s: float) -> float:
        return self._origin + ((now - self._origin) // interval_s + 1) * interval_s

    async def _poll_together(self, by_id: dict[str, list[Subscription[Any]]]) -> dict[str, PollResult]:
        if self._hold is not None:
            until, asked = self._hold
            if self._loop.time() < until:
                return dict.fromkeys(by_id, PollResult(task=asked))
            self._hold = None
        seen = await self._poll_tasks(list(by_id))
        masters = [
            i
            for i, task in seen.items()
            if _is(task, TaskStatus.IN_PROGRESS) and any(w.children for w in by_id[i])
        ]
        children = await self._poll_children(masters, seen)
        queued = [i for i, task in seen.items() if _is(task, TaskStatus.QUEUED)]
        entries = await self._poll_queues([w for i in queued for w in by_id[i]])
        in_queue = {} if entries is None else {i: i in entries for i in queued}
        return {
            i: PollResult(task=task, children=children.get(i, ()), in_queue=in_queue.get(i))
            for i, task in seen.items()
        }

    async def _poll_tasks(self, task_ids: list[str]) -> dict[str, TaskInfo | Exception]:
        seen: dict[str, TaskInfo | Exception] = {}
        for start in range(0, len(task_ids), api.PAGE_ROWS):
            chunk = task_ids[start : start + api.PAGE_ROWS]
            try:
                seen |= await self.run(lambda chunk=chunk: read.poll_tasks(chunk))  # type: ignore[misc]
            except Exception as error:  # noqa: BLE001 - each subscriber gets it
                seen |= dict.fromkeys(chunk, error)
                if not concerns_request(error):  # the other hundreds need not ask as well
                    self._hold_back(error)
                    return seen | dict.fromkeys(task_ids[start:], error)
        return seen

    async def _poll_children(
        self, masters: list[str], seen: dict[str, TaskInfo | Exception]
    ) -> dict[str, list[read.TaskOrError]]:
        if not masters:
            return {}
        try:
            return await self.run(lambda: read.poll_children(masters))
        except Exception as error:  # noqa: BLE001 - half a poll is none
            seen |= dict.fromkeys(masters, error)
            return {}

    async def _poll_queues(self, subscriptions: Iterable[Subscription[Any]]) -> set[str] | None:
        waits = [
            subscription.queue_check_s
            for subscription in subscriptions
            if subscription.queue_check_s is not None
        ]
        if not waits or self._loop.time() < self._queues_at + min(waits):
            return None
        self._queues_at = self._loop.time()
        try:
            return await self.run(api.queued_task_ids)
        except Exception as error:  # noqa: BLE001 - a second net: no reason to stop waiting
            log.warning("Cannot read ClearML's queues for tasks that fell out: %s", error)
            return None

    def _hold_back(self, error: Exception) -> None:
        """A server that names a time to come again is not asked before."""
        seconds = getattr(error, "retry_after_s", None)
        if seconds:
            self._hold = (self._loop.time() + min(seconds, _LONGEST_HOLD_S), error)


def _is(task: TaskInfo | Exception, status: TaskStatus) -> bool:
    return isinstance(task, TaskInfo) and task.status is status


_pollers: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, TaskPoller]] = WeakKeyDictionary()


@asynccontextmanager
async def shared_poller(clearml_conn_id: str) -> AsyncIterator[TaskPoller]:
    """The poller of this event loop for a connection: one log-in and one pool; closed by the last user."""
    pollers = _pollers.setdefault(asyncio.get_running_loop(), {})
    poller = pollers.get(clearml_conn_id)
    if poller is None:
        poller = pollers[clearml_conn_id] = TaskPoller(clearml_conn_id)
    poller.users += 1
    try:
        yield poller
    finally:
        poller.users -= 1
        if poller.users == 0:
            del pollers[clearml_conn_id]
            await poller.aclose()
