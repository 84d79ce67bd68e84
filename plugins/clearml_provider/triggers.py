"""Wait for a ClearML task without holding a worker."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

if TYPE_CHECKING:
    from clearml_provider.client import AsyncClearMLClient
    from clearml_provider.models import TaskInfo

POLL_BUDGET_S = 10.0
"""How long one poll keeps trying; the next poll is another chance, until ``max_outage_s``."""
KILL_GRACE_S = 15.0
"""Seconds that the agent has on a kill; the triggerer's own limit for on_kill is 30 s."""


class ClearMLTaskTrigger(BaseTrigger):
    """Fire when a ClearML task's attempt is over, lost, late, or no longer current.

    Args:
        clearml_task_id: The task. (Not ``task_id``: the triggerer sets that to Airflow's own.)
        attempt: The attempt waited for.
        waiter: Token of the Airflow try that waits; on_kill cancels only while the task carries it.
        poll_interval: Seconds between polls.
        deadline: Absolute, in seconds since the epoch, because a restarted triggerer starts `run` from
            zero; None: wait for ever.
        lost_after_s: Seconds in progress without a sign of life (task update or worker report, on the
            server's clock) after which the node counts as lost; None: never.
        max_outage_s: Seconds that the API may be away before the trigger fails, and Airflow's retry goes on.
        clearml_conn_id: The connection.
    """

    def __init__(
        self,
        *,
        clearml_task_id: str,
        attempt: int,
        waiter: str,
        poll_interval: float = 5.0,
        deadline: float | None = None,
        lost_after_s: float | None = None,
        max_outage_s: float = 1800.0,
        clearml_conn_id: str = "clearml_default",
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.clearml_task_id = clearml_task_id
        self.attempt = attempt
        self.waiter = waiter
        self.poll_interval = poll_interval
        self.deadline = deadline
        self.lost_after_s = lost_after_s
        self.max_outage_s = max_outage_s
        self.clearml_conn_id = clearml_conn_id

    def serialize(self) -> tuple[str, dict[str, Any]]:
        return (
            f"{type(self).__module__}.{type(self).__qualname__}",
            {
                "clearml_task_id": self.clearml_task_id,
                "attempt": self.attempt,
                "waiter": self.waiter,
                "poll_interval": self.poll_interval,
                "deadline": self.deadline,
                "lost_after_s": self.lost_after_s,
                "max_outage_s": self.max_outage_s,
                "clearml_conn_id": self.clearml_conn_id,
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Poll until there is something to tell; log each change of status once.

        Raises:
            ClearMLUnavailableError: The API was away longer than *max_outage_s*.
            ClearMLNotFoundError: The task was deleted.
        """
        from clearml_provider import calls
        from clearml_provider.exceptions import ClearMLUnavailableError

        shown: tuple[int, str] | None = None
        reachable_at = time.monotonic()
        away = False
        async with shared_client(self.clearml_conn_id) as client:
            while True:
                try:
                    task = await client.run(calls.get_task(self.clearml_task_id))
                except ClearMLUnavailableError as error:
                    if time.monotonic() - reachable_at > self.max_outage_s:
                        raise
                    if not away:
                        away = True
                        self.log.warning("ClearML is away, waiting on: %s", error)
                else:
                    reachable_at = time.monotonic()
                    if away:
                        away = False
                        self.log.info("ClearML is back")
                    if shown != (task.attempt, task.status):
                        shown = (task.attempt, task.status)
                        self.log.info(
                            "ClearML task %s, attempt %d: %s", task.id, task.attempt, _describe(task)
                        )
                    if ending := self._judge(task):
                        yield self._event(ending)
                        return
                if self.deadline is not None and time.time() >= self.deadline:
                    yield self._event("deadline")
                    return
                await asyncio.sleep(self._pause_s())

    def _event(self, status: str) -> TriggerEvent:
        payload = {"task_id": self.clearml_task_id, "attempt": self.attempt, "status": status}
        return TriggerEvent(payload)  # type: ignore[no-untyped-call]

    def _judge(self, task: TaskInfo) -> str | None:
        """What to tell the operator; None: keep waiting."""
        if task.attempt != self.attempt:
            return "superseded"
        if task.status.is_terminal:
            return task.status.value
        silent_s = task.silent_s
        if self.lost_after_s is not None and silent_s is not None and silent_s > self.lost_after_s:
            return "lost"
        return None

    def _pause_s(self) -> float:
        if self.deadline is None:
            return self.poll_interval
        return max(0.0, min(self.poll_interval, self.deadline - time.time()))

    async def on_kill(self) -> None:
        """A person marked the task failed or succeeded, or cleared it: cancel this attempt, if it is ours.

        After a *clear* the new try may have taken the job over before this runs; the task then carries
        that try's token, and nothing is done.
        """
        from clearml_provider import lifecycle
        from clearml_provider.endings import CAUSE_KILLED

        flow = lifecycle.cancel(
            self.clearml_task_id,
            attempt=self.attempt,
            waiter=self.waiter,
            cause=CAUSE_KILLED,
            reason="Cancelled from Airflow: the waiting task was marked or cleared by a person",
            grace_s=KILL_GRACE_S,
        )
        async with shared_client(self.clearml_conn_id) as client:
            if await client.run(flow):
                self.log.info("ClearML task %s, attempt %d: cancelled", self.clearml_task_id, self.attempt)
            else:
                self.log.info(
                    "ClearML task %s: nothing to cancel, attempt %d is over or another try waits for it",
                    self.clearml_task_id,
                    self.attempt,
                )


class _Lease:
    """A client that several triggers of one event loop share; closed when the last one leaves."""

    def __init__(self) -> None:
        self.users = 0
        self._lock = asyncio.Lock()
        self._client: AsyncClearMLClient | None = None

    async def client(self, clearml_conn_id: str) -> AsyncClearMLClient:
        from clearml_provider.hook import ClearMLHook
        from clearml_provider.wire import RetryPolicy

        async with self._lock:
            if self._client is None:
                hook = ClearMLHook(clearml_conn_id, retry=RetryPolicy(budget_s=POLL_BUDGET_S))
                self._client = await hook.aclient()
            return self._client

    async def aclose(self) -> None:
        if self._client is not None:
            await self._client.aclose()


_leases: dict[tuple[int, str], _Lease] = {}


@asynccontextmanager
async def shared_client(clearml_conn_id: str) -> AsyncIterator[AsyncClearMLClient]:
    """The client of this event loop for a connection: one log-in and one pool for all triggers."""
    from clearml_provider.exceptions import ClearMLAuthError

    key = (id(asyncio.get_running_loop()), clearml_conn_id)
    lease = _leases.setdefault(key, _Lease())
    lease.users += 1
    try:
        yield await lease.client(clearml_conn_id)
    except ClearMLAuthError:
        if _leases.get(key) is lease:
            del _leases[key]  # the keys may have been changed: the next trigger reads the connection again
        raise
    finally:
        lease.users -= 1
        if lease.users == 0:
            if _leases.get(key) is lease:
                del _leases[key]
            await lease.aclose()


def _describe(task: TaskInfo) -> str:
    """Status, reason and worker in a line."""
    words = task.status_reason or task.status_message
    worker = f" on {task.last_worker}" if task.last_worker and not task.status.is_terminal else ""
    return f"{task.status}{worker}{f' ({words})' if words else ''}"
