"""What ClearML's operators share."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from airflow.sdk import BaseOperator

from clearml_provider.hook import ClearMLHook
from clearml_provider.links import ClearMLLogLink, ClearMLTaskLink

if TYPE_CHECKING:
    from clearml_provider.models import TaskInfo


class ClearMLOperator(BaseOperator):
    """What the operators share: the hook, and the addresses that the links show."""

    operator_extra_links = (ClearMLTaskLink(), ClearMLLogLink())
    clearml_conn_id: str
    clearml_task_url = ""
    clearml_log_url = ""

    @cached_property
    def hook(self) -> ClearMLHook:
        return ClearMLHook(self.clearml_conn_id)

    def _remember_links(self, task: TaskInfo) -> None:
        self.clearml_task_url = self.hook.task_url(task.id, task.project_id)
        self.clearml_log_url = self.hook.log_url(task.id, task.project_id)
