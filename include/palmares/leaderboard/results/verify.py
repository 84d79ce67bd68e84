"""Accepts a job's results only if they are complete, whole, and those of this submission."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from palmares.contract import MANIFEST_NAME, MANIFEST_SCHEMA
from palmares.leaderboard.errors import ResultsFormatError, ResultsIncompleteError
from palmares.leaderboard.results.manifest import Manifest
from palmares.leaderboard.submissions.submission import Submission
from palmares.leaderboard.suites import Suite

TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d(\.\d{1,6})?")
_CHUNK_BYTES = 1 << 20


def verify_results(
    folder: Path, *, job_key: str, attempt: int, submission: Submission, suite: Suite
) -> Manifest:
    """Check a folder of raw outputs.

    Args:
        folder: The unpacked artifact.
        job_key: Of the ClearML task.
        attempt: The only attempt that is accepted; an older one was fenced off.
        submission: What was asked for.
        suite: The suite's settings.

    Returns:
        The manifest.

    Raises:
        ResultsFormatError: A file is missing, unexpected, malformed, differs from its hash, or belongs to
            another job.
        ResultsIncompleteError: A task, or rows of a task, are missing.
    """
    manifest = read_manifest(folder)
    _check_identity(manifest, job_key=job_key, attempt=attempt, submission=submission, suite=suite)
    _check_files(folder, manifest)
    _check_tasks(folder, manifest, suite)
    _check_json(folder, manifest, suite)
    return manifest


def read_manifest(folder: Path) -> Manifest:
    """Parse ``manifest.json``.

    Raises:
        ResultsFormatError: It is missing or malformed.
    """
    path = folder / MANIFEST_NAME
    try:
        manifest = Manifest.model_validate_json(path.read_bytes())
    except OSError as error:
        raise ResultsFormatError(
            f"{path}: cannot be read ({error}). The job ended before its results were whole: evaluate again."
        ) from error
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, item['loc'])) or 'document'}: {item['msg']}" for item in error.errors()[:5]
        )
        raise ResultsFormatError(
            f"{path}: {problems}. Pin the evaluator to the version that this project ships."
        ) from error
    if manifest.schema_ != MANIFEST_SCHEMA:
        raise ResultsFormatError(
            f"{path}: schema {manifest.schema_}, expected {MANIFEST_SCHEMA}. "
            "Update the evaluator or this project."
        )
    return manifest


def _check_identity(
    manifest: Manifest, *, job_key: str, attempt: int, submission: Submission, suite: Suite
) -> None:
    expected: dict[str, tuple[Any, Any]] = {
        "job_key": (manifest.job_key, job_key),
        "attempt": (manifest.attempt, attempt),
        "model.id": (manifest.model.id, submission.model_id),
        "model.revision": (manifest.model.revision, submission.revision),
        "suite.name": (manifest.suite.name, suite.name),
        "suite.hash": (manifest.suite.hash, submission.suite_hash),
        "precision": (manifest.precision, submission.precision),
        "use_chat_template": (manifest.use_chat_template, submission.use_chat_template),
        "limit_samples": (manifest.limit_samples, submission.limit_samples),
        "seed": (manifest.seed, submission.seed),
    }
    wrong = [
        f"{name} is {found!r}, expected {wanted!r}"
        for name, (found, wanted) in expected.items()
        if found != wanted
    ]
    if wrong:
        raise ResultsFormatError(
            f"The results belong to another job: {'; '.join(wrong)}. Discard them, and evaluate again."
        )


def _check_files(folder: Path, manifest: Manifest) -> None:
    root = folder.resolve()
    present = {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_symlink() or not path.is_dir()
    } - {MANIFEST_NAME}
    missing = sorted(set(manifest.files) - present)
    if missing:
        raise ResultsFormatError(f"Files of the manifest are missing: {missing}. Fetch the artifact again.")
    unexpected = sorted(present - set(manifest.files))
    if unexpected:
        raise ResultsFormatError(
            f"Files are not in the manifest: {unexpected}. Look into the job: it wrote after its end."
        )
    for relative, wanted in manifest.files.items():
        path = folder / relative
        if path.is_symlink() or not path.resolve().is_relative_to(root):
            raise ResultsFormatError(f"{relative} is a link. Look into the job: results hold plain files.")
        size = path.stat().st_size
        if size != wanted.bytes:
            raise ResultsFormatError(
                f"{relative}: {size} bytes, the manifest says {wanted.bytes}. Fetch the artifact again."
            )
        digest = file_sha256(path)
        if digest != wanted.sha256:
            raise ResultsFormatError(
                f"{relative}: SHA-256 {digest}, the manifest says {wanted.sha256}. Fetch the artifact again."
            )


def _check_tasks(folder: Path, manifest: Manifest, suite: Suite) -> None:
    missing = [key for key in suite.task_keys if key not in manifest.tasks]
    if missing:
        raise ResultsIncompleteError(f"No results for {missing}. Evaluate again; the other tasks are whole.")
    for key in suite.task_keys:
        task = manifest.tasks[key]
        if task.rows != task.expected_rows:
            raise ResultsIncompleteError(
                f"{key}: {task.rows} of {task.expected_rows} rows. Evaluate again from the last checkpoint."
            )
        if manifest.limit_samples is not None and task.rows > manifest.limit_samples:
            raise ResultsFormatError(
                f"{key}: {task.rows} rows of a run limited to {manifest.limit_samples}. Check the evaluator."
            )
        rows = _parquet_rows(folder / task.details, name=task.details)
        if rows != task.rows:
            raise ResultsIncompleteError(
                f"{task.details}: {rows} rows, the manifest says {task.rows}. Evaluate {key} again."
            )


def _check_json(folder: Path, manifest: Manifest, suite: Suite) -> None:
    try:
        results, lm_eval = manifest.results_file, manifest.lm_eval_file
    except ValueError as error:
        raise ResultsFormatError(f"{error}. Pin the evaluator to this project's version.") from error
    if not TIMESTAMP.fullmatch(manifest.timestamp):
        raise ResultsFormatError(
            f"{results}: {manifest.timestamp!r} is no time. Pin the evaluator to this project's version."
        )
    scores = _read_object(folder / results, results).get("results")
    absent = [key for key in suite.task_keys if not isinstance(scores, dict) or key not in scores]
    if absent:
        raise ResultsIncompleteError(f"{results}: no scores for {absent}. Evaluate again.")
    _read_object(folder / lm_eval, lm_eval)


def _read_object(path: Path, name: str) -> dict[str, Any]:
    try:
        data = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise ResultsFormatError(f"{name}: not JSON ({error}). Evaluate again.") from error
    if not isinstance(data, dict):
        raise ResultsFormatError(f"{name}: not an object but {type(data).__name__}. Evaluate again.")
    return data


def _parquet_rows(path: Path, *, name: str) -> int:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return int(pq.ParquetFile(path).metadata.num_rows)
    except (OSError, pa.ArrowException) as error:
        raise ResultsFormatError(f"{name}: not parquet ({error}). Evaluate again.") from error


def file_sha256(path: Path) -> str:
    """Hash a file without holding it in memory."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()
