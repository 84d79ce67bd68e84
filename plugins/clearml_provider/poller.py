"""One poller a connection: it looks at the tasks of all triggers that wait in an event loop, together."""

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
"""How long one request keeps trying; the next look is another chance."""
GATHER_S = 0.5
"""How long the first look at new tasks waits for others, so that a thousand triggers starting at once cost
three requests. Nothing is lost: whoever defers has just read the task."""
_LONGEST_HOLD_S = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What one look showed of one task."""

    seen: TaskInfo | Exception
    """The task, or why it could not be read."""
    children: Sequence[read.Seen] = ()
    """Its further nodes, if they are watched and it is in progress."""
    in_queue: bool | None = None
    """Whether some queue holds it; None: nobody looked this time."""


class Watch(Generic[N]):
    """A place with the poller: what to look at, how often, and the news that were made of it.

    Args:
        task_id: Which task.
        interval_s: Seconds between looks; watches of one interval are looked at in the same moment.
        see: Called with every look, within the poller: quick, awaits nothing, logs nothing (the log there is
            nobody's). What it returns is kept for `news`; None: nothing worth waking up for.
        children: Whether to look at the nodes of a multi-node job too.
        queue_check_s: Seconds between looks into the queues while the task is ``queued``; None: never.
    """

    def __init__(
        self,
        task_id: str,
        *,
        interval_s: float,
        see: Callable[[Look], N | None],
        children: bool = False,
        queue_check_s: float | None = None,
    ) -> None:
        self.task_id = task_id
        self.interval_s = interval_s
        self.children = children
        self.queue_check_s = queue_check_s
        self._see = see
        self._news: asyncio.Queue[N | Exception] = asyncio.Queue()

    def tell(self, look: Look) -> None:
        """Called by the poller."""
        try:
            news: N | Exception | None = self._see(look)
        except Exception as error:  # noqa: BLE001 - raised where it belongs, to the one who waits
            news = error
        if news is not None:
            self._news.put_nowait(news)

    async def news(self) -> N:
        """Wait for the next that *see* returned."""
        news = await self._news.get()
        if isinstance(news, Exception):
            raise news
        return news


class TaskPoller:
    """Looks at all watched tasks of one connection: ``tasks.get_all`` for each 500 tasks an interval.

    One look at a time; watches of one interval share its ticks, those of a multiple meet them there. Get it
    by `shared_poller`.
    """

    def __init__(self, clearml_conn_id: str) -> None:
        self.clearml_conn_id = clearml_conn_id
        self.users = 0
        self._loop = asyncio.get_running_loop()
        self._clients: list[AsyncClearMLClient] = []  # the last one is used, the others may still be
        self._client_lock = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None
        self._settled: dict[Watch[Any], None] = {}
        self._fresh: dict[Watch[Any], None] = {}
        self._fresh_at = 0.0
        self._fresh_came = asyncio.Event()
        self._origin = self._loop.time()
        self._ticks: dict[float, float] = {}
        self._queues_at = float("-inf")
        self._hold: tuple[float, Exception] | None = None

    @contextmanager
    def watching(self, watch: Watch[N]) -> Iterator[Watch[N]]:
        """Look at it from now on: within `GATHER_S` first, then at the ticks of its interval."""
        if not self._fresh:
            self._fresh_at = self._loop.time() + min(GATHER_S, watch.interval_s / 4)
            self._fresh_came.set()
        self._fresh[watch] = None
        if self._task is None or self._task.done():
            # In an empty context: log lines are sorted by it, and these belong to none of the triggers.
            self._task = self._loop.create_task(self._poll(), context=contextvars.Context())
        try:
            yield watch
        finally:
            self._fresh.pop(watch, None)
            self._settled.pop(watch, None)

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
        """Stop looking, and close the connections."""
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
                by_id: dict[str, list[Watch[Any]]] = {}
                for watch in await self._next_due():
                    by_id.setdefault(watch.task_id, []).append(watch)
                for task_id, look in (await self._look(by_id)).items():
                    for watch in by_id[task_id]:
                        watch.tell(look)
        except Exception as error:  # a mistake of ours: nobody shall wait for ever because of it
            log.exception("The poller of connection %s ends", self.clearml_conn_id)
            for watch in (*self._settled, *self._fresh):
                watch.tell(Look(seen=error))

    async def _next_due(self) -> list[Watch[Any]]:
        """Wait for a tick, or until new watches have gathered; those come along with any tick."""
        while True:
            now = self._loop.time()
            intervals = {watch.interval_s for watch in self._settled}
            self._ticks = {i: self._ticks.get(i) or self._tick_after(now, i) for i in intervals}
            moments = list(self._ticks.values())
            if self._fresh:
                moments.append(self._fresh_at)
            if moments and min(moments) <= now:
                ripe = {interval for interval, tick in self._ticks.items() if tick <= now}
                self._ticks |= {interval: self._tick_after(now, interval) for interval in ripe}
                due = [watch for watch in self._settled if watch.interval_s in ripe] + list(self._fresh)
                self._settled |= self._fresh
                self._fresh.clear()
                return due
            self._fresh_came.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout_at(min(moments, default=None)):
                    await self._fresh_came.wait()

    def _tick_after(self, now: float, interval_s: float) -> float:
        return self._origin + ((now - self._origin) // interval_s + 1) * interval_s

    async def _look(self, by_id: dict[str, list[Watch[Any]]]) -> dict[str, Look]:
        if self._hold is not None:
            until, asked = self._hold
            if self._loop.time() < until:
                return dict.fromkeys(by_id, Look(seen=asked))
            self._hold = None
        seen = await self._see_tasks(list(by_id))
        masters = [
            i
            for i, task in seen.items()
            if _is(task, TaskStatus.IN_PROGRESS) and any(w.children for w in by_id[i])
        ]
        children = await self._see_children(masters, seen)
        queued = [i for i, task in seen.items() if _is(task, TaskStatus.QUEUED)]
        entries = await self._see_queues([w for i in queued for w in by_id[i]])
        in_queue = {} if entries is None else {i: i in entries for i in queued}
        return {
            i: Look(seen=task, children=children.get(i, ()), in_queue=in_queue.get(i))
            for i, task in seen.items()
        }

    async def _see_tasks(self, task_ids: list[str]) -> dict[str, TaskInfo | Exception]:
        seen: dict[str, TaskInfo | Exception] = {}
        for start in range(0, len(task_ids), api.PAGE_ROWS):
            chunk = task_ids[start : start + api.PAGE_ROWS]
            try:
                seen |= await self.run(lambda chunk=chunk: read.look_at_tasks(chunk))  # type: ignore[misc]
            except Exception as error:  # noqa: BLE001 - told to those whom it concerns
                seen |= dict.fromkeys(chunk, error)
                if not concerns_request(error):  # the other hundreds need not ask as well
                    self._hold_back(error)
                    return seen | dict.fromkeys(task_ids[start:], error)
        return seen

    async def _see_children(
        self, masters: list[str], seen: dict[str, TaskInfo | Exception]
    ) -> dict[str, list[read.Seen]]:
        if not masters:
            return {}
        try:
            return await self.run(lambda: read.look_at_children(masters))
        except Exception as error:  # noqa: BLE001 - half a look is none
            seen |= dict.fromkeys(masters, error)
            return {}

    async def _see_queues(self, watches: Iterable[Watch[Any]]) -> set[str] | None:
        waits = [watch.queue_check_s for watch in watches if watch.queue_check_s is not None]
        if not waits or self._loop.time() < self._queues_at + min(waits):
            return None
        self._queues_at = self._loop.time()
        try:
            return await self.run(api.queued_task_ids)
        except Exception as error:  # noqa: BLE001 - a second net: no reason to stop waiting
            log.warning("Cannot look into ClearML's queues for tasks that fell out: %s", error)
            return None

    def _hold_back(self, error: Exception) -> None:
        """A server that says when to come again is not asked before."""
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
