"""Runs one task with a loaded model through lm-eval, and saves its outcome before the next begins."""

from __future__ import annotations

import hashlib
import json
import math
import random
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, TypeGuard

from palmares.benchmarks.benchmark import Metric
from palmares.benchmarks.statistics import task_metrics
from palmares.evaluator.answers import ANSWERS_NAME, AnswerLog, RememberingModel
from palmares.evaluator.backends import LoadedModel
from palmares.evaluator.details import count_rows, details_row, write_details
from palmares.evaluator.environment import quiet_loggers
from palmares.evaluator.failures import EvaluationFailure
from palmares.evaluator.rows import RowCounter, RowsDone, counted
from palmares.evaluator.settings import JobSettings
from palmares.evaluator.tasks import PreparedTask

_LM_EVAL_PARTS = ("results", "configs", "versions", "n-shot", "higher_is_better", "n-samples")
_TOLERANCE = 1e-9
_PROMPTS_MEASURED = 64
"""Of each task, the longest by characters."""


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


def run_task(
    settings: JobSettings,
    prepared: PreparedTask,
    model: LoadedModel,
    folder: Path,
    *,
    fingerprint: str,
    on_rows: RowsDone,
) -> TaskOutcome:
    """Evaluate one task and save ``details.parquet`` and ``outcome.json`` in *folder*.

    Args:
        settings: The job.
        prepared: The task, with its rows.
        model: Reused from task to task.
        folder: The task's own folder; replaced. Answers that an earlier attempt left there are used.
        fingerprint: What answers and outcome depend on, for `AnswerLog` and `saved_outcome`.
        on_rows: Told the rows that are answered, while the task runs.

    Raises:
        EvaluationFailure: ``results_incomplete``: rows are missing; ``evaluator_error``: lm-eval's aggregates
            are not the rows' means.
    """
    from lm_eval.evaluator import evaluate

    started = time.monotonic()
    task, benchmark = prepared.task, prepared.task.benchmark
    name = benchmark.lm_eval_task
    quiet_loggers()
    room = _limit_generation(settings, prepared, model.lm)
    _seed(settings.seed)
    counter = RowCounter(task.name, prepared.lm_eval_task, len(prepared.rows), on_rows)
    lm = RememberingModel(
        model.lm,
        AnswerLog(folder / ANSWERS_NAME, fingerprint),
        title=task.name,
        backend=settings.backend,
        on_known=counter.add,
    )
    with counted(model.lm, counter):
        results = evaluate(
            lm=lm,
            task_dict={"tasks": {name: prepared.lm_eval_task}, "groups": {}},
            samples={name: list(prepared.rows)},
            apply_chat_template=settings.use_chat_template,
            log_samples=True,
        )
    if results is None:
        raise EvaluationFailure("evaluator_error", f"{task.key}: lm-eval returned nothing on this rank.")
    samples = _one_a_row(results["samples"][name])
    if tuple(sample["doc_id"] for sample in samples) != prepared.rows:
        raise EvaluationFailure(
            "results_incomplete",
            f"{task.key}: lm-eval answered {len(samples)} rows of {len(prepared.rows)}. Run the job again.",
        )
    metrics, of_rows = _metrics(prepared, samples, results["results"][name])
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, mode=0o700)
    cut = [max(0, _longest(model.lm, sample) - room) for sample in samples]
    rows = [
        details_row(benchmark, sample, of_rows, shots=task.few_shot, truncated=tokens)
        for sample, tokens in zip(samples, cut, strict=True)
    ]
    details = folder / "details.parquet"
    write_details(details, rows, of_rows)
    parts = {part: _only(results.get(part), name) for part in _LM_EVAL_PARTS}
    parts["n-samples"] = {"original": len(prepared.lm_eval_task.eval_docs), "effective": len(samples)}
    outcome = TaskOutcome(
        key=task.key,
        lm_eval_task=name,
        rows=count_rows(details),
        expected_rows=len(prepared.rows),
        dataset_sha256=prepared.dataset_sha256,
        metrics=metrics,
        seconds=round(time.monotonic() - started, 3),
        truncated_prompts=sum(1 for tokens in cut if tokens),
        lm_eval=parts,
        fingerprint=fingerprint,
        details_sha256=sha256_of(details),
    )
    _save(folder / "outcome.json", outcome)
    return outcome


