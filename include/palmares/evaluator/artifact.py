"""Writes and checks a job's artifact: docs/reference/formats.md, "Artifact results"."""

from __future__ import annotations

import hashlib
import json
import math
import shutil
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from palmares.contract import (
    DETAILS_FOLDER,
    LM_EVAL_PREFIX,
    MANIFEST_NAME,
    MANIFEST_SCHEMA,
    RESULTS_PREFIX,
)
from palmares.evaluator.details import count_rows
from palmares.evaluator.failures import EvaluationFailure
from palmares.evaluator.settings import JobSettings, TaskKey

if TYPE_CHECKING:
    from palmares.evaluator.running import TaskOutcome

_ZIP_DATE = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFacts:
    """What is known of a finished job, beside its tasks' outcomes."""

    settings: JobSettings
    clearml_task_id: str
    revision: str
    parameters: int | None
    chat_template_sha256: str | None
    engine: dict[str, Any]
    suite_hash: str
    versions: dict[str, str]
    started_at: datetime
    ended_at: datetime

    @property
    def duration_s(self) -> float:
        return round((self.ended_at - self.started_at).total_seconds(), 3)


Outcomes = Sequence[tuple[TaskKey, "TaskOutcome", Path]]
"""Each task, its outcome, and where its details lie."""


def write_artifact(folder: Path, facts: JobFacts, outcomes: Outcomes) -> None:
    """Write every file, the manifest last, and check them all.

    Raises:
        EvaluationFailure: ``results_incomplete``: what was written is not whole.
    """
    stamp = facts.ended_at.astimezone(UTC).strftime("%Y-%m-%dT%H-%M-%S.%f")
    (folder / DETAILS_FOLDER).mkdir(parents=True, mode=0o700)
    details = {}
    for task, _, path in outcomes:
        details[task.key] = f"{DETAILS_FOLDER}/details_{task.key}_{stamp}.parquet"
        shutil.copyfile(path, folder / details[task.key])
    _write_json(folder / f"{RESULTS_PREFIX}{stamp}.json", leaderboard_json(facts, outcomes))
    _write_json(folder / f"{LM_EVAL_PREFIX}{stamp}.json", lm_eval_json(facts, outcomes))
    _write_json(folder / MANIFEST_NAME, _manifest(folder, facts, outcomes, details))
    check_artifact(folder)


def _manifest(folder: Path, facts: JobFacts, outcomes: Outcomes, details: dict[str, str]) -> dict[str, Any]:
    settings = facts.settings
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {
        "schema": MANIFEST_SCHEMA,
        "job_key": settings.job_key,
        "attempt": settings.attempt,
        "clearml_task_id": facts.clearml_task_id,
        "model": {"id": settings.model, "revision": facts.revision, "parameters": facts.parameters},
        "suite": {"name": settings.suite, "hash": facts.suite_hash},
        "backend": settings.backend,
        "precision": settings.dtype,
        "use_chat_template": settings.use_chat_template,
        "chat_template_sha256": facts.chat_template_sha256,
        "limit_samples": settings.limit_samples,
        "seed": settings.seed,
        "versions": facts.versions,
        "engine": {name: value for name, value in facts.engine.items() if name != "pretrained"},
        "started_at": _time(facts.started_at),
        "ended_at": _time(facts.ended_at),
        "duration_s": facts.duration_s,
        "tasks": {
            task.key: {
                "rows": outcome.rows,
                "expected_rows": outcome.expected_rows,
                "dataset_sha256": outcome.dataset_sha256,
                "lm_eval_task": outcome.lm_eval_task,
                "metrics": outcome.metrics,
                "details": details[task.key],
                "rows_per_s": round(outcome.rows / max(outcome.seconds, 0.001), 3),
            }
            for task, outcome, _ in outcomes
        },
        "files": {
            path.relative_to(folder).as_posix(): {"sha256": _sha256(path), "bytes": path.stat().st_size}
            for path in files
        },
    }


def leaderboard_json(facts: JobFacts, outcomes: Outcomes) -> dict[str, Any]:
    """Results in the leaderboard's (lighteval's) schema."""
    settings = facts.settings
    names = sorted({name for _, outcome, _ in outcomes for name in outcome.metrics})
    averages = {
        name: math.fsum(values) / len(values)
        for name in names
        if (values := [outcome.metrics[name] for _, outcome, _ in outcomes if name in outcome.metrics])
    }
    seconds = facts.duration_s
    return {
        "config_general": {
            "lighteval_sha": "",
            "num_fewshot_seeds": 1,
            "max_samples": settings.limit_samples,
            "job_id": facts.clearml_task_id,
            "start_time": facts.started_at.timestamp(),
            "end_time": facts.ended_at.timestamp(),
            "total_evaluation_time_secondes": str(seconds),
            "model_name": settings.model,
            "model_sha": facts.revision,
            "model_dtype": f"torch.{settings.dtype}",
            "model_size": facts.parameters,
        },
        "results": {task.key: dict(outcome.metrics) for task, outcome, _ in outcomes} | {"all": averages},
        "versions": {task.key: outcome.lm_eval["versions"] for task, outcome, _ in outcomes},
        "config_tasks": {
            task.key: {
                "name": task.name,
                "lm_eval_task": outcome.lm_eval_task,
                "few_shots": task.few_shot,
                "original_num_docs": (outcome.lm_eval["n-samples"] or {}).get("original"),
                "effective_num_docs": outcome.rows,
                "generation_size": ((outcome.lm_eval["configs"] or {}).get("generation_kwargs") or {}).get(
                    "max_gen_toks"
                ),
            }
            for task, outcome, _ in outcomes
        },
        "summary_tasks": {
            task.key: {
                "hashes": {"dataset": outcome.dataset_sha256, "suite": facts.suite_hash},
                "truncated": outcome.truncated_prompts,
                "seconds": outcome.seconds,
            }
            for task, outcome, _ in outcomes
        },
        "summary_general": {
            "truncated": sum(outcome.truncated_prompts for _, outcome, _ in outcomes),
            "rows": sum(outcome.rows for _, outcome, _ in outcomes),
        },
    }


