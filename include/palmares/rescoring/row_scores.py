"""Reads what each row of a model scored, from a job's artifact or from the details that other tools write."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from palmares.benchmarks.scorer import DetailsRow, Scorer
from palmares.contract import MANIFEST_NAME
from palmares.leaderboard.details.rows import read_details
from palmares.leaderboard.errors import ResultsFormatError
from palmares.leaderboard.results.results_file import ResultsFile, read_results_file, task_key
from palmares.leaderboard.results.verify import read_manifest
from palmares.leaderboard.scoring.score import row_scores
from palmares.leaderboard.suites import Suite, SuiteTask
from palmares.rescoring.files import DetailsFile, ScoresFile, find_details, find_scores


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRows:
    """One task's rows, by row id; no text of a row."""

    scores: Mapping[str, float]
    """Their mean is the task's score, a fraction."""
    golds: Mapping[str, str]
    """Hashes of the expected answers: one id with two of them is not one row."""
    shots: int | None
    """None: no file says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRows:
    """All rows of one evaluation of one model."""

    model: str
    path: Path
    tasks: Mapping[str, TaskRows]
    """By short task name."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """What two evaluations must share to be comparable, as far as the files say it."""


def read_rows(path: Path, suite: Suite, scorers: Mapping[str, Scorer]) -> ModelRows:
    """Read one evaluation.

    Args:
        path: A job's artifact (``manifest.json``), or a folder or file of details or samples of one model.
        suite: Says which metric counts, and who grades.
        scorers: By short task name.

    Raises:
        ResultsFormatError: There are no details of a task of the suite, they are of several models or
            evaluations, or they cannot be read.
        GateError: A row's value is no fraction.
    """
    if (path / MANIFEST_NAME).is_file():
        return _artifact(path, suite, scorers)
    found = find_details(path)
    if found.problems:
        raise ResultsFormatError(found.problems[0].message)
    known = {task.name: task for task in suite.tasks}
    files = [file for file in found.files if file.short_task in known]
    if not files:
        raise ResultsFormatError(
            f"{path}: no details of a task of suite {suite.name} ({', '.join(known)}). Name a folder with "
            "details_*.parquet, samples_*.jsonl or a job's manifest.json, or another --suite."
        )
    _refuse_several(path, files)
    results = _results(path, files)
    tasks = {
        file.short_task: _rows(
            read_details(file.path),
            known[file.short_task],
            scorers,
            path=file.path,
            shots=_shots(file, results),
        )
        for file in files
    }
    model = (
        results.model if results and results.model else files[0].models[0] if files[0].models else str(path)
    )
    return ModelRows(model=model, path=path, tasks=tasks, settings=_settings(results))


def _artifact(folder: Path, suite: Suite, scorers: Mapping[str, Scorer]) -> ModelRows:
    manifest = read_manifest(folder)
    tasks = {
        task.name: _rows(
            read_details(folder / manifest.tasks[task.key].details),
            task, scorers, path=folder, shots=task_key(task.key).shots,
        )
        for task in suite.tasks
        if task.key in manifest.tasks
    }  # fmt: skip
    if not tasks:
        raise ResultsFormatError(
            f"{folder}: no task of suite {suite.name}, only {', '.join(manifest.tasks)}."
        )
    settings = {
        "suite hash": manifest.suite.hash,
        "chat template": (manifest.chat_template_sha256 or "used") if manifest.use_chat_template else "none",
        "rows of a task": "all" if manifest.limit_samples is None else str(manifest.limit_samples),
        "precision": manifest.precision,
    }
    return ModelRows(model=manifest.model.id, path=folder, tasks=tasks, settings=settings)


def _rows(
    rows: Sequence[DetailsRow],
    task: SuiteTask,
    scorers: Mapping[str, Scorer],
    *,
    path: Path,
    shots: int | None,
) -> TaskRows:
    values = row_scores(task, rows, scorers.get(task.name))
    scores = {row.row_id: value for row, value in zip(rows, values, strict=True)}
    if len(scores) < len(rows):
        raise ResultsFormatError(
            f"{path}: {len(rows) - len(scores)} rows of {task.name} have the id of another row. "
            "Keep one filter or repetition of each row."
        )
    return TaskRows(scores=scores, golds={row.row_id: _hash(row.gold) for row in rows}, shots=shots)


def _hash(gold: Sequence[str]) -> str:
    return hashlib.sha256("\0".join(gold).encode("utf-8", "surrogatepass")).hexdigest()


def _refuse_several(path: Path, files: Sequence[DetailsFile]) -> None:
    named = sorted({file.models[0] if file.models else "" for file in files})
    times = sorted({file.time for file in files})
    twice = len({file.short_task for file in files}) < len(files)
    if len(named) > 1 or (twice and len(times) > 1):
        what = f"models {', '.join(named)}" if len(named) > 1 else f"{len(times)} evaluations"
        raise ResultsFormatError(f"{path}: holds details of {what}. Name the folder or file of one.")


def _results(path: Path, files: Sequence[DetailsFile]) -> ResultsFile | None:
    """The results file beside the details, if there is exactly one of their time."""
    place = path if path.is_dir() else path.parent
    scores: dict[str, list[ScoresFile]] = find_scores(place)
    found = [file for time in {file.time for file in files} for file in scores.get(time, [])]
    return read_results_file(found[0].path) if len(found) == 1 else None


def _shots(file: DetailsFile, results: ResultsFile | None) -> int | None:
    own = task_key(file.task).shots
    if own is not None or results is None:
        return own
    return next((results.shots(key) for key in results.task_keys(file.task)), None)


def _settings(results: ResultsFile | None) -> dict[str, str]:
    if results is None:
        return {}
    found = {"rows of a task": "all" if results.limit is None else f"{results.limit:g}"}
    if results.writer == "lm-eval" and "chat_template_sha" in results.data:
        found["chat template"] = str(results.data["chat_template_sha"] or "none")
    if results.precision:
        found["precision"] = results.precision
    return found
