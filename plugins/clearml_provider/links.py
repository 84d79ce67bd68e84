"""Buttons from an Airflow task to the same job in ClearML's web UI.

Airflow asks for a link once, when the task's process ends (deferring included), keeps it as an XCom, and the
UI reads that: so the operator, which has just talked to ClearML, leaves the addresses on itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
from airflow.sdk import BaseOperatorLink

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator
    from airflow.sdk.types import TaskInstanceKey


@attrs.define()
class ClearMLTaskLink(BaseOperatorLink):
    """To the task's page."""

    name = "ClearML task"  # type: ignore[assignment]  # an attribute where the base has a property, as Airflow's own

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        del ti_key
        return str(getattr(operator, "clearml_task_url", ""))


@attrs.define()
class ClearMLLogLink(BaseOperatorLink):
    """To the task's console."""

    name = "ClearML log"  # type: ignore[assignment]

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        del ti_key
        return str(getattr(operator, "clearml_log_url", ""))


@attrs.define()
class ClearMLQueuesLink(BaseOperatorLink):
    """To the list of queues and their agents."""

    name = "ClearML queues"  # type: ignore[assignment]

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        del ti_key
        return str(getattr(operator, "clearml_queues_url", ""))
