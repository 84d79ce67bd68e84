"""Fetch the numbers that a ClearML task reported."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

from clearml_provider.exceptions import ClearMLArtifactError
from clearml_provider.hook import ClearMLHook
from clearml_provider.operators.base import ClearMLOperator, fails_for_good

if TYPE_CHECKING:
    from airflow.sdk import Context, XComArg


class ClearMLFetchScalarsOperator(ClearMLOperator):
    """Return a task's single values and, if asked, its curves.

    Returns ``{"single_values": {name: value}, "scalars": {metric: {variant: {"x": […], "y": […]}}}}``.

    Args:
        clearml_task_id: The task.
        required: Names of single values that must be there.
        samples: Points of a curve; longer ones are averaged down. 0: no curves.
        clearml_conn_id: The connection.
    """

    template_fields: Sequence[str] = ("clearml_task_id", "required", "clearml_conn_id")

    def __init__(
        self,
        *,
        clearml_task_id: str | XComArg,
        required: Sequence[str] | XComArg = (),
        samples: int = 0,
        clearml_conn_id: str = ClearMLHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.clearml_task_id = cast("str", clearml_task_id)
        self.required = cast("Sequence[str]", required)
        self.samples = samples
        self.clearml_conn_id = clearml_conn_id

    @fails_for_good
    def execute(self, context: Context) -> dict[str, Any]:
        """Fetch them.

        Raises:
            ClearMLArtifactError: A required single value is not there; not retried.
            ClearMLNotFoundError: There is no such task; not retried.
        """
        task = self._found(self.clearml_task_id)
        values = self.hook.single_values(task.id)
        missing = [name for name in self.required if name not in values]
        if missing:
            raise ClearMLArtifactError(
                f"ClearML task {task.id} ({task.status}) reported no single value {missing}, found "
                f"{sorted(values)}. Look at its console for why: {self.clearml_log_url}"
            )
        scalars = self.hook.scalars(task.id, samples=self.samples) if self.samples > 0 else {}
        return {"single_values": values, "scalars": scalars}
