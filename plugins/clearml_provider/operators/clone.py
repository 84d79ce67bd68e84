"""Clone a ClearML task, with some of its inputs changed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

from clearml_provider.hook import ClearMLHook
from clearml_provider.operators.base import ClearMLOperator, fails_for_good, validated
from clearml_provider.operators.create import key_of

if TYPE_CHECKING:
    from airflow.sdk import Context, XComArg


class ClearMLCloneTaskOperator(ClearMLOperator):
    """Make a draft that is a copy of an existing task: its code, container and hyperparameters, no results.

    Safe to run again, as `ClearMLCreateTaskOperator` is. The template's user properties are not copied.

    Returns the clone's id.

    Args:
        template_task_id: The task to copy.
        name: The clone's; None: ``Clone of`` and the template's name.
        project: The clone's project by name, created when missing; None: the template's.
        hyperparams: Section → name → value, merged over the template's; strings only.
        user_properties: The clone's.
        tags: The clone's, instead of the template's.
        container: `clearml_provider.models.Container` as a dict, instead of the template's.
        idempotency_key: What makes this clone the same clone; None: DAG, DAG run, task and map index.
        clearml_conn_id: The connection.
    """

    template_fields: Sequence[str] = (
        "template_task_id",
        "name",
        "project",
        "hyperparams",
        "user_properties",
        "tags",
        "container",
        "idempotency_key",
        "clearml_conn_id",
    )

    def __init__(
        self,
        *,
        template_task_id: str | XComArg,
        name: str | None = None,
        project: str | None = None,
        hyperparams: dict[str, dict[str, str]] | XComArg | None = None,
        user_properties: dict[str, str] | XComArg | None = None,
        tags: list[str] | XComArg | None = None,
        container: dict[str, str] | XComArg | None = None,
        idempotency_key: str | XComArg | None = None,
        clearml_conn_id: str = ClearMLHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.template_task_id = cast("str", template_task_id)
        self.name = name
        self.project = project
        self.hyperparams = cast("dict[str, dict[str, str]] | None", hyperparams)
        self.user_properties = cast("dict[str, str] | None", user_properties)
        self.tags = cast("list[str] | None", tags)
        self.container = cast("dict[str, str] | None", container)
        self.idempotency_key = cast("str | None", idempotency_key)
        self.clearml_conn_id = clearml_conn_id

    @fails_for_good
    def execute(self, context: Context) -> str:
        """Clone once.

        Raises:
            ClearMLConfigError, ClearMLNotFoundError: An argument is wrong, or there is no such template;
                not retried.
        """
        from clearml_provider.models import TaskSpec

        # Checked first, so that a wrong argument is told without asking the server for the name.
        given = {
            "project": self.project,
            "template_task_id": self.template_task_id,
            "hyperparams": self.hyperparams or {},
            "user_properties": self.user_properties or {},
            "tags": self.tags or [],
            "container": self.container,
        }
        what = f"What {self.task_id} is to clone"
        spec = validated(TaskSpec, given | {"name": self.name or "to be named"}, what=what)
        if self.name is None:
            template = self.hook.task(self.template_task_id)
            spec = spec.model_copy(update={"name": f"Clone of {template.name}"})
        task = self.hook.create_once(spec, key_of(context, self.idempotency_key))
        self._remember_links(task)
        self.log.info("ClearML task %s: a clone of %s", self.clearml_task_url, self.template_task_id)
        return task.id
