"""Wait for a status of a ClearML task without holding a worker, and without touching the task."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

if TYPE_CHECKING:
    from clearml_provider.poller import Look


class ClearMLStatusTrigger(BaseTrigger):
    """Fire when a task is in one of *states*; what becomes of the waiting Airflow task never touches the job.

    The event's payload is ``{"task_id", "status"}``.

    Args:
        clearml_task_id: The task.
        states: ClearML's names of the states waited for.
        poll_interval: Seconds between looks, which all triggers of a connection share.
        max_outage_s: Seconds that the API may be away before the trigger fails.
        clearml_conn_id: The connection.
    """

    def __init__(
        self,
        *,
        clearml_task_id: str,
        states: list[str],
        poll_interval: float = 60.0,
        max_outage_s: float = 1800.0,
        clearml_conn_id: str = "clearml_default",
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.clearml_task_id = clearml_task_id
        self.states = states
        self.poll_interval = poll_interval
        self.max_outage_s = max_outage_s
        self.clearml_conn_id = clearml_conn_id

    def serialize(self) -> tuple[str, dict[str, Any]]:
        return (
            f"{type(self).__module__}.{type(self).__qualname__}",
            {
                "clearml_task_id": self.clearml_task_id,
                "states": self.states,
                "poll_interval": self.poll_interval,
                "max_outage_s": self.max_outage_s,
                "clearml_conn_id": self.clearml_conn_id,
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait until the task is in one of the states; log each change of status once.

        Raises:
            ClearMLUnavailableError: The API was away longer than *max_outage_s*.
            ClearMLNotFoundError: The task was deleted.
        """
        from clearml_provider.poller import Watch, shared_poller

        statuses = _Statuses(self.max_outage_s)
        watch = Watch(self.clearml_task_id, interval_s=self.poll_interval, see=statuses.see)
        async with shared_poller(self.clearml_conn_id) as poller:
            with poller.watching(watch):
                while (status := await watch.news()) not in self.states:
                    self.log.info("ClearML task %s: %s", self.clearml_task_id, status)
        payload = {"task_id": self.clearml_task_id, "status": status}
        yield TriggerEvent(payload)  # type: ignore[no-untyped-call]


class _Statuses:
    """Makes news of looks: each new status once, and an outage when it has lasted too long."""

    def __init__(self, max_outage_s: float) -> None:
        self._max_outage_s = max_outage_s
        self._reached_at = time.monotonic()
        self._last: str | None = None

    def see(self, look: Look) -> str | None:
        from clearml_provider.exceptions import ClearMLUnavailableError
        from clearml_provider.models import TaskInfo
        from clearml_provider.waiting import own_copy

        seen = look.seen
        if not isinstance(seen, TaskInfo):
            away_s = time.monotonic() - self._reached_at
            if isinstance(seen, ClearMLUnavailableError) and away_s <= self._max_outage_s:
                return None
            raise own_copy(seen)
        self._reached_at = time.monotonic()
        if seen.status.value == self._last:
            return None
        self._last = seen.status.value
        return self._last
