"""Abort a ClearML task, and keep why."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

from clearml_provider.hook import ClearMLHook
from clearml_provider.operators.base import ClearMLOperator, fails_for_good

if TYPE_CHECKING:
    from airflow.sdk import Context, XComArg


class ClearMLAbortTaskOperator(ClearMLOperator):
    """Stop a task's current attempt, whoever waits for it: ask its agent, then end it by force.

    One that is over already, or was never enqueued, is left as it is.

    Returns ``{"task_id", "attempt", "status", "aborted"}``; ``aborted`` is false where nothing was to stop.

    Args:
        clearml_task_id: The task.
        reason: A sentence, kept in the user property ``stop_reason``: ClearML overwrites its own.
        grace_s: Seconds that the agent has; this Airflow task holds its slot for that long.
        clearml_conn_id: The connection.
    """

    template_fields: Sequence[str] = ("clearml_task_id", "reason", "clearml_conn_id")
    ui_color = "#fbe3dc"

    def __init__(
        self,
        *,
        clearml_task_id: str | XComArg,
        reason: str = "Aborted by Airflow: {{ dag.dag_id }}, {{ run_id }}",
        grace_s: float = 30.0,
        clearml_conn_id: str = ClearMLHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.clearml_task_id = cast("str", clearml_task_id)
        self.reason = reason
        self.grace_s = grace_s
        self.clearml_conn_id = clearml_conn_id

    @fails_for_good
    def execute(self, context: Context) -> dict[str, Any]:
        """Abort it.

        Raises:
            ClearMLNotFoundError: There is no such task; not retried.
        """
        self._found(self.clearml_task_id)
        aborted = self.hook.cancel(self.clearml_task_id, reason=self.reason, grace_s=self.grace_s)
        task = self._found(self.clearml_task_id)
        self.log.info(
            "ClearML task %s: %s, %s",
            self.clearml_task_url,
            task.status,
            "aborted" if aborted else "nothing to abort",
        )
        return {"task_id": task.id, "attempt": task.attempt, "status": task.status.value, "aborted": aborted}
