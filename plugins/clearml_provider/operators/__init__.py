"""Operators: create, clone, edit, enqueue, wait for, abort and read ClearML tasks.

Each is imported when it is asked for: a DAG file is parsed for every task, and uses few of them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from clearml_provider.operators.abort import ClearMLAbortTaskOperator
    from clearml_provider.operators.clone import ClearMLCloneTaskOperator
    from clearml_provider.operators.create import ClearMLCreateTaskOperator
    from clearml_provider.operators.edit import ClearMLEditTaskOperator
    from clearml_provider.operators.enqueue import ClearMLEnqueueOperator
    from clearml_provider.operators.enqueue_task import ClearMLEnqueueTaskOperator
    from clearml_provider.operators.fetch_artifact import ClearMLFetchArtifactOperator
    from clearml_provider.operators.fetch_log import ClearMLFetchLogOperator
    from clearml_provider.operators.fetch_scalars import ClearMLFetchScalarsOperator
    from clearml_provider.operators.queue_statistics import ClearMLQueueStatisticsOperator
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
    "ClearMLAbortTaskOperator": "abort",
    "ClearMLCloneTaskOperator": "clone",
    "ClearMLCreateTaskOperator": "create",
    "ClearMLEditTaskOperator": "edit",
    "ClearMLEnqueueOperator": "enqueue",
    "ClearMLEnqueueTaskOperator": "enqueue_task",
    "ClearMLFetchArtifactOperator": "fetch_artifact",
    "ClearMLFetchLogOperator": "fetch_log",
    "ClearMLFetchScalarsOperator": "fetch_scalars",
    "ClearMLQueueStatisticsOperator": "queue_statistics",
    "ClearMLWaitOperator": "wait",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
