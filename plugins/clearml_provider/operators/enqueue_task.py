"""Enqueue a ClearML task that exists already."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

from clearml_provider.hook import ClearMLHook
from clearml_provider.operators.base import ClearMLOperator, fails_for_good

if TYPE_CHECKING:
    from airflow.sdk import Context, XComArg


class ClearMLEnqueueTaskOperator(ClearMLOperator):
    """Put an existing task on its way, after create, clone and edit; `ClearMLEnqueueOperator` is all in one.

    Safe to run again: a draft is enqueued, a task that is queued, running or done is adopted as it is, one
    that failed or was stopped starts its next attempt.

    Returns the ClearML task's id.

    Args:
        clearml_task_id: The task.
        clearml_queue: Name of an existing ClearML queue.
        create_queue_if_missing: Else an unknown queue is an error that lists the known ones.
        clearml_conn_id: The connection.
    """

    template_fields: Sequence[str] = ("clearml_task_id", "clearml_queue", "clearml_conn_id")

    def __init__(
        self,
        *,
        clearml_task_id: str | XComArg,
        clearml_queue: str | XComArg,
        create_queue_if_missing: bool = False,
        clearml_conn_id: str = ClearMLHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.clearml_task_id = cast("str", clearml_task_id)
        self.clearml_queue = cast("str", clearml_queue)
        self.create_queue_if_missing = create_queue_if_missing
        self.clearml_conn_id = clearml_conn_id

    @fails_for_good
    def execute(self, context: Context) -> str:
        """Enqueue it.

        Raises:
            ClearMLConfigError, ClearMLNotFoundError: There is no such queue or task; not retried.
        """
        task = self.hook.enqueue(
            self.clearml_task_id, self.clearml_queue, create_queue_if_missing=self.create_queue_if_missing
        )
        self._remember_links(task)
        self.log.info("ClearML task %s: %s, attempt %d", self.clearml_task_url, task.status, task.attempt)
        return task.id
