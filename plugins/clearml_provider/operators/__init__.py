"""Operators: create, clone, edit, enqueue, wait for, abort and read ClearML tasks.

Each is imported when it is asked for: a DAG file is parsed for every task, and uses few of them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from clearml_provider.operators.fetch import (
        ClearMLFetchArtifactOperator,
        ClearMLFetchLogOperator,
        ClearMLFetchScalarsOperator,
        ClearMLQueueStatisticsOperator,
    )
    from clearml_provider.operators.tasks import (
        ClearMLAbortTaskOperator,
        ClearMLCloneTaskOperator,
        ClearMLCreateTaskOperator,
        ClearMLEditTaskOperator,
        ClearMLEnqueueOperator,
        ClearMLEnqueueTaskOperator,
    )
    from clearml_provider.operators.wait import ClearMLWaitOperator

__all__ = [
    "ClearMLAbortTaskOperator",
    "ClearMLCloneTaskOperator",
    "ClearMLCreateTaskOperator",
    "ClearMLEditTaskOperator",
    "ClearMLEnqueueOperator",
    "ClearMLEnqueueTaskOperator",
    "ClearMLFetchArtifactOperator",
    "ClearMLFetchLogOperator",
    "ClearMLFetchScalarsOperator",
    "ClearMLQueueStatisticsOperator",
    "ClearMLWaitOperator",
]

_MODULES = {
    "ClearMLAbortTaskOperator": "tasks",
    "ClearMLCloneTaskOperator": "tasks",
    "ClearMLCreateTaskOperator": "tasks",
    "ClearMLEditTaskOperator": "tasks",
    "ClearMLEnqueueOperator": "tasks",
    "ClearMLEnqueueTaskOperator": "tasks",
    "ClearMLFetchArtifactOperator": "fetch",
    "ClearMLFetchLogOperator": "fetch",
    "ClearMLFetchScalarsOperator": "fetch",
    "ClearMLQueueStatisticsOperator": "fetch",
    "ClearMLWaitOperator": "wait",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
