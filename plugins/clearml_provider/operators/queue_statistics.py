"""Say how long ClearML's queues are, and who serves them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

from clearml_provider.hook import ClearMLHook
from clearml_provider.links import ClearMLQueuesLink
from clearml_provider.operators.base import ClearMLOperator, fails_for_good

if TYPE_CHECKING:
    from airflow.sdk import Context, XComArg


class ClearMLQueueStatisticsOperator(ClearMLOperator):
    """Return for each queue how many tasks wait, since when, and how many agents serve it, busy or idle.

    Returns a list of ``{"queue", "queue_id", "waiting", "oldest_waiting_since", "oldest_waiting_s",
    "workers", "busy", "idle"}``, in the order asked for.

    Args:
        clearml_queues: Names of queues; None: all, sorted. An unknown name is an error, and creates nothing.
        clearml_conn_id: The connection.
    """

    template_fields: Sequence[str] = ("clearml_queues", "clearml_conn_id")
    operator_extra_links = (ClearMLQueuesLink(),)
    clearml_queues_url = ""

    def __init__(
        self,
        *,
        clearml_queues: Sequence[str] | XComArg | None = None,
        clearml_conn_id: str = ClearMLHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.clearml_queues = cast("Sequence[str] | None", clearml_queues)
        self.clearml_conn_id = clearml_conn_id

    @fails_for_good
    def execute(self, context: Context) -> list[dict[str, Any]]:
        """Ask.

        Raises:
            ClearMLConfigError: There is no such queue; not retried.
        """
        self.clearml_queues_url = self.hook.queues_url()
        found = self.hook.queue_statistics(self.clearml_queues)
        for queue in found:
            self.log.info(
                "ClearML queue %s: %d waiting, the oldest for %.0f s; %d agents, %d busy",
                queue.name,
                queue.waiting,
                queue.oldest_waiting_s,
                queue.workers,
                queue.busy,
            )
        return [queue.to_json() for queue in found]
