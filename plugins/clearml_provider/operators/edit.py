"""Set hyperparameters, user properties, tags and the container of an existing ClearML task."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

from clearml_provider.hook import ClearMLHook
from clearml_provider.operators.base import ClearMLOperator, fails_for_good, validated

if TYPE_CHECKING:
    from airflow.sdk import Context, XComArg


class ClearMLEditTaskOperator(ClearMLOperator):
    """Change some of a task's inputs, in one call: all of the changes are there afterwards, or none.

    Everything is checked before anything is sent. What is not named stays as it is. A job that runs has read
    its hyperparameters already: there only user properties and tags make sense.

    Returns the ClearML task's id.

    Args:
        clearml_task_id: The task.
        hyperparams: Section → name → value; strings only.
        user_properties: Name → value. Those by which the provider keeps attempts apart are refused.
        add_tags: Tags to add.
        remove_tags: Tags to remove, if they are there.
        container: `clearml_provider.models.Container` as a dict: image, arguments, setup_shell_script.
        clearml_conn_id: The connection.
    """

    template_fields: Sequence[str] = (
        "clearml_task_id",
        "hyperparams",
        "user_properties",
        "add_tags",
        "remove_tags",
        "container",
        "clearml_conn_id",
    )

    def __init__(
        self,
        *,
        clearml_task_id: str | XComArg,
        hyperparams: dict[str, dict[str, str]] | XComArg | None = None,
        user_properties: dict[str, str] | XComArg | None = None,
        add_tags: list[str] | XComArg | None = None,
        remove_tags: list[str] | XComArg | None = None,
        container: dict[str, str] | XComArg | None = None,
        clearml_conn_id: str = ClearMLHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.clearml_task_id = cast("str", clearml_task_id)
        self.hyperparams = cast("dict[str, dict[str, str]] | None", hyperparams)
        self.user_properties = cast("dict[str, str] | None", user_properties)
        self.add_tags = cast("list[str] | None", add_tags)
        self.remove_tags = cast("list[str] | None", remove_tags)
        self.container = cast("dict[str, str] | None", container)
        self.clearml_conn_id = clearml_conn_id

    @fails_for_good
    def execute(self, context: Context) -> str:
        """Edit the task.

        Raises:
            ClearMLConfigError, ClearMLNotFoundError: A value is not of its type, or there is no such task;
                not retried.
        """
        from clearml_provider.models import TaskEdit

        given = {
            "hyperparams": self.hyperparams,
            "user_properties": self.user_properties,
            "add_tags": self.add_tags,
            "remove_tags": self.remove_tags,
            "container": self.container,
        }
        named = {name: value for name, value in given.items() if value is not None}
        edit = validated(TaskEdit, named, what=f"What {self.task_id} is to change")
        task = self._found(self.clearml_task_id)
        self.hook.edit(task.id, edit)
        self.log.info("ClearML task %s: changed %s", self.clearml_task_url, ", ".join(sorted(named)))
        return task.id