def _one_a_row(samples: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Join lm-eval's samples, one a row and filter, into one a row, in the dataset's order.

    A metric is under its label: its name, and its filter where that is not ``none``.
    """
    rows: dict[int, dict[str, Any]] = {}
    for sample in samples:
        row = rows.setdefault(int(sample["doc_id"]), dict(sample))
        for name in sample["metrics"]:
            row[Metric(name=name, filter=sample["filter"]).label] = sample[name]
    return [rows[place] for place in sorted(rows)]


def _metrics(
    prepared: PreparedTask, samples: Sequence[Mapping[str, Any]], reported: Mapping[str, Any]
) -> tuple[dict[str, float], tuple[Metric, ...]]:
    """A task's metrics and their errors, and those of them that its details hold row by row.

    A benchmark of ours reports the means of its rows, which have to be lm-eval's. Of lm-eval's own tasks,
    lm-eval's values are reported: not every metric is a mean.

    Raises:
        EvaluationFailure: ``evaluator_error``: a metric is missing, or contradicts its rows.
    """
    task = prepared.task
    benchmark = task.benchmark
    if benchmark.definition is not None:
        metrics = task_metrics(samples, benchmark.metric_names)
        for metric in benchmark.metrics:
            value = reported.get(metric.key)
            if not is_number(value) or abs(value - metrics[metric.label]) > _TOLERANCE:
                raise EvaluationFailure(
                    "evaluator_error",
                    f"{task.key}: {metric.key} is {value} by lm-eval, {metrics[metric.label]} by its rows.",
                )
        return metrics, benchmark.metrics
    found: dict[str, float] = {}
    for metric in benchmark.metrics:
        value, stderr = reported.get(metric.key), reported.get(f"{metric.name}_stderr,{metric.filter}")
        if is_number(value):
            found[metric.label] = float(value)
            if is_number(stderr):
                found[f"{metric.label}_stderr"] = float(stderr)
    if not found:
        raise EvaluationFailure("evaluator_error", f"{task.key}: lm-eval reports none of its metrics.")
    of_rows = []
    for metric in benchmark.metrics:
        values = [sample.get(metric.label) for sample in samples]
        if metric.label in found and all(is_number(value) for value in values):
            of_rows.append(metric)
        elif metric.label in found and all(_are_flags(value) for value in values):
            of_rows.append(replace(metric, row_value="flags"))
    return found, tuple(of_rows)


def _are_flags(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(one in {0, 1} for one in value)


def is_number(value: Any) -> TypeGuard[float]:
    """Whether a value is a finite number."""
    return isinstance(value, int | float) and math.isfinite(value)


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


def _limit_generation(settings: JobSettings, prepared: PreparedTask, lm: Any) -> int:
    """Leave the longest prompt whole where the context allows it, and a quarter of it at least to the answer.

    lm-eval cuts prompts from the left when prompt and answer exceed the context.

    Returns:
        Tokens that a prompt may have.
    """
    context, lm_eval_task = int(lm.max_length), prepared.lm_eval_task
    if lm_eval_task.get_config("output_type") != "generate_until":
        return context
    own = (lm_eval_task.config.generation_kwargs or {}).get("max_gen_toks")
    wanted = settings.max_gen_toks or int(own or lm.max_gen_toks)
    longest = max(len(lm.tok_encode(prompt)) for prompt in _longest_prompts(settings, prepared, lm))
    limit = max(1, min(wanted, max(context - longest, context // 4)))
    lm_eval_task.set_config(key="generation_kwargs", value={"max_gen_toks": limit}, update=True)
    return context - limit


def _longest_prompts(settings: JobSettings, prepared: PreparedTask, lm: Any) -> list[str]:
    """The prompts of the rows with the longest questions: with examples, making all takes minutes."""
    lm_eval_task = prepared.lm_eval_task
    docs = [lm_eval_task.eval_docs[place] for place in prepared.rows]
    docs.sort(key=lambda doc: len(str(lm_eval_task.doc_to_text(doc))), reverse=True)
    return [
        str(
            lm_eval_task.fewshot_context(
                doc,
                num_fewshot=prepared.task.few_shot,
                apply_chat_template=settings.use_chat_template,
                chat_template=lm.apply_chat_template if settings.use_chat_template else None,
            )
        )
        for doc in docs[:_PROMPTS_MEASURED]
    ]


def _longest(lm: Any, sample: Any) -> int:
    """Tokens of a sample's prompt, with the longest choice where choices are scored."""
    lengths = [
        len(lm.tok_encode(argument[0] + (argument[1] if isinstance(argument[1], str) else "")))
        for argument in sample["arguments"]
    ]
    return max(lengths)


def _save(path: Path, outcome: TaskOutcome) -> None:
    """Write whole or not at all: this file says that the task is done."""
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(asdict(outcome), ensure_ascii=False), encoding="utf-8")
    partial.replace(path)
