"""What a leaderboard asks of a model: a suite of tasks, how each is generated, and what it shows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from palmares.benchmarks import registry
from palmares.benchmarks.benchmark import Benchmark
from palmares.benchmarks.errors import BenchmarkError
from palmares.leaderboard.checks.limits import SanitySettings, limits_for


class Metric(BaseModel):
    """The one value that the leaderboard shows for a task."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    of: tuple[str, ...] = Field(min_length=1)
    """Metrics of the results JSON whose plain mean is the value."""
    baseline: float = Field(default=0.0, ge=0.0, lt=1.0)
    """What guessing scores; the leaderboard shows ``max(0, (s - baseline) / (1 - baseline))``."""
    graded_by: Literal["scorer", "evaluator"]
    """``scorer``: stored generations are graded again; ``evaluator``: the rows' own metrics are averaged."""

    @property
    def name(self) -> str:
        """The metric's name, several joined by ``+``."""
        return "+".join(self.of)


class SuiteTask(BaseModel):
    """One benchmark of a suite."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    """Short name, e.g. ``bac-fr``."""
    key: str = Field(pattern=r"^[\w.-]+\|[\w.-]+\|\d+$")
    """Name in results JSON and hyperparameters, e.g. ``community|bac-fr|0``."""
    lm_eval_task: str
    title: str
    """Name of the leaderboard's column."""
    metric: Metric
    kind: Literal["generate", "loglikelihood"]
    choices: int = Field(default=1, ge=1)
    """Requests a row: the number of choices of a log-likelihood task, else 1."""
    planned_rows: int = Field(ge=1)
    """Rows to expect, for the wall time only; the hidden sets' sizes are not public."""
    max_prompt_tokens: int = Field(ge=1)
    max_generated_tokens: int = Field(ge=0)
    mean_prompt_tokens: int | None = Field(default=None, ge=1)
    """For the wall time only; None: every prompt is taken to be as long as the longest."""
    mean_generated_tokens: int | None = Field(default=None, ge=0)
    """The same of generations."""
    thinking_tokens: int = Field(default=0, ge=0)
    """Tokens of thought before an answer, beside it; 0: the task does not ask for thinking."""
    sanity_baselines: SanitySettings | None = None
    """What stops this task's numbers; None: the limits of its kind."""

    @model_validator(mode="before")
    @classmethod
    def _take_the_rest_from_the_benchmark(cls, data: Any) -> Any:
        """Fill what is not written from the benchmark of that name."""
        if isinstance(data, Mapping) and "canaries" in data:
            raise ValueError(f"task {data.get('name')!r}: canaries is called sanity_baselines now: rename it")
        if not isinstance(data, Mapping) or not isinstance(name := data.get("name"), str):
            return data
        try:
            known = registry.benchmark(name)
        except BenchmarkError as error:
            raise ValueError(f"task {name!r}: {error}") from error
        metric = {
            "of": known.score_metrics,
            "graded_by": known.graded_by,
            "baseline": known.random_score,
        }
        written = data.get("metric")
        return {
            "key": f"community|{name}|{known.num_fewshot}",
            "lm_eval_task": known.lm_eval_task,
            "title": known.title,
            "kind": known.kind,
            "choices": known.choices,
            **data,
            "metric": {**metric, **written} if isinstance(written, Mapping) else written or metric,
        }

    @property
    def benchmark(self) -> Benchmark:
        return registry.benchmark(self.name)

    @model_validator(mode="after")
    def _only_generations_think(self) -> Self:
        if self.thinking_tokens and self.kind == "loglikelihood":  # lm-eval raises on it
            raise ValueError(f"task {self.name!r} compares log-likelihoods: thinking_tokens has to be 0")
        return self

    @property
    def max_tokens(self) -> int:
        """Longest prompt, thought and generation together."""
        return self.max_prompt_tokens + self.thinking_tokens + self.max_generated_tokens

    @property
    def sanity_limits(self) -> SanitySettings:
        """What the suite gives, over the benchmark's own limits, over what is right for the task's kind."""
        own = SanitySettings.model_validate(self.benchmark.limits)
        return limits_for(self.kind, self.sanity_baselines or own)

    def requests(self, limit_samples: int | None = None) -> int:
        """Requests to expect: rows times choices (lm-eval on vLLM computes every choice's prompt anew)."""
        return min(self.planned_rows, limit_samples or self.planned_rows) * self.choices


class Suite(BaseModel):
    """Tasks that are evaluated and shown together."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    title: str
    seed: int = 42
    tasks: tuple[SuiteTask, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _names_are_unique(self) -> Self:
        for field in ("name", "key", "lm_eval_task"):
            values = [getattr(task, field) for task in self.tasks]
            if len(set(values)) != len(values):
                raise ValueError(f"two tasks of suite {self.name!r} share a {field}")
        return self

    @property
    def max_tokens(self) -> int:
        """Longest prompt, thought and generation of any task, together."""
        return max(task.max_tokens for task in self.tasks)

    @property
    def task_keys(self) -> tuple[str, ...]:
        return tuple(task.key for task in self.tasks)

    def task(self, key: str) -> SuiteTask:
        """Find a task by key or by short name.

        Raises:
            KeyError: The suite has no such task.
        """
        for task in self.tasks:
            if key in {task.key, task.name}:
                return task
        raise KeyError(f"suite {self.name!r} has no task {key!r}, only {list(self.task_keys)}")
