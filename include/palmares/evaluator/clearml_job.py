"""The script of every evaluation task: its text is sent whole as the ClearML task's ``script.diff``.

The agent's environment must be able to import ``palmares``: the project is installed there, or on PYTHONPATH.
"""

from __future__ import annotations

from clearml import Task

if __name__ == "__main__":  # vLLM's processes are spawned, and import this file again
    # As `sdk.development.report_use_subprocess: false` in clearml.conf: with a process for reports beside it,
    # each flush and the exit wait 5 s; 14 s a job.
    Task._report_subprocess_enabled = False  # type: ignore[assignment]
    task: Task = Task.init(
        auto_connect_arg_parser=False,
        auto_connect_frameworks=False,
        auto_resource_monitoring=False,
    )

    from palmares.evaluator.job import run  # so that a missing package is told to ClearML

    run(task)
