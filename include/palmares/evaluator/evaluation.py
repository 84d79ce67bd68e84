"""A whole job: the model once, each task in turn, one folder of outputs."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import packages_distributions, version
from importlib.util import find_spec
from pathlib import Path

from palmares.benchmarks import registry
from palmares.evaluator.artifact import JobFacts, write_artifact
from palmares.evaluator.environment import job_environment, set_threads
from palmares.evaluator.failures import EvaluationFailure, unexpected
from palmares.evaluator.rows import RowsDone
from palmares.evaluator.settings import JobSettings, TaskKey
from palmares.evaluator.supervision import Supervisor
from palmares.evaluator.version import EVALUATOR_VERSION

Progress = Callable[[str], None]
IMAGE_VARIABLE = "PALMARES_IMAGE"
"""Environment variable: the container image, as Dockerfile.evaluator names it; for the provenance."""


@dataclass(frozen=True, slots=True)
class Evaluated:
    """A finished job."""

    folder: Path
    """The artifact: manifest, results, details."""
    single_values: dict[str, float]
    """What the leaderboard's dashboards read, by their known names."""
    rows_per_s: dict[str, float]
    """Throughput, by benchmark; a resumed task's is that of the attempt that ran it."""


def evaluate_model(
    settings: JobSettings,
    folder: Path,
    *,
    clearml_task_id: str,
    progress: Progress,
    on_rows: RowsDone,
    show_errors: bool = False,
) -> Evaluated:
    """Evaluate, and leave ``<folder>/artifact`` complete and checked.

    Tasks that an earlier attempt saved in ``<folder>/tasks`` are not run again.

    Args:
        settings: The job.
        folder: The job's own folder; it will hold hidden rows.
        clearml_task_id: Recorded in the manifest; empty outside ClearML.
        progress: Told lines that are safe to show.
        on_rows: Told the rows that are answered; of every task once before the first begins.
        show_errors: Let unexpected errors pass with their messages, which may quote rows.

    Raises:
        EvaluationFailure: Any ending but success.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    doing = "starting"

    def doing_now(what: str) -> None:
        nonlocal doing
        doing = what
        progress(what)

    with job_environment():
        try:
            with Supervisor() as supervisor:
                return _evaluate(settings, folder, clearml_task_id, progress, doing_now, on_rows, supervisor)
        except EvaluationFailure:
            raise
        except Exception as error:
            if show_errors:
                raise
            raise unexpected(error, while_doing=doing) from None


def _evaluate(
    settings: JobSettings,
    folder: Path,
    clearml_task_id: str,
    progress: Progress,
    doing_now: Progress,
    on_rows: RowsDone,
    supervisor: Supervisor,
) -> Evaluated:
    started_at = datetime.now(UTC)
    _check_suite(settings)
    from palmares.evaluator.backends import load_model
    from palmares.evaluator.model_source import find_model
    from palmares.evaluator.running import run_task, saved_outcome
    from palmares.evaluator.tasks import prepare_tasks

    doing_now(f"preparing {len(settings.tasks)} tasks")
    prepared = prepare_tasks(settings)
    for task, ready in zip(settings.tasks, prepared.values(), strict=True):
        on_rows(task.name, 0, len(ready.rows))
    doing_now(f"finding {settings.model} at {settings.revision}")
    source = find_model(settings.model, settings.revision)
    doing_now(f"loading {settings.model} ({settings.backend}, {settings.dtype})")
    model = load_model(settings, source, supervisor)
    threads = set_threads(model.parameters)
    progress(f"loaded: {model.parameters or 'unknown'} parameters, {threads} CPU threads")
    versions = _versions()
    outcomes = []
    for place, (task, ready) in enumerate(zip(settings.tasks, prepared.values(), strict=True), start=1):
        title = f"{task.name} {place}/{len(settings.tasks)}"
        fingerprint = _fingerprint(settings, task, source.revision, ready.dataset_sha256, versions)
        task_folder = folder / "tasks" / task.name
        outcome = saved_outcome(task_folder, fingerprint)
        if outcome is None:
            doing_now(f"{title}: {len(ready.rows)} rows")
            with supervisor.generating():
                outcome = run_task(
                    settings, ready, model, task_folder, fingerprint=fingerprint, on_rows=on_rows
                )
        else:
            progress(f"{title}: saved by an earlier attempt")
        reported = [name for name in task.benchmark.metric_names if name in outcome.metrics]
        values = ", ".join(f"{name} {outcome.metrics[name]:.4f}" for name in reported)
        cut = f", {outcome.truncated_prompts} prompts cut" if outcome.truncated_prompts else ""
        progress(f"{title}: {values}; {outcome.rows} rows, {outcome.seconds:.1f} s{cut}")
        on_rows(task.name, outcome.rows, outcome.rows)
        outcomes.append((task, outcome, task_folder / "details.parquet"))
    doing_now("writing the results")
    shutil.rmtree(folder / "artifact", ignore_errors=True)
    facts = JobFacts(
        settings=settings,
        clearml_task_id=clearml_task_id,
        revision=source.revision,
        parameters=model.parameters,
        chat_template_sha256=model.chat_template_sha256,
        engine=model.description,
        suite_hash=_suite_hash(settings),
        versions=versions,
        started_at=started_at,
        ended_at=datetime.now(UTC),
    )
    write_artifact(folder / "artifact", facts, outcomes)
    single_values = {
        f"{task.key.replace('|', ':')} | {name}": outcome.metrics[name]
        for task, outcome, _ in outcomes
        for name in task.benchmark.metric_names
        if name in outcome.metrics
    }
    rows_per_s = {task.name: outcome.rows / max(outcome.seconds, 0.001) for task, outcome, _ in outcomes}
    return Evaluated(folder / "artifact", single_values, rows_per_s)


def _suite_hash(settings: JobSettings) -> str:
    return registry.suite_hash(task.key for task in settings.tasks)


def _check_suite(settings: JobSettings) -> None:
    here = _suite_hash(settings)
    if settings.suite_hash and settings.suite_hash != here:
        raise EvaluationFailure(
            "evaluator_error",
            f"The job asks for suite {settings.suite_hash[:12]}…, this machine has {here[:12]}…. "
            "Deploy the same checkout on both sides.",
        )


def _versions() -> dict[str, str]:
    import platform

    import torch
    import transformers

    image, vllm = os.environ.get(IMAGE_VARIABLE), _vllm_version()
    return {
        "evaluator": EVALUATOR_VERSION,
        **({"image": image} if image else {}),
        **({"vllm": vllm} if vllm else {}),
        "lm_eval": version("lm_eval"),
        "torch": str(torch.__version__),
        "transformers": str(transformers.__version__),
        "python": platform.python_version(),
    }


def _vllm_version() -> str | None:
    """By its package, whatever its distribution is called (a CPU build's is not ``vllm``)."""
    if find_spec("vllm") is None:
        return None
    for name in packages_distributions().get("vllm", ()):
        return f"{version(name)} ({name})" if name != "vllm" else version(name)
    return None


def _fingerprint(
    settings: JobSettings, task: TaskKey, revision: str, dataset: str, versions: dict[str, str]
) -> str:
    """Hash all that a task's outputs depend on; attempt, placement and machine are not among it."""
    asked = settings.model_dump(
        mode="json",
        include={
            *("model", "backend", "dtype", "use_chat_template", "max_model_length", "max_gen_toks"),
            *("limit_samples", "seed", "job_key"),
        },
    )
    text = json.dumps(
        [asked, task.key, revision, dataset, task.benchmark.definition_sha256(), versions], sort_keys=True
    )
    return hashlib.sha256(text.encode()).hexdigest()
