"""What a job is asked to do: ClearML hyperparameters, read once and checked."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from palmares.benchmarks import registry
from palmares.benchmarks.benchmark import Benchmark
from palmares.benchmarks.errors import BenchmarkError
from palmares.contract import PRECISIONS, TASK_KEY
from palmares.evaluator.failures import EvaluationFailure

_HUB_ID = re.compile(r"(?:[A-Za-z0-9_][A-Za-z0-9_.-]{0,95}/)?[A-Za-z0-9_][A-Za-z0-9_.-]{0,95}")
_DTYPES = {*PRECISIONS, "auto"}


class TaskKey(BaseModel):
    """A task as hyperparameters and results name it, e.g. ``community|bac-fr|0``."""

    model_config = ConfigDict(frozen=True)

    key: str = Field(pattern=rf"^{TASK_KEY}(\|\d+)?$")

    @model_validator(mode="after")
    def _is_known(self) -> Self:
        try:
            benchmark = self.benchmark
        except BenchmarkError as error:
            raise ValueError(f"unknown task {self.key!r}: {error}") from error
        if self.few_shot != benchmark.num_fewshot and not benchmark.any_fewshot:
            own = f"has {benchmark.num_fewshot}" if benchmark.num_fewshot else "is zero-shot"
            raise ValueError(f"{self.key!r} asks for {self.few_shot} examples: the task {own}")
        return self

    @property
    def name(self) -> str:
        return self.key.split("|")[1]

    @property
    def few_shot(self) -> int:
        return int(self.key.split("|")[2])

    @property
    def benchmark(self) -> Benchmark:
        return registry.benchmark(self.name)


class Placement(BaseModel):
    """The part of the JobPlan that the engine needs; other fields are the planner's."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    tensor_parallel_size: int | None = Field(default=None, ge=1)
    pipeline_parallel_size: int | None = Field(default=None, ge=1)
    max_num_seqs: int | None = Field(default=None, ge=1)


class JobSettings(BaseModel):
    """One job. Field names are the hyperparameters' (docs/reference/formats.md, "ClearML task")."""

    model_config = ConfigDict(frozen=True, extra="ignore", protected_namespaces=())

    model: str = Field(min_length=1, max_length=500)
    """Hub id, or a local folder in `run_local`."""
    revision: str = Field(default="main", max_length=255, pattern=r"^[A-Za-z0-9_][A-Za-z0-9_./-]*$")
    """Commit (40 hex digits), branch or tag."""
    tasks: tuple[TaskKey, ...] = Field(min_length=1)
    backend: Literal["hf", "vllm", "hf-seq2seq"] = "hf"
    dtype: str = "bfloat16"
    use_chat_template: bool = True
    max_model_length: int | None = Field(default=None, ge=16)
    """Tokens; None: what the model says."""
    max_gen_toks: int | None = Field(default=None, ge=1)
    """Tokens to generate at most, for every task; None: what each task's YAML says."""
    gpu_memory_utilization: float = Field(default=0.9, gt=0, le=1)
    enforce_eager: bool = False
    nb_nodes: int = Field(default=1, ge=1)
    nb_gpus_per_node: int = Field(default=1, ge=0)
    suite: str = ""
    suite_hash: str = Field(default="", pattern=r"^([0-9a-f]{64})?$")
    """Refuse to run other task definitions than these; empty: run what is here."""
    job_key: str = Field(default="", pattern=r"^[\w-]*$")
    limit_samples: int | None = Field(default=None, ge=1)
    seed: int = 42
    batch_size: int | None = Field(default=None, ge=1)
    """Rows at once with the hf backends; None: 16 on a CPU, 8 on a GPU."""
    attempt: int = Field(default=1, ge=1)
    placement: Placement = Placement()
    datasets_directory: Path | None = None
    """Of our own datasets; lm-eval fetches the others."""

    @field_validator("*", mode="before")
    @classmethod
    def _empty_means_default(cls, value: Any, info: Any) -> Any:
        if isinstance(value, str) and value.strip() in {"", "None", "null"}:
            return cls.model_fields[info.field_name].get_default(call_default_factory=True)
        return value

    @field_validator("tasks", mode="before")
    @classmethod
    def _split_tasks(cls, value: Any) -> Any:
        if isinstance(value, str):
            return [{"key": part.strip()} for part in value.split(",") if part.strip()]
        return value

    @field_validator("dtype")
    @classmethod
    def _plain_dtype(cls, value: str) -> str:
        plain = value.removeprefix("torch.")
        if plain not in _DTYPES:
            raise ValueError(f"{value!r} is not one of {sorted(_DTYPES)}")
        return plain

    @model_validator(mode="after")
    def _tasks_are_distinct(self) -> Self:
        keys = [task.key for task in self.tasks]
        if len({task.name for task in self.tasks}) != len(keys):
            raise ValueError(f"tasks holds one twice: {keys}")
        return self

    @property
    def tensor_parallel_size(self) -> int:
        return self.placement.tensor_parallel_size or max(1, self.nb_gpus_per_node)

    @property
    def pipeline_parallel_size(self) -> int:
        return self.placement.pipeline_parallel_size or self.nb_nodes


def read_settings(
    hyperparameters: Mapping[str, Any],
    user_properties: Mapping[str, Any],
    *,
    datasets_directory: str | None,
    allow_local: bool = False,
) -> JobSettings:
    """Parse a ClearML task's section ``General`` and its user properties.

    Args:
        hyperparameters: ``General/<name>`` → value, strings as ClearML has them; other sections are not read.
        user_properties: ``attempt`` and ``plan`` (JSON) are read.
        datasets_directory: Value of ``DATASETS_DIRECTORY``.
        allow_local: Whether ``model`` may be a folder of this machine.

    Raises:
        EvaluationFailure: ``evaluator_error``: a value is missing or wrong; says which, and what it is.
            ``not_found``: the model's name is none that the Hub could know.
    """
    general = {
        name.split("/", 1)[1]: value for name, value in hyperparameters.items() if name.startswith("General/")
    }
    model = str(general.get("model") or "")
    if not allow_local and not _HUB_ID.fullmatch(model):
        raise EvaluationFailure(
            "not_found", f"{model[:100]!r} is no name of a model: write organisation/name."
        )
    try:
        plan = json.loads(user_properties.get("plan") or "{}")
        settings = JobSettings.model_validate(
            general
            | {
                "attempt": user_properties.get("attempt") or 1,
                "placement": plan if isinstance(plan, dict) else {},
                "datasets_directory": datasets_directory,
            }
        )
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, wrong['loc'])) or 'job'}: {wrong['msg']}, is {str(wrong['input'])[:99]!r}"
            for wrong in error.errors()
        )
        raise EvaluationFailure(
            "evaluator_error",
            f"The job's hyperparameters are wrong: {problems}. Correct them on the ClearML task.",
        ) from error
    except json.JSONDecodeError as error:
        raise EvaluationFailure(
            "evaluator_error", f"User property 'plan' is not JSON ({error}). Enqueue the job again."
        ) from error
    if settings.datasets_directory is None and any(task.benchmark.dataset for task in settings.tasks):
        raise EvaluationFailure(
            "evaluator_error",
            "DATASETS_DIRECTORY is not set. Set it in the agent's environment to the folder of the datasets.",
        )
    return settings
