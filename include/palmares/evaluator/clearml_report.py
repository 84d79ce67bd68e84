"""Tells ClearML what came out: single values, and one artifact that is known to have arrived."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from palmares.contract import RESULTS_ARTIFACT, UserProperty
from palmares.evaluator.failures import EvaluationFailure

if TYPE_CHECKING:
    from clearml import Task

_UPLOAD_RETRIES = 1  # The SDK itself tries for 45 s.
_MESSAGE_CHARACTERS = 300


def report_single_values(task: Task, values: dict[str, float], *, attempt: int) -> None:
    """Report each value by its known name, and as a point of a curve over the attempts.

    A later attempt replaces the single values; the curves keep those of each attempt.
    """
    logger = task.get_logger()
    for name, value in values.items():
        logger.report_single_value(name, value)
        title, _, series = name.partition(" | ")
        logger.report_scalar(title=title, series=series or title, value=value, iteration=attempt)


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
