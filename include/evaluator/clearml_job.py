"""The script of every evaluation task: its text is sent whole as the ClearML task's ``script.diff``.

The agent's environment must be able to import ``include``: the project is installed there, or on PYTHONPATH.
"""

from __future__ import annotations

from clearml import Task

task: Task = Task.init(
    auto_connect_arg_parser=False,
    auto_connect_frameworks=False,
    auto_resource_monitoring=False,
)

from include.evaluator.job import run  # noqa: E402 - so that a missing package is told to ClearML

run(task)
