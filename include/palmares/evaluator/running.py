"""Runs one task with a loaded model through lm-eval, and saves its outcome before the next begins."""

from __future__ import annotations

import hashlib
import json
import random
import shutil
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from palmares.benchmarks import registry
from palmares.benchmarks.errors import DatasetError
from palmares.benchmarks.rows import dataset_path
from palmares.benchmarks.statistics import task_metrics
from palmares.evaluator.backends import LoadedModel
from palmares.evaluator.details import count_rows, details_row, write_details
from palmares.evaluator.environment import quiet_loggers
from palmares.evaluator.failures import EvaluationFailure
from palmares.evaluator.settings import JobSettings, TaskKey

_LM_EVAL_PARTS = ("results", "configs", "versions", "n-shot", "higher_is_better", "n-samples")
_TOLERANCE = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskOutcome:
    """A finished task; its details lie beside it."""

    key: str
    lm_eval_task: str
    rows: int
    expected_rows: int
    dataset_sha256: str
    metrics: dict[str, float]
    seconds: float
    truncated_prompts: int
    lm_eval: dict[str, Any]
    """This task's part of lm-eval's results: scores, configuration, version, counts."""
    fingerprint: str
    details_sha256: str


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def saved_outcome(folder: Path, fingerprint: str) -> TaskOutcome | None:
    """Read a task's outcome if it was saved by a job of the same fingerprint and its details are whole."""
    try:
        outcome = TaskOutcome(**json.loads((folder / "outcome.json").read_text(encoding="utf-8")))
        whole = sha256_of(folder / "details.parquet") == outcome.details_sha256
    except (OSError, ValueError, TypeError):
        return None
    return outcome if whole and outcome.fingerprint == fingerprint else None


def dataset_sha256(settings: JobSettings, task: TaskKey) -> str:
    """Hash a task's dataset.

    Raises:
        EvaluationFailure: ``evaluator_error``: it is missing.
    """
    try:
        return sha256_of(dataset_path(task.benchmark.dataset, settings.datasets_directory))
    except DatasetError as error:
        raise EvaluationFailure("evaluator_error", str(error)) from error


def expected_rows(settings: JobSettings, task: TaskKey) -> int:
    """Rows that the task must answer: the dataset's, or the sample limit if that is less."""
    import pyarrow.parquet as pq

    path = dataset_path(task.benchmark.dataset, settings.datasets_directory)
    rows = int(pq.ParquetFile(path).metadata.num_rows)
    return rows if settings.limit_samples is None else min(rows, settings.limit_samples)


def run_task(
    settings: JobSettings, task: TaskKey, model: LoadedModel, manager: Any, folder: Path, *, fingerprint: str
) -> TaskOutcome:
    """Evaluate one task and save ``details.parquet`` and ``outcome.json`` in *folder*.

    Args:
        settings: The job.
        task: Which task.
        model: Reused from task to task.
        manager: lm-eval's TaskManager over our tasks.
        folder: The task's own folder; replaced.
        fingerprint: What the outcome depends on, for `saved_outcome`.

    Raises:
        EvaluationFailure: ``results_incomplete``: rows are missing; ``evaluator_error``: the dataset is
            wrong, or lm-eval's aggregates are not the rows' means.
    """
    from lm_eval.evaluator import evaluate

    started = time.monotonic()
    name = task.benchmark.lm_eval_task
    digest = dataset_sha256(settings, task)
    expected = expected_rows(settings, task)
    try:
        loaded = manager.load([name])
    except DatasetError as error:
        raise EvaluationFailure("evaluator_error", str(error)) from error
    quiet_loggers()
    lm_eval_task = loaded["tasks"][name]
    lm_eval_task.set_fewshot_seed(seed=settings.seed)
    room = _limit_generation(settings, lm_eval_task, model.lm)
    _seed(settings.seed)
    results = evaluate(
        lm=model.lm,
        task_dict=loaded,
        limit=settings.limit_samples,
        apply_chat_template=settings.use_chat_template,
        log_samples=True,
    )
    if results is None:
        raise EvaluationFailure("evaluator_error", f"{task.key}: lm-eval returned nothing on this rank.")
    samples = sorted(results["samples"][name], key=lambda sample: int(sample["doc_id"]))
    if [sample["doc_id"] for sample in samples] != list(range(expected)):
        raise EvaluationFailure(
            "results_incomplete",
            f"{task.key}: lm-eval answered {len(samples)} rows of {expected}. Run the job again.",
        )
    metrics = task_metrics(samples, task.benchmark.metric_names)
    _agree(task, metrics, results["results"][name])
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, mode=0o700)
    cut = [max(0, _longest(model.lm, sample) - room) for sample in samples]
    rows = [
        details_row(task.benchmark, sample, truncated=tokens)
        for sample, tokens in zip(samples, cut, strict=True)
    ]
    details = folder / "details.parquet"
    write_details(details, rows, task.benchmark.metrics)
    outcome = TaskOutcome(
        key=task.key,
        lm_eval_task=name,
        rows=count_rows(details),
        expected_rows=expected,
        dataset_sha256=digest,
        metrics=metrics,
        seconds=round(time.monotonic() - started, 3),
        truncated_prompts=sum(1 for tokens in cut if tokens),
        lm_eval={part: _only(results.get(part), name) for part in _LM_EVAL_PARTS},
        fingerprint=fingerprint,
        details_sha256=sha256_of(details),
    )
    _save(folder / "outcome.json", outcome)
    return outcome


