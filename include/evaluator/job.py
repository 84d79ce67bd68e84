"""The evaluation job, as it runs under the ClearML agent: read, evaluate, report, upload."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from include.evaluator.artifact import zip_artifact
from include.evaluator.clearml_report import report_single_values, upload_results
from include.evaluator.evaluation import evaluate_model
from include.evaluator.failures import EvaluationFailure
from include.evaluator.settings import JobSettings, read_settings

if TYPE_CHECKING:
    from clearml import Task

JOBS_DIRECTORY = "PALMARES_JOBS_DIRECTORY"
"""Environment variable: where unfinished jobs are kept; default ``~/.cache/palmares/jobs``."""

_KEEP_UNFINISHED_S = 7 * 24 * 3600


def run(task: Task) -> None:
    """Run the job that a ClearML task describes; exits with 1, and says why, unless the results have arrived.

    The job's folder holds hidden rows. It is removed on success, and kept after a failure, so that the next
    attempt on this machine begins where this one ended; folders that nobody came back to go after a week.

    Raises:
        SystemExit: The job failed; the console's last line and user property ``failure_class`` say why.
    """
    started = time.monotonic()
    properties = task.get_user_properties(value_only=True)
    if properties.get("failure_class"):
        task.set_user_properties(failure_class="")  # An earlier attempt's: this one has not failed yet.
    try:
        settings = read_settings(
            task.get_parameters() or {},
            properties,
            datasets_directory=os.environ.get("DATASETS_DIRECTORY"),
        )
        folder = _job_folder(settings, task.id)
        evaluated = evaluate_model(settings, folder, clearml_task_id=task.id, progress=_say)
        digest = zip_artifact(evaluated.folder, folder / "results.zip")
        report_single_values(task, evaluated.single_values)
        upload_results(task, folder / "results.zip", digest)
        shutil.rmtree(folder, ignore_errors=True)
        _say(f"done in {time.monotonic() - started:.1f} s")
    except EvaluationFailure as failure:
        task.set_user_properties(failure_class=failure.failure_class)
        task.flush(wait_for_uploads=True)
        _say(failure.console_line)
        sys.exit(1)


def _say(line: str) -> None:
    print(line, flush=True)


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
