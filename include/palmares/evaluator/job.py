"""The evaluation job, as it runs under the ClearML agent: read, evaluate, report, upload."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from palmares.contract import CONSOLE_PREFIX
from palmares.evaluator.artifact import zip_artifact
from palmares.evaluator.clearml_report import (
    RowsReport,
    confirm_results,
    current_attempt,
    report_values,
    upload_results,
)
from palmares.evaluator.console import say
from palmares.evaluator.evaluation import evaluate_model
from palmares.evaluator.failures import EvaluationFailure
from palmares.evaluator.settings import JobSettings, read_settings
from palmares.evaluator.unfinished import UnfinishedUpload

if TYPE_CHECKING:
    from clearml import Task

JOBS_DIRECTORY = "PALMARES_JOBS_DIRECTORY"
"""Environment variable: where unfinished jobs are kept; default ``~/.cache/palmares/jobs``."""

TOLD_TO_STOP = "told to stop by SIGTERM: the machine is drained, or the job is cancelled"

_KEEP_UNFINISHED_S = 7 * 24 * 3600


def run(task: Task) -> None:
    """Run the job that a ClearML task describes; exits with 1, and says why, unless the results have arrived.

    The job's folder holds hidden rows. It is removed on success, and kept after a failure, so that the next
    attempt on this machine begins where this one ended; folders that nobody came back to go after a week.
    What is answered so far is also uploaded, for the next attempt on another machine.

    Raises:
        SystemExit: The job failed; the console's last line and user property ``failure_class`` say why.
    """
    started = time.monotonic()
    before_end: list[Callable[[], None]] = []
    _report_stop_signal(before_end)
    properties = task.get_user_properties(value_only=True)
    attempt = str(properties.get("attempt") or "1")
    say(f"attempt {attempt} of ClearML task {task.id}")
    if properties.get("failure_class"):
        task.set_user_properties(failure_class="")  # An earlier attempt's: this one has not failed yet.
    try:
        settings = read_settings(
            task.get_parameters() or {},
            properties,
            datasets_directory=os.environ.get("DATASETS_DIRECTORY"),
        )
        folder = _job_folder(settings, task.id)
        with UnfinishedUpload(task, folder, attempt) as unfinished, RowsReport(task, attempt) as on_rows:
            before_end.append(unfinished.upload_in_time)
            evaluated = evaluate_model(
                settings, folder, clearml_task_id=task.id, progress=say, on_rows=on_rows
            )
        digest = zip_artifact(evaluated.folder, folder / "results.zip")
        _stop_if_replaced(task, attempt)
        upload_results(task, folder / "results.zip", digest)
        # Only now: values on the task are those of results that have arrived.
        report_values(task, evaluated.single_values, evaluated.rows_per_s, attempt=settings.attempt)
        confirm_results(task, settings.attempt)
        unfinished.remove()
        say(f"results of attempt {settings.attempt} uploaded and read back")
        shutil.rmtree(folder, ignore_errors=True)
        say(f"done in {time.monotonic() - started:.1f} s")
    except EvaluationFailure as failure:
        _stop_if_replaced(task, attempt)
        task.set_user_properties(failure_class=failure.failure_class)
        task.flush(wait_for_uploads=True)
        print(failure.console_line, flush=True)
        sys.exit(1)


def _stop_if_replaced(task: Task, attempt: str) -> None:
    """End here if another attempt is current: what this one says or uploads would count as that one's."""
    current = current_attempt(task)
    if current is not None and str(current) != attempt:
        say(f"attempt {attempt} is over: attempt {current} is current, nothing is reported or uploaded")
        sys.exit(1)


def _report_stop_signal(before_end: list[Callable[[], None]]) -> None:
    """Say so on SIGTERM (a drained node, a wall time, a cancellation); ClearML's own handler then ends it.

    Args:
        before_end: Called first; more may be added later.
    """
    before = signal.getsignal(signal.SIGTERM)

    def stop(number: int, frame: FrameType | None) -> None:
        os.write(1, f"\n{CONSOLE_PREFIX}{TOLD_TO_STOP}\n".encode())  # print may be what was interrupted
        for call in before_end:
            call()
        if callable(before):
            before(number, frame)
        sys.exit(128 + number)

    signal.signal(signal.SIGTERM, stop)


def _job_folder(settings: JobSettings, task_id: str) -> Path:
    """The folder of this job on this machine; removes those that were left long ago."""
    jobs = Path(os.environ.get(JOBS_DIRECTORY) or Path.home() / ".cache" / "palmares" / "jobs")
    jobs.mkdir(parents=True, exist_ok=True, mode=0o700)
    oldest = time.time() - _KEEP_UNFINISHED_S
    for left in jobs.iterdir():
        if left.is_dir() and left.stat().st_mtime < oldest:
            shutil.rmtree(left, ignore_errors=True)
    name = hashlib.sha256(f"{settings.job_key}/{task_id}".encode()).hexdigest()[:32]
    return jobs / name
