"""What ClearML's operators share: the hook, the links' addresses, and no retry of what cannot get better."""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import cached_property, wraps
from typing import TYPE_CHECKING, Any, TypeVar

from airflow.sdk import BaseOperator, BaseOperatorLink
from airflow.sdk.exceptions import AirflowFailException

from clearml_provider.exceptions import (
    ClearMLArtifactError,
    ClearMLAuthError,
    ClearMLConfigError,
    ClearMLError,
    ClearMLNotFoundError,
    ClearMLUnknownStatusError,
)
from clearml_provider.hook import ClearMLHook
from clearml_provider.links import ClearMLLogLink, ClearMLTaskLink

if TYPE_CHECKING:
    from pydantic import BaseModel, ValidationError

    from clearml_provider.models import TaskInfo

Model = TypeVar("Model", bound="BaseModel")
Method = TypeVar("Method", bound=Callable[..., Any])

_FOR_GOOD = (
    ClearMLArtifactError,
    ClearMLAuthError,
    ClearMLConfigError,
    ClearMLNotFoundError,
    ClearMLUnknownStatusError,
)


def fails_for_good(method: Method) -> Method:
    """Let *method*'s errors that no retry can mend fail the Airflow task at once, retries left or not.

    A wrong connection or argument, a deleted task, an artifact that is not what was uploaded: the error
    stays of its class, and is an ``AirflowFailException`` too.
    """

    @wraps(method)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        try:
            return method(*args, **kwargs)
        except _FOR_GOOD as error:
            if isinstance(error, AirflowFailException):
                raise
            raise _final(error) from error

    return wrapped  # type: ignore[return-value]


def _final(error: ClearMLError) -> ClearMLError:
    """*error* again, of a class that Airflow does not retry."""
    kind = type(error)
    final_kind = type(kind.__name__, (kind, AirflowFailException), {"__module__": kind.__module__})
    final: ClearMLError = final_kind.__new__(final_kind, *error.args)
    final.__dict__.update(error.__dict__)
    return final


def validated(model: type[Model], value: Any, *, what: str) -> Model:
    """*value* as *model*, checked before anything is sent.

    Raises:
        ClearMLConfigError: One line that names every field that is wrong.
    """
    from pydantic import ValidationError

    try:
        return model.model_validate(value)
    except ValidationError as error:
        faults = [_fault(e["loc"], e["msg"], e["type"], e["input"]) for e in error.errors()]
        hint = " Write numbers and booleans as text: ClearML keeps strings only." if _typed(error) else ""
        # pydantic's own message quotes every value, the secret ones too
        raise ClearMLConfigError(f"{what} is not valid: {'; '.join(faults)}.{hint}") from None


def _fault(where: tuple[Any, ...], message: str, kind: str, value: Any) -> str:
    from clearml_provider.redaction import shown_value

    shown = None if kind in {"value_error", "missing"} else shown_value(where, value)
    got = "" if shown is None else f" (got {shown})"
    return f"{'.'.join(map(str, where)) or 'it'}: {message.removeprefix('Value error, ')}{got}"


def _typed(error: ValidationError) -> bool:
    return any(e["type"] == "string_type" for e in error.errors())


class ClearMLOperator(BaseOperator):
    """What the operators share: the hook, and the addresses that the links show."""

    operator_extra_links: Collection[BaseOperatorLink] = (ClearMLTaskLink(), ClearMLLogLink())
    ui_color = "#dceefb"
    clearml_conn_id: str
    clearml_task_url = ""
    clearml_log_url = ""

    @cached_property
    def hook(self) -> ClearMLHook:
        return ClearMLHook(self.clearml_conn_id)

    def _remember_links(self, task: TaskInfo) -> None:
        self.clearml_task_url = self.hook.task_url(task.id, task.project_id)
        self.clearml_log_url = self.hook.log_url(task.id, task.project_id)

    def _found(self, task_id: str) -> TaskInfo:
        """The task, read now, so that the links lead to it and a deleted one is named.

        Raises:
            ClearMLNotFoundError: It does not exist.
        """
        task = self.hook.task(task_id)
        self._remember_links(task)
        return task
