"""Wait until a ClearML task, whoever enqueued it, reaches a status."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

from airflow.sdk import BaseSensorOperator, PokeReturnValue, conf
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException, TaskDeferred

from clearml_provider.exceptions import ClearMLConfigError
from clearml_provider.hook import ClearMLHook
from clearml_provider.operators.base import ClearMLOperator, fails_for_good

if TYPE_CHECKING:
    from airflow.sdk import Context, XComArg


__all__ = ["ClearMLTaskSensor"]

SUCCESS_STATES = ("completed", "closed", "publishing", "published")
FAILED_STATES = ("failed", "stopped")


class ClearMLTaskSensor(ClearMLOperator, BaseSensorOperator):  # type: ignore[misc]  # both are BaseOperator
    """Wait for a task that is not ours: succeed in one set of states, fail at once in another.

    It only reads: nothing is enqueued, retried or cancelled, whatever becomes of the Airflow task. For
    jobs of one's own there is `ClearMLWaitOperator`.

    Returns ``{"task_id", "status"}``.

    Args:
        clearml_task_id: The task.
        allowed_states: States to wait for; may be ``in_progress``, to wait for a start.
        failed_states: States that fail the sensor, without retry. In any other it waits on, until *timeout*.
        deferrable: Wait in the triggerer, which polls all tasks of a connection together, each
            *poke_interval*; else in *mode*. The default is Airflow's ``[operators] default_deferrable``.
        clearml_conn_id: The connection.
    """

    template_fields: Sequence[str] = (
        "clearml_task_id",
        "allowed_states",
        "failed_states",
        "clearml_conn_id",
    )

    def __init__(
        self,
        *,
        clearml_task_id: str | XComArg,
        allowed_states: Sequence[str] | XComArg = SUCCESS_STATES,
        failed_states: Sequence[str] | XComArg = FAILED_STATES,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        clearml_conn_id: str = ClearMLHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.clearml_task_id = cast("str", clearml_task_id)
        self.allowed_states = cast("Sequence[str]", allowed_states)
        self.failed_states = cast("Sequence[str]", failed_states)
        self.deferrable = deferrable
        self.clearml_conn_id = clearml_conn_id

    @fails_for_good
    def poke(self, context: Context) -> PokeReturnValue:
        """Look once.

        Raises:
            AirflowFailException: The task is in one of *failed_states*.
            ClearMLConfigError, ClearMLNotFoundError: A state's name is wrong, or there is no such task; not
                retried.
        """
        self._check_states()
        return self._judge(self._found(self.clearml_task_id).status.value)

    def execute(self, context: Context) -> dict[str, str]:
        """Wait, in the triggerer or in *mode*."""
        if self.deferrable:
            return self._defer(context)
        return cast("dict[str, str]", super().execute(context))

    def _defer(self, context: Context) -> dict[str, str]:
        from clearml_provider.triggers import ClearMLStatusTrigger

        try:
            poked = self.poke(context)
        except AirflowFailException as error:
            if self.soft_fail or self.never_fail:
                raise AirflowSkipException(str(error)) from error
            raise
        if poked:
            return cast("dict[str, str]", poked.xcom_value)
        self.hook.close()
        trigger = ClearMLStatusTrigger(
            clearml_task_id=self.clearml_task_id,
            states=[*self.allowed_states, *self.failed_states],
            poll_interval=self.poke_interval,
            clearml_conn_id=self.clearml_conn_id,
        )
        until = timedelta(seconds=self.timeout)
        raise TaskDeferred(trigger=trigger, method_name="execute_complete", timeout=until)

    @fails_for_good
    def execute_complete(self, context: Context, event: dict[str, str]) -> dict[str, str]:
        """Judge the status that the trigger saw; the task may have moved on since."""
        self._found(self.clearml_task_id)
        return cast("dict[str, str]", self._judge(event["status"]).xcom_value)

    def _judge(self, status: str) -> PokeReturnValue:
        if status in self.failed_states:
            raise AirflowFailException(
                f"ClearML task {self.clearml_task_id} is {status}, waited for {sorted(self.allowed_states)}. "
                f"Console: {self.clearml_log_url}"
            )
        done = status in self.allowed_states
        if not done:
            self.log.info("ClearML task %s: %s", self.clearml_task_url, status)
        return PokeReturnValue(is_done=done, xcom_value={"task_id": self.clearml_task_id, "status": status})

    def _check_states(self) -> None:
        from clearml_provider.models import TaskStatus

        known = {status.value for status in TaskStatus} - {TaskStatus.UNKNOWN.value}
        given = [*self.allowed_states, *self.failed_states]
        wrong = sorted(set(given) - known)
        twice = sorted(set(self.allowed_states) & set(self.failed_states))
        if wrong or twice or not self.allowed_states:
            what = (
                f"unknown states {wrong}" if wrong else f"{twice} in both" if twice else "no allowed_states"
            )
            raise ClearMLConfigError(
                f"allowed_states and failed_states of {self.task_id}: {what}. Known are {sorted(known)}."
            )