def lm_eval_json(facts: JobFacts, outcomes: Outcomes) -> dict[str, Any]:
    """Results in lm-eval's schema, as its own tracker would have saved them, without samples."""
    settings = facts.settings
    parts = ("results", "configs", "versions", "n-shot", "higher_is_better", "n-samples")
    engine = facts.engine
    return {
        **{
            part: {outcome.lm_eval_task: outcome.lm_eval[part] for _, outcome, _ in outcomes}
            for part in parts
        },
        "group_subtasks": {},
        "config": {
            "model": engine["model"],
            "model_args": {name: value for name, value in engine.items() if name != "model"},
            "model_num_parameters": facts.parameters,
            "model_dtype": f"torch.{settings.dtype}",
            "model_revision": settings.revision,
            "model_sha": facts.revision,
            "batch_size": engine.get("batch_size"),
            "device": engine.get("device"),
            "use_cache": None,
            "limit": settings.limit_samples,
            "bootstrap_iters": 100000,
            "gen_kwargs": None,
            "random_seed": settings.seed,
            "numpy_seed": settings.seed,
            "torch_seed": settings.seed,
            "fewshot_seed": settings.seed,
        },
        "git_hash": None,
        "date": facts.started_at.timestamp(),
        "transformers_version": facts.versions["transformers"],
        "lm_eval_version": facts.versions["lm_eval"],
        "model_source": engine["model"],
        "model_name": settings.model,
        "model_name_sanitized": settings.model.replace("/", "__"),
        "system_instruction": None,
        "system_instruction_sha": None,
        "fewshot_as_multiturn": False,
        "chat_template": None,
        "chat_template_sha": facts.chat_template_sha256,
        "start_time": facts.started_at.timestamp(),
        "end_time": facts.ended_at.timestamp(),
        "total_evaluation_time_seconds": str(facts.duration_s),
    }


def check_artifact(folder: Path) -> None:
    """Read back everything: each file there, whole and parseable, each task with all its rows.

    Raises:
        EvaluationFailure: ``results_incomplete``.
    """
    try:
        manifest = json.loads((folder / MANIFEST_NAME).read_text(encoding="utf-8"))
        problem = _file_problem(folder, manifest) or _task_problem(folder, manifest)
    except (OSError, ValueError, KeyError) as error:
        problem = f"{type(error).__name__}: {error}"
    if problem:
        raise EvaluationFailure(
            "results_incomplete",
            f"The results are not whole: {problem}. Check the disk, and run the job again.",
        )


def _file_problem(folder: Path, manifest: dict[str, Any]) -> str | None:
    present = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    if present != {*manifest["files"], MANIFEST_NAME}:
        return f"files {sorted(present)}, the manifest lists {sorted(manifest['files'])}"
    for name, listed in manifest["files"].items():
        if _sha256(folder / name) != listed["sha256"]:
            return f"{name}: the hash differs from the manifest's"
        if name.endswith(".json"):
            found = set(json.loads((folder / name).read_text(encoding="utf-8"))["results"])
            is_lm_eval = name.startswith(LM_EVAL_PREFIX)
            wanted = {task["lm_eval_task"] if is_lm_eval else key for key, task in manifest["tasks"].items()}
            if not wanted <= found:
                return f"{name}: no results of {sorted(wanted - found)}"
    return None


def _task_problem(folder: Path, manifest: dict[str, Any]) -> str | None:
    for key, task in manifest["tasks"].items():
        rows = count_rows(folder / task["details"])
        if not rows == task["rows"] == task["expected_rows"]:
            return f"{key}: {rows} rows in details, {task['rows']} of {task['expected_rows']} expected"
    return None


def zip_artifact(folder: Path, archive: Path) -> str:
    """Pack the folder; the same content gives the same bytes.

    Returns:
        SHA-256 of the archive.
    """
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            entry = zipfile.ZipInfo(path.relative_to(folder).as_posix(), _ZIP_DATE)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o600 << 16
            packed.writestr(entry, path.read_bytes())
    return _sha256(archive)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _write_json(path: Path, value: dict[str, Any]) -> None:
    text = json.dumps(value, ensure_ascii=False, indent=2, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8")
