"""Create a ClearML task, from a script, a repository or a template, without enqueueing it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

from clearml_provider.hook import ClearMLHook
from clearml_provider.operators.base import ClearMLOperator, fails_for_good, validated

if TYPE_CHECKING:
    from airflow.sdk import Context, XComArg


class ClearMLCreateTaskOperator(ClearMLOperator):
    """Create a draft: from a script, from a repository, or as a clone of a template.

    Safe to run again: the task carries a key from its creation, and another try, a clear or an answer that
    got lost finds it by that key. Without *idempotency_key* the key is this Airflow task in this DAG run.

    Returns the ClearML task's id.

    Args:
        task_spec: `clearml_provider.models.TaskSpec` as a dict, checked before anything is sent.
        idempotency_key: What makes this task the same task; None: DAG, DAG run, task and map index.
        clearml_conn_id: The connection.
    """

    template_fields: Sequence[str] = ("task_spec", "idempotency_key", "clearml_conn_id")
    template_fields_renderers = {"task_spec": "json"}  # noqa: RUF012 - as Airflow's own operators

    def __init__(
        self,
        *,
        task_spec: dict[str, Any] | XComArg,
        idempotency_key: str | XComArg | None = None,
        clearml_conn_id: str = ClearMLHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.task_spec = cast("dict[str, Any]", task_spec)
        self.idempotency_key = cast("str | None", idempotency_key)
        self.clearml_conn_id = clearml_conn_id

    @fails_for_good
    def execute(self, context: Context) -> str:
        """Create once.

        Raises:
            ClearMLConfigError, ClearMLNotFoundError: The spec or the template is wrong; not retried.
        """
        from clearml_provider.models import TaskSpec

        spec = validated(TaskSpec, self.task_spec, what=f"task_spec of {self.task_id}")
        task = self.hook.create_once(spec, key_of(context, self.idempotency_key))
        self._remember_links(task)
        self.log.info("ClearML task %s: %s", self.clearml_task_url, task.status)
        return task.id


def key_of(context: Context, key: str | None) -> str:
    """*key*, or one that this task instance has in all its tries."""
    if key is not None:
        return key
    ti = context["ti"]
    return "/".join([ti.dag_id, ti.run_id, ti.task_id, str(ti.map_index)])