def task_manager() -> Any:
    """lm-eval's index of our tasks only: its own 14,000 take seconds."""
    from lm_eval.tasks import TaskManager

    return TaskManager(include_path=registry.task_folders(), include_defaults=False)


def _only(part: Any, name: str) -> Any:
    value = (part or {}).get(name)
    return json.loads(json.dumps(value, default=str))  # Callables in configs become their names.


def _seed(seed: int) -> None:
    """Seed as `simple_evaluate` does, at each task: a resumed job draws what an uninterrupted one drew."""
    import numpy as np
    import torch

    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def _limit_generation(settings: JobSettings, lm_eval_task: Any, lm: Any) -> int:
    """Leave the longest prompt whole where the context allows it, and a quarter of it at least to the answer.

    lm-eval cuts prompts from the left when prompt and answer exceed the context.

    Returns:
        Tokens that a prompt may have.
    """
    context = int(lm.max_length)
    if lm_eval_task.get_config("output_type") != "generate_until":
        return context
    wanted = settings.max_gen_toks or int(lm_eval_task.config.generation_kwargs["max_gen_toks"])
    prompts = [lm_eval_task.doc_to_text(row) for row in lm_eval_task.test_docs()]
    if settings.use_chat_template:
        prompts = [lm.apply_chat_template([{"role": "user", "content": prompt}]) for prompt in prompts]
    longest = max(len(lm.tok_encode(prompt)) for prompt in prompts)
    limit = max(1, min(wanted, max(context - longest, context // 4)))
    lm_eval_task.set_config(key="generation_kwargs", value={"max_gen_toks": limit}, update=True)
    return context - limit


def _longest(lm: Any, sample: Any) -> int:
    """Tokens of a sample's prompt, with the longest choice where choices are scored."""
    lengths = [
        len(lm.tok_encode(argument[0] + (argument[1] if isinstance(argument[1], str) else "")))
        for argument in sample["arguments"]
    ]
    return max(lengths)


def _agree(task: TaskKey, ours: dict[str, float], theirs: dict[str, Any]) -> None:
    for metric in task.benchmark.metrics:
        value = theirs.get(metric.key)
        if not isinstance(value, (int, float)) or abs(value - ours[metric.name]) > _TOLERANCE:
            raise EvaluationFailure(
                "evaluator_error",
                f"{task.key}: {metric.key} is {value} by lm-eval and {ours[metric.name]} by its rows.",
            )


def _save(path: Path, outcome: TaskOutcome) -> None:
    """Write whole or not at all: this file says that the task is done."""
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(asdict(outcome), ensure_ascii=False), encoding="utf-8")
    partial.replace(path)
