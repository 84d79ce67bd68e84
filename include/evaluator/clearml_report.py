"""Tells ClearML what came out: single values, and one artifact that is known to have arrived."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from include.evaluator.failures import EvaluationFailure

if TYPE_CHECKING:
    from clearml import Task

ARTIFACT = "results"
_UPLOAD_RETRIES = 3


def report_single_values(task: Task, values: dict[str, float]) -> None:
    """Report each value by its known name."""
    logger = task.get_logger()
    for name, value in values.items():
        logger.report_single_value(name, value)


def upload_results(task: Task, archive: Path, sha256: str) -> None:
    """Upload the archive as artifact ``results``, wait, and read it back.

    The SDK only logs a refused upload (clearml#1291), so the artifact is downloaded again and its hash
    compared.

    Raises:
        EvaluationFailure: ``results_incomplete``: it did not arrive.
    """
    accepted = task.upload_artifact(
        ARTIFACT, artifact_object=str(archive), wait_on_upload=True, retries=_UPLOAD_RETRIES
    )
    task.flush(wait_for_uploads=True)
    task.reload()
    artifact = task.artifacts.get(ARTIFACT)
    arrived = artifact.get_local_copy(extract_archive=False, force_download=True) if artifact else None
    if accepted and arrived:
        with Path(arrived).open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() == sha256:
                return
    raise EvaluationFailure(
        "results_incomplete",
        f"The results ({archive.stat().st_size} bytes) did not arrive on ClearML's file server. "
        "Check files_host, its disk and its upload limit; the next attempt uploads what is saved here.",
    )
