"""Prepares a job's tasks before any model is loaded: definitions, datasets, examples, rows to answer."""

from __future__ import annotations

import hashlib
import json
import os
import random
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from palmares.benchmarks import lm_eval, registry
from palmares.benchmarks.errors import DatasetError
from palmares.benchmarks.lm_eval import LmEvalBenchmark
from palmares.benchmarks.rows import DATASETS_DIRECTORY, dataset_path
from palmares.evaluator.failures import EvaluationFailure
from palmares.evaluator.settings import JobSettings, TaskKey


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedTask:
    """A task that a model can answer."""

    task: TaskKey
    lm_eval_task: Any
    rows: tuple[int, ...]
    """Places in the dataset of the rows to answer, in its order."""
    dataset_sha256: str


def prepare_tasks(settings: JobSettings) -> dict[str, PreparedTask]:
    """Load every task of a job, with its dataset.

    Returns:
        By task key, in the job's order.

    Raises:
        EvaluationFailure: ``evaluator_error``: a dataset is missing, empty or wrong, a split has fewer
            examples than are asked for, or lm-eval is not the one that the suite was hashed with.
    """
    if settings.datasets_directory is not None:  # lm-eval calls the tasks' own loaders, without arguments.
        os.environ[DATASETS_DIRECTORY] = str(settings.datasets_directory)
    manager = _manager([task.benchmark for task in settings.tasks])
    return {task.key: _prepared(settings, task, manager) for task in settings.tasks}


def drawn_rows(count: int, *, limit: int | None, seed: int, name: str) -> tuple[int, ...]:
    """Choose the rows of a limited run: drawn for each task from the seed, never the first ones.

    Args:
        count: Rows of the dataset.
        limit: At most so many; None: all.
        seed: Of the job.
        name: Of the task: every subtask of a group gets its own share.
    """
    if limit is None or limit >= count:
        return tuple(range(count))
    draw = random.Random(f"{seed}/{name}")  # noqa: S311 - a sample, not a secret
    return tuple(sorted(draw.sample(range(count), limit)))


def _manager(benchmarks: Sequence[Any]) -> Any:
    """lm-eval's index of the folders that are needed: all of its 14,000 tasks take seconds."""
    import lm_eval.tasks
    from lm_eval.tasks import TaskManager

    theirs = [one for one in benchmarks if isinstance(one, LmEvalBenchmark)]
    root = Path(lm_eval.tasks.__file__).resolve().parent
    if theirs:
        _check_version()
        _check_definitions(theirs, root)
    folders = {str(root / one.source) for one in theirs}
    return TaskManager(include_path=[*registry.task_folders(), *sorted(folders)], include_defaults=False)


def _check_version() -> None:
    if (here := version("lm_eval")) != lm_eval.version():
        raise EvaluationFailure(
            "evaluator_error",
            f"lm-eval {here} is installed, the index of its tasks is of {lm_eval.version()}. Install that "
            "version, or run python -m palmares.evaluator.lm_eval_index and commit the file.",
        )


def _check_definitions(benchmarks: Sequence[LmEvalBenchmark], root: Path) -> None:
    from lm_eval.tasks._index import TaskIndex

    from palmares.evaluator.lm_eval_index import definition_sha256

    entries = TaskIndex.build([root / folder for folder in sorted({one.source for one in benchmarks})])
    for one in benchmarks:
        entry = entries.get(one.lm_eval_task)
        if entry is None or definition_sha256(entry.cfg or {}, root) != one.sha256:
            raise EvaluationFailure(
                "evaluator_error",
                f"{one.name}: its definition in the lm-eval that is installed is not the index's. "
                "Install lm-eval anew: its files were changed.",
            )


def _prepared(settings: JobSettings, task: TaskKey, manager: Any) -> PreparedTask:
    benchmark = task.benchmark
    try:
        loaded = manager.load([benchmark.lm_eval_task])["tasks"][benchmark.lm_eval_task]
        if task.few_shot != (loaded.get_config("num_fewshot") or 0):
            loaded.set_config(key="num_fewshot", value=task.few_shot)
        loaded.set_fewshot_seed(seed=settings.seed)
        docs = loaded.eval_docs
        count, digest = len(docs), _dataset_sha256(settings, task, docs)
    except DatasetError as error:
        raise EvaluationFailure("evaluator_error", str(error)) from error
    except (OSError, ValueError, KeyError, ImportError) as error:
        # Of libraries, so its message may quote anything; the dataset's name is enough to look for it.
        raise EvaluationFailure(
            "evaluator_error",
            f"{task.key}: its dataset cannot be loaded ({type(error).__name__}). Is it on the Hub "
            "at HF_ENDPOINT, and may this token read it?",
        ) from error
    if not count:
        raise EvaluationFailure("evaluator_error", f"{task.key}: its dataset has no rows.")
    if task.few_shot:
        examples = len(list(loaded.fewshot_docs() or ()))
        if examples < task.few_shot:
            raise EvaluationFailure(
                "evaluator_error",
                f"{task.key} asks for {task.few_shot} examples, its split has {examples}. Ask for fewer.",
            )
    return PreparedTask(
        task=task,
        lm_eval_task=loaded,
        rows=drawn_rows(count, limit=settings.limit_samples, seed=settings.seed, name=benchmark.name),
        dataset_sha256=digest,
    )


def _dataset_sha256(settings: JobSettings, task: TaskKey, docs: Any) -> str:
    """Of the file, where the dataset is one of ours; else of the rows, as lm-eval gives them."""
    if task.benchmark.dataset is not None:
        with dataset_path(task.benchmark.dataset, settings.datasets_directory).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    digest = hashlib.sha256()
    for doc in docs:
        digest.update(json.dumps(doc, sort_keys=True, ensure_ascii=False, default=str).encode() + b"\0")
    return digest.hexdigest()
