"""Tells ClearML how far a job is, what came out, and that the artifact has arrived."""

from __future__ import annotations

import contextlib
import hashlib
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from palmares.contract import RESULTS_ARTIFACT, UserProperty
from palmares.evaluator.failures import EvaluationFailure
from palmares.evaluator.rows import RowsDone

if TYPE_CHECKING:
    from clearml import Task

REPORT_EVERY_S = 10.0
_UPLOAD_RETRIES = 1  # The SDK itself tries for 45 s.
_MESSAGE_CHARACTERS = 300


class RowsReport:
    """Shows on the ClearML task how far the attempt is: its progress in percent, and a curve a benchmark.

    A thread of its own reports every `REPORT_EVERY_S` what changed, so that a ClearML that does not answer
    holds up no answer of the model. The first report of an attempt begins again at 0 percent.
    """

    def __init__(self, task: Task, attempt: str) -> None:
        self._task = task
        self._attempt = attempt
        self._started = time.monotonic()
        self._rows: dict[str, tuple[int, int]] = {}
        self._reported: dict[str, int] = {}
        self._percent: int | None = None
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True, name="rows-report")

    def __enter__(self) -> RowsDone:
        self._thread.start()
        return self._count

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join(REPORT_EVERY_S)

    def _count(self, name: str, done: int, of: int) -> None:
        self._rows[name] = (done, of)

    def _run(self) -> None:
        is_over = False
        while not is_over:
            is_over = self._over.wait(REPORT_EVERY_S)
            with contextlib.suppress(OSError, ValueError):  # Shown for people: a later report makes it good.
                if current_attempt(self._task) not in {None, self._attempt}:
                    return
                self._report()

    def _report(self) -> None:
        rows = dict(self._rows)
        iteration = round(time.monotonic() - self._started)
        for name, (done, _) in rows.items():
            if self._reported.get(name) != done:
                self._task.get_logger().report_scalar("rows done", name, value=done, iteration=iteration)
                self._reported[name] = done
        total = sum(of for _, of in rows.values())
        percent = 100 * sum(done for done, _ in rows.values()) // total if total else 0
        if percent != self._percent:
            self._task.set_progress(percent)
            self._percent = percent


def report_values(
    task: Task, values: dict[str, float], rows_per_s: dict[str, float], *, attempt: int
) -> None:
    """Report each value by its known name, as a point of a curve over the attempts, and as bars.

    Args:
        task: The ClearML task.
        values: Scores as fractions, by ``<task key> | <metric>``. A later attempt replaces the single values;
            the curves keep those of each attempt.
        rows_per_s: Throughput, by benchmark.
        attempt: The iteration of curves and plots.
    """
    logger = task.get_logger()
    for name, value in values.items():
        logger.report_single_value(name, value)
        title, _, series = name.partition(" | ")
        logger.report_scalar(title=title, series=series or title, value=value, iteration=attempt)
    plots = (("scores", "fraction, 0 to 1", values), ("throughput", "rows a second", rows_per_s))
    for title, unit, bars in plots:
        logger.report_histogram(
            title=title,
            series=f"attempt {attempt}",
            values=list(bars.values()),
            xlabels=list(bars),
            yaxis=unit,
            iteration=attempt,
        )


def current_attempt(task: Task) -> str | None:
    """The attempt that the ClearML task names now; None: it names none, or the server did not answer."""
    value = task.get_user_properties(value_only=True).get(UserProperty.ATTEMPT)
    return str(value) if value else None


def confirm_results(task: Task, attempt: int) -> None:
    """Note on the task that the results of *attempt* have arrived whole."""
    task.set_user_properties(**{UserProperty.RESULTS_ATTEMPT: str(attempt)})
    task.flush(wait_for_uploads=True)


def upload_results(task: Task, archive: Path, sha256: str) -> None:
    """Upload the archive as artifact ``results``, wait, and read it back.

    The SDK only logs a refused upload (clearml#1291), so the artifact is downloaded again and its hash
    compared.

    Raises:
        EvaluationFailure: ``results_incomplete``: it did not arrive.
    """
    try:
        accepted = task.upload_artifact(
            RESULTS_ARTIFACT, artifact_object=str(archive), wait_on_upload=True, retries=_UPLOAD_RETRIES
        )
        task.flush(wait_for_uploads=True)
        problem = None if accepted and _arrived(task) == sha256 else "what is there is not what was sent"
    except (OSError, ValueError) as error:  # requests' errors are OSErrors.
        problem = f"{type(error).__name__}: {' '.join(str(error).split())[:_MESSAGE_CHARACTERS]}"
    if problem:
        raise EvaluationFailure(
            "results_incomplete",
            f"The results ({archive.stat().st_size} bytes) are not on ClearML's file server: {problem}. "
            "Check files_host, its disk and its upload limit; the next attempt uploads what is saved here.",
        )


def _arrived(task: Task) -> str | None:
    """Download the artifact again, and hash it; None: there is none."""
    task.reload()
    artifact = task.artifacts.get(RESULTS_ARTIFACT)
    copy = artifact.get_local_copy(extract_archive=False, force_download=True) if artifact else None
    if copy is None:
        return None
    with Path(copy).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
