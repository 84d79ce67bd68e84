"""Enqueue a ClearML task exactly once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

from clearml_provider.hook import ClearMLHook
from clearml_provider.operators.base import ClearMLOperator, fails_for_good, validated

if TYPE_CHECKING:
    from airflow.sdk import Context, XComArg


class ClearMLEnqueueOperator(ClearMLOperator):
    """Create a ClearML task and enqueue it, once for a key, however often this runs.

    Running again (retry, clear, another DAG run, an answer that got lost) finds the task by its key: one that
    is queued, running or done is adopted; one that failed or was stopped starts its next attempt; one that is
    queued but in no queue, because its agent died on taking it, is put back.

    Returns the ClearML task's id.

    Args:
        task_spec: `clearml_provider.models.TaskSpec` as a dict, checked when the task runs.
        clearml_queue: Name of an existing ClearML queue. (Not ``queue``: that is Airflow's own, which
            Celery's workers listen to.)
        idempotency_key: What makes this job the same job.
        create_queue_if_missing: Else an unknown queue is an error that lists the known ones.
        clearml_conn_id: The connection.
    """

    template_fields: Sequence[str] = ("task_spec", "clearml_queue", "idempotency_key", "clearml_conn_id")
    template_fields_renderers = {"task_spec": "json"}  # noqa: RUF012 - as Airflow's own operators

    def __init__(
        self,
        *,
        task_spec: dict[str, Any] | XComArg,
        clearml_queue: str | XComArg,
        idempotency_key: str | XComArg,
        create_queue_if_missing: bool = False,
        clearml_conn_id: str = ClearMLHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.task_spec = cast("dict[str, Any]", task_spec)
        self.clearml_queue = cast("str", clearml_queue)
        self.idempotency_key = cast("str", idempotency_key)
        self.create_queue_if_missing = create_queue_if_missing
        self.clearml_conn_id = clearml_conn_id

    @fails_for_good
    def execute(self, context: Context) -> str:
        """Enqueue once.

        Raises:
            ClearMLConfigError, ClearMLNotFoundError: Spec, queue or template are wrong; not retried.
        """
        from clearml_provider import lifecycle
        from clearml_provider.models import TaskSpec

        spec = validated(TaskSpec, self.task_spec, what=f"task_spec of {self.task_id}")
        flow = lifecycle.enqueue_once(
            spec,
            queue=self.clearml_queue,
            key=self.idempotency_key,
            create_queue_if_missing=self.create_queue_if_missing,
        )
        task = self.hook.run(flow)
        self._remember_links(task)
        self.log.info("ClearML task %s: %s, attempt %d", self.clearml_task_url, task.status, task.attempt)
        return task.id
