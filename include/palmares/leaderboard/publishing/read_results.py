"""Reads results as they lie in folders: the leaderboard's schema, lm-eval's, and whole artifacts of jobs."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from palmares.benchmarks.statistics import mean, normalize
from palmares.contract import MANIFEST_NAME
from palmares.leaderboard.errors import LeaderboardError, ResultsFormatError
from palmares.leaderboard.results.verify import read_manifest
from palmares.leaderboard.scoring.score import score_results
from palmares.leaderboard.suites import Suite, SuiteTask

LARGEST_BYTES = 50_000_000
"""A results JSON has kilobytes; lm-eval's own with samples inside has more."""
Schema = Literal["leaderboard", "lm-eval", "artifact"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadScore:
    """One task's value."""

    value: float
    """Fraction, as measured."""
    shown: float
    """Fraction, rescaled so that guessing is 0."""
    stderr: float | None
    """Of *value*; None: the file does not say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadResult:
    """One result of one model."""

    model: str
    revision: str
    precision: str
    schema: Schema
    path: str
    """The file, or the artifact's folder."""
    time: str
    """From the file's name; results of one model are ordered by it."""
    scores: Mapping[str, ReadScore]
    """By short task name; a task that the file lacks is not in it."""
    is_preliminary: bool
    """Of a limited run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreadable:
    """A file that names itself a result and is none."""

    path: str
    why: str


def read_results(folder: Path, suite: Suite) -> Iterator[ReadResult | Unreadable]:
    """Read everything below *folder*, sorted by path.

    An artifact is graded as the leaderboard does, from its stored generations; its two JSON files, which
    hold the evaluator's own numbers, are not read beside it.
    """
    artifacts = sorted(path.parent for path in folder.rglob(MANIFEST_NAME))
    for artifact in artifacts:
        yield _tried(artifact, lambda path: _artifact(path, suite))
    for path in sorted(folder.rglob("*.json")):
        if path.name.startswith(("results_", "lm_eval_")) and not _is_below(path, artifacts):
            yield _tried(path, lambda one: _file(one, suite))


def newest(results: list[ReadResult]) -> list[ReadResult]:
    """The newest result of each model in each precision.

    Where one job wrote both schemas, the leaderboard's is taken: its scores went through the scorers.
    """
    found: dict[tuple[str, str], ReadResult] = {}
    for result in sorted(results, key=lambda one: (one.time, one.schema != "lm-eval", one.path)):
        found[result.model, _plain(result.precision)] = result
    return [found[key] for key in sorted(found)]


def _tried(path: Path, read: Any) -> ReadResult | Unreadable:
    try:
        result: ReadResult = read(path)
    except (LeaderboardError, OSError, ValueError, RecursionError) as error:
        return Unreadable(path=str(path), why=" ".join(str(error).split()))
    return result


def _is_below(path: Path, folders: list[Path]) -> bool:
    return any(path.is_relative_to(folder) for folder in folders)


def _artifact(folder: Path, suite: Suite) -> ReadResult:
    manifest = read_manifest(folder)
    if missing := [key for key in suite.task_keys if key not in manifest.tasks]:
        raise ResultsFormatError(f"{folder}: no results of {missing}. Evaluate these tasks, too.")
    scored = score_results(folder, manifest, suite)
    return ReadResult(
        model=manifest.model.id,
        revision=manifest.model.revision,
        precision=manifest.precision,
        schema="artifact",
        path=str(folder),
        time=manifest.timestamp,
        scores={
            name: ReadScore(value=one.value, shown=one.shown, stderr=one.stderr)
            for name, one in scored.scores.items()
        },
        is_preliminary=scored.preliminary,
    )


def _file(path: Path, suite: Suite) -> ReadResult:
    if (size := path.stat().st_size) > LARGEST_BYTES:
        raise ResultsFormatError(f"{path}: {size:,} bytes, at most {LARGEST_BYTES:,}. Is it a results file?")
    data = json.loads(path.read_bytes())
    if not isinstance(data, dict) or not isinstance(data.get("results"), dict):
        raise ResultsFormatError(f"{path}: no object with 'results'. Name folders of results files.")
    general = data.get("config_general", data.get("config"))
    is_lm_eval = "lm_eval_version" in data or "n-shot" in data
    config: Mapping[str, Any] = general if isinstance(general, dict) else {}
    time = path.stem.split("_", 2 if path.name.startswith("lm_eval_") else 1)[-1]
    limit = config.get("limit") if is_lm_eval else config.get("max_samples")
    return ReadResult(
        model=_text(data.get("model_name") if is_lm_eval else config.get("model_name")) or path.parent.name,
        revision=_text(config.get("model_sha")) or "",
        precision=_plain(_text(config.get("model_dtype")) or "?"),
        schema="lm-eval" if is_lm_eval else "leaderboard",
        path=str(path),
        time=time,
        scores={
            task.name: score
            for task in suite.tasks
            if (score := _score(data["results"], task, is_lm_eval=is_lm_eval)) is not None
        },
        is_preliminary=limit is not None,
    )


def _score(results: Mapping[str, Any], task: SuiteTask, *, is_lm_eval: bool) -> ReadScore | None:
    metrics = _metrics_of(results, task, is_lm_eval=is_lm_eval)
    found = [_metric(metrics, name, task) for name in task.metric.of]
    values = [value for _, value in found if value is not None]
    if len(values) < len(found):
        return None
    stderr = _number(metrics.get(f"{found[0][0]}_stderr" if len(found) == 1 else "mean_stderr"))
    value = mean(values)
    return ReadScore(value=value, shown=normalize(value, baseline=task.metric.baseline), stderr=stderr)


def _metrics_of(results: Mapping[str, Any], task: SuiteTask, *, is_lm_eval: bool) -> Mapping[str, Any]:
    """A task's metrics by plain name, whatever suite, shots or filter its key says."""
    for key, metrics in results.items():
        parts = key.split("|")
        name = key if is_lm_eval else (parts[1] if len(parts) > 1 else parts[0])
        if name in {task.name, task.lm_eval_task} and isinstance(metrics, dict):
            return {metric.split(",")[0]: value for metric, value in metrics.items()}
    return {}


def _metric(metrics: Mapping[str, Any], name: str, task: SuiteTask) -> tuple[str, float | None]:
    for candidate in task.benchmark.names_of(name):
        if (value := _number(metrics.get(candidate))) is not None:
            return candidate, value
    return name, None


def _number(value: object) -> float | None:
    """A fraction, or None: absent, ``"N/A"``, NaN, or out of range."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value) if 0 <= value <= 1 else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _plain(precision: str) -> str:
    return precision.removeprefix("torch.")
