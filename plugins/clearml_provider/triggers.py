"""Wait for a ClearML task without holding a worker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

if TYPE_CHECKING:
    from clearml_provider.poller import TaskPoller
    from clearml_provider.waiting import News

KILL_GRACE_S = 15.0
"""Seconds that the agent has on a kill; the triggerer's own limit for on_kill is 30 s."""


class ClearMLTaskTrigger(BaseTrigger):
    """Fire when a ClearML task's attempt is over, lost, late, or no longer current.

    All triggers of a triggerer that use one connection share one poller: 500 tasks a request. The event is
    ``{"task_id", "attempt", "status"}``; status is a ClearML status that ends a task, or

    - ``created``: a person reset the task or took it out of its queue, and nobody will run it;
    - ``superseded``: another attempt is current;
    - ``lost``: no sign of life for *lost_after_s*;
    - ``overtime``: in progress for longer than *run_limit_s*;
    - ``deadline``: *deadline* has come;
    - ``child_ended``: a further node of a multi-node job failed, was stopped or lost while the master runs;
      ``child_id`` and ``child_status`` (``failed``, ``stopped``, ``lost``) say which and how.

    Args:
        clearml_task_id: The task. (Not ``task_id``: the triggerer sets that to Airflow's own.)
        attempt: The attempt waited for.
        waiter: Token of the Airflow try that waits; on_kill cancels only while the task carries it.
        poll_interval: Seconds between polls.
        deadline: Absolute, in seconds since the epoch, because a restarted triggerer starts `run` from
            zero; None: wait for ever.
        run_limit_s: Seconds in progress, on the server's clock; time in the queue is not counted. None: no
            limit.
        lost_after_s: Seconds in progress without a sign of life (task update or worker report, on the
            server's clock) after which the node counts as lost; None: never.
        watch_children: Whether the job is a multi-node one, whose further nodes are watched too.
        queue_check_s: Seconds between looks into the queues for a task that is ``queued``. One that is in
            none at two looks in a row (its agent died before it said that it started) is put back. None:
            never looked for.
        max_outage_s: Seconds that the API may be away before the trigger fails, and Airflow's retry goes on.
        clearml_conn_id: The connection.
    """

    def __init__(
        self,
        *,
        clearml_task_id: str,
        attempt: int,
        waiter: str,
        poll_interval: float = 15.0,
        deadline: float | None = None,
        run_limit_s: float | None = None,
        lost_after_s: float | None = None,
        watch_children: bool = False,
        queue_check_s: float | None = 60.0,
        max_outage_s: float = 1800.0,
        clearml_conn_id: str = "clearml_default",
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.clearml_task_id = clearml_task_id
        self.attempt = attempt
        self.waiter = waiter
        self.poll_interval = poll_interval
        self.deadline = deadline
        self.run_limit_s = run_limit_s
        self.lost_after_s = lost_after_s
        self.watch_children = watch_children
        self.queue_check_s = queue_check_s
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
                "run_limit_s": self.run_limit_s,
                "lost_after_s": self.lost_after_s,
                "watch_children": self.watch_children,
                "queue_check_s": self.queue_check_s,
                "max_outage_s": self.max_outage_s,
                "clearml_conn_id": self.clearml_conn_id,
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait until there is something to tell; log each change of status once.

        Raises:
            ClearMLUnavailableError: The API was away longer than *max_outage_s*.
            ClearMLNotFoundError: The task was deleted.
            ClearMLAuthError: The keys were refused, also after the connection was read again.
            ClearMLUnknownStatusError: The task has a status that this version does not know.
        """
        payload = await self._wait()
        yield TriggerEvent(payload)  # type: ignore[no-untyped-call]

    async def _wait(self) -> dict[str, Any]:
        from clearml_provider.exceptions import ClearMLConfigError
        from clearml_provider.poller import Watch, shared_poller
        from clearml_provider.waiting import DEADLINE, Waiting

        if not self.clearml_task_id:
            raise ClearMLConfigError("An empty ClearML task id: did the task that enqueues return one?")
        if self.poll_interval <= 0:
            raise ClearMLConfigError(f"poll_interval is {self.poll_interval}, expected seconds above 0.")
        waiting = Waiting(
            task_id=self.clearml_task_id,
            attempt=self.attempt,
            deadline=self.deadline,
            run_limit_s=self.run_limit_s,
            lost_after_s=self.lost_after_s,
            max_outage_s=self.max_outage_s,
        )
        watch = Watch(
            self.clearml_task_id,
            interval_s=self.poll_interval,
            see=waiting.see,
            children=self.watch_children,
            queue_check_s=self.queue_check_s,
        )
        async with shared_poller(self.clearml_conn_id) as poller:
            with poller.watching(watch):
                while True:
                    try:
                        async with asyncio.timeout(waiting.patience_s()):
                            news = await watch.news()
                    except TimeoutError:
                        if waiting.is_late():
                            return waiting.event(DEADLINE)
                    else:
                        await self._act(news, poller)
                        if news.payload is not None:
                            return news.payload

    async def _act(self, news: News, poller: TaskPoller) -> None:
        from clearml_provider.waiting import own_copy

        for line in news.lines:
            self.log.info("%s", line)
        if news.warning is not None:
            self.log.warning("%s", news.warning)
        if news.error is not None:
            raise own_copy(news.error)
        if news.put_back:
            await self._put_back(poller)

    async def _put_back(self, poller: TaskPoller) -> None:
        from clearml_provider import looks
        from clearml_provider.exceptions import ClearMLUnavailableError

        try:
            done = await poller.run(
                lambda: looks.put_back(self.clearml_task_id, attempt=self.attempt, waiter=self.waiter)
            )
        except ClearMLUnavailableError as error:
            self.log.warning(
                "ClearML task %s is queued, but in no queue; it could not be put back yet: %s",
                self.clearml_task_id,
                error,
            )
            return
        if done:
            self.log.warning(
                "ClearML task %s, attempt %d, was queued, but in no queue (its agent died before it started "
                "it): put back",
                self.clearml_task_id,
                self.attempt,
            )

    async def on_kill(self) -> None:
        """A person marked the task failed or succeeded, or cleared it: cancel this attempt, if it is ours.

        After a *clear* the new try may have taken the job over before this runs; the task then carries
        that try's token, and nothing is done.
        """
        from clearml_provider import lifecycle
        from clearml_provider.endings import CAUSE_KILLED
        from clearml_provider.poller import shared_poller

        async with shared_poller(self.clearml_conn_id) as poller:
            cancelled = await poller.run(
                lambda: lifecycle.cancel(
                    self.clearml_task_id,
                    attempt=self.attempt,
                    waiter=self.waiter,
                    cause=CAUSE_KILLED,
                    reason="Cancelled from Airflow: the waiting task was marked or cleared by a person",
                    grace_s=KILL_GRACE_S,
                )
            )
        if cancelled:
            self.log.info("ClearML task %s, attempt %d: cancelled", self.clearml_task_id, self.attempt)
        else:
            self.log.info(
                "ClearML task %s: nothing to cancel, attempt %d is over or another try waits for it",
                self.clearml_task_id,
                self.attempt,
            )
