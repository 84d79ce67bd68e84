"""What a leaderboard asks of a model: a suite of tasks, how each is generated, and what it shows."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from palmares.benchmarks import lm_eval, registry
from palmares.benchmarks.benchmark import Benchmark
from palmares.benchmarks.errors import BenchmarkError
from palmares.benchmarks.statistics import normalize
from palmares.contract import TASK_KEY
from palmares.leaderboard.checks.limits import SanitySettings, limits_for
from palmares.leaderboard.groups import Group, GroupScore, Value, check_groups, in_order, score_groups


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

    name: str = Field(pattern=r"^[A-Za-z0-9][\w.+-]*$", max_length=150)
    """Short name: of a benchmark (``bac-fr``) or of a task of lm-eval's (``gsm8k``)."""
    key: str = Field(pattern=f"^{TASK_KEY}$")
    """Name in results JSON and hyperparameters, e.g. ``community|bac-fr|0``."""
    lm_eval_task: str
    title: str
    """Name of the leaderboard's column."""
    metric: Metric
    kind: Literal["generate", "loglikelihood"]
    choices: int = Field(default=1, ge=1)
    """Requests a row: the number of choices of a log-likelihood task, else 1."""
    planned_rows: int = Field(default=1000, ge=1)
    """Rows to expect, for the wall time only; the hidden sets' sizes are not public."""
    max_prompt_tokens: int = Field(default=2048, ge=1)
    max_generated_tokens: int = Field(default=256, ge=0)
    """lm-eval's own default; 0 for log-likelihoods."""
    weight: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    """In the suite's average, for a task that is in no group."""
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
        """Fill what is not written from the benchmark of that name, and refuse what it does not have."""
        if isinstance(data, Mapping) and "canaries" in data:
            raise ValueError(f"task {data.get('name')!r}: canaries is called sanity_baselines now: rename it")
        if not isinstance(data, Mapping) or not isinstance(name := data.get("name"), str):
            return data
        try:
            known = registry.benchmark(name)
        except BenchmarkError as error:
            raise ValueError(f"task {name!r}: {error}") from error
        written = dict(data)
        shots = written.pop("num_fewshot", known.num_fewshot)
        if not isinstance(shots, int) or isinstance(shots, bool) or shots < 0:
            raise ValueError(f"task {name!r}: num_fewshot is {shots!r}, no number of examples")
        if shots != known.num_fewshot and not known.any_fewshot:
            raise ValueError(f"task {name!r} has {known.num_fewshot} examples: num_fewshot cannot be {shots}")
        own = "lm-eval" if known.definition is None else "community"
        return {
            "key": f"{own}|{name}|{shots}",
            "lm_eval_task": known.lm_eval_task,
            "title": known.title,
            "kind": known.kind,
            "choices": known.choices,
            "max_generated_tokens": 0 if known.kind == "loglikelihood" else 256,
            "metric": _metric(known, written.pop("metric", None), written.pop("random_score", None)),
            **written,
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


def _metric(known: Benchmark, written: Any, random_score: Any) -> Any:
    """The metric that a suite shows: the benchmark's own, but for what is written.

    Raises:
        ValueError: The benchmark has no such metric and filter; the nearest is said.
    """
    metric: dict[str, Any] = {
        "of": known.score_metrics,
        "graded_by": known.graded_by,
        "baseline": known.random_score if random_score is None else random_score,
    }
    if isinstance(written, str | list | tuple):
        metric["of"] = (written,) if isinstance(written, str) else tuple(written)
    elif isinstance(written, Mapping):
        metric |= written
    names = metric["of"] if isinstance(metric["of"], list | tuple) else (metric["of"],)
    metric["of"] = tuple(str(name).removesuffix(",none") for name in names)
    for name in metric["of"]:
        if name not in known.metric_names:
            near = difflib.get_close_matches(name, known.metric_names, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"it has {list(known.metric_names)}"
            raise ValueError(f"task {known.name!r} has no metric {name!r}: {hint}")
    return metric


class Suite(BaseModel):
    """Tasks that are evaluated and shown together."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    title: str
    seed: int = 42
    tasks: tuple[SuiteTask, ...] = Field(min_length=1)
    groups: tuple[Group, ...] = ()
    """Means of tasks and of other groups; the suite's average is over those that are in no other."""

    @model_validator(mode="before")
    @classmethod
    def _take_groups_of_lm_eval_apart(cls, data: Any) -> Any:
        """Write ``{group: mmlu, …}`` among the tasks as the tasks below it, and a group of them."""
        if not isinstance(data, Mapping) or not isinstance(data.get("tasks"), list):
            return data
        tasks, groups = [], _named(data.get("groups"))
        for entry in data["tasks"]:
            if not isinstance(entry, Mapping) or "group" not in entry:
                tasks.append(entry)
                continue
            options = dict(entry)
            name, mean = str(options.pop("group")), options.pop("mean", None)
            shown = {key: options.pop(key) for key in ("title", "weight") if key in options}
            group = lm_eval.find_group(name)
            if group is None:
                raise ValueError(f"lm-eval has no group {name!r}. {lm_eval.nearest(name)}")
            members = list(dict.fromkeys(lm_eval.leaves(name)))
            guessing = options.pop("random_scores", {})
            if unknown := [one for one in guessing if one not in members]:
                near = difflib.get_close_matches(unknown[0], members, n=1)
                raise ValueError(f"group {name!r} has no task {unknown[0]!r}, did you mean {near}?")
            own = {one: {"random_score": score} for one, score in guessing.items()}
            tasks += [{**options, **own.get(member, {}), "name": member} for member in members]
            by_default = "by_size" if group.by_size else "weighted"
            groups.append({"name": name, "mean": mean or by_default, "members": members, **shown})
        return {**data, "tasks": tasks, "groups": groups}

    @model_validator(mode="after")
    def _groups_can_be_computed(self) -> Self:
        check_groups(self.groups, [task.name for task in self.tasks])
        metrics = {task.name: task.metric.name for task in self.tasks}
        for group in self.groups:
            for name, member in group.members.items():
                if member.series is not None and metrics.get(name) != member.series.removesuffix(",none"):
                    raise ValueError(
                        f"group {group.name!r}: {name!r} is scored by {metrics.get(name)!r} in this suite, "
                        f"not by {member.series!r}"
                    )
        return self

    @model_validator(mode="after")
    def _names_are_unique(self) -> Self:
        for field in ("name", "key", "lm_eval_task"):
            values = [getattr(task, field) for task in self.tasks]
            if len(set(values)) != len(values):
                raise ValueError(f"two tasks of suite {self.name!r} share a {field}")
        titles = [one.title for one in (*self.columns, *self.members)]
        for title in titles:
            if titles.count(title) > 1:
                raise ValueError(f"two columns of suite {self.name!r} have the title {title!r}: rename one")
        return self

    @property
    def max_tokens(self) -> int:
        """Longest prompt, thought and generation of any task, together."""
        return max(task.max_tokens for task in self.tasks)

    @property
    def task_keys(self) -> tuple[str, ...]:
        return tuple(task.key for task in self.tasks)

    @property
    def columns(self) -> tuple[SuiteTask | Group, ...]:
        """What the average is over: the tasks, then the groups, that are in no other group."""
        inside = {name for group in self.groups for name in group.members}
        every: tuple[SuiteTask | Group, ...] = (*self.tasks, *self.groups)
        return tuple(one for one in every if one.name not in inside)

    @property
    def members(self) -> tuple[SuiteTask | Group, ...]:
        """The tasks, then the groups, that are in a group: shown beside the columns."""
        columns = {column.name for column in self.columns}
        every: tuple[SuiteTask | Group, ...] = (*self.tasks, *self.groups)
        return tuple(one for one in every if one.name not in columns)

    @property
    def is_weighted(self) -> bool:
        """Whether some columns count more than others in the average."""
        return len({column.weight for column in self.columns}) > 1

    def tasks_of(self, column: SuiteTask | Group) -> tuple[SuiteTask, ...]:
        """The tasks whose scores a column is made of, in the suite's order."""
        if isinstance(column, SuiteTask):
            return (column,)
        names = {column.name}
        for group in reversed(in_order(self.groups)):
            if group.name in names:
                names |= group.members.keys()
        return tuple(task for task in self.tasks if task.name in names)

    def group_scores(
        self, scores: Mapping[str, Mapping[str, Any]], *, as_measured: bool = False
    ) -> dict[str, GroupScore]:
        """Compute the suite's groups from its tasks' scores.

        Args:
            scores: By short task name: ``value``, ``stderr``, and ``n`` or ``rows``.
            as_measured: Take the tasks' scores as they were measured, none of them rescaled.

        Returns:
            By group. A task's score is rescaled by its own baseline before it counts.
        """
        groups = [group.as_measured() for group in self.groups] if as_measured else self.groups
        series = {
            task.name: _series(task, scores.get(task.name), as_measured=as_measured) for task in self.tasks
        }
        return score_groups(groups, series)

    def average(self, scores: Mapping[str, Mapping[str, Any]]) -> float | None:
        """The weighted mean of the columns' shown values; None: one is missing, so that there is no mean."""
        groups = self.group_scores(scores)
        shown: list[tuple[float, float]] = []
        for column in self.columns:
            if isinstance(column, Group):
                value = groups[column.name].value
            else:
                found = _series(column, scores.get(column.name)).get(None)
                value = found.value if found else None
            if value is None:
                return None
            shown.append((column.weight, value))
        return math.fsum(weight * value for weight, value in shown) / math.fsum(weight for weight, _ in shown)

    def task(self, key: str) -> SuiteTask:
        """Find a task by key or by short name.

        Raises:
            KeyError: The suite has no such task.
        """
        for task in self.tasks:
            if key in {task.key, task.name}:
                return task
        raise KeyError(f"suite {self.name!r} has no task {key!r}, only {list(self.task_keys)}")


def _series(
    task: SuiteTask, score: Mapping[str, Any] | None, *, as_measured: bool = False
) -> dict[str | None, Value]:
    """A task's shown value, or the measured one, for its groups; empty: it has none."""
    if score is None or score.get("value") is None:
        return {}
    baseline = 0.0 if as_measured else task.metric.baseline
    stderr = score.get("stderr")
    value = Value(
        value=normalize(float(score["value"]), baseline=baseline),
        stderr=None if stderr is None else float(stderr) / (1 - baseline),
        rows=int(score.get("n") or score.get("rows") or task.planned_rows),
    )
    raw = Value(value=float(score["value"]), stderr=stderr, rows=value.rows)
    return {None: value, task.metric.name: raw}


def _named(groups: Any) -> list[Any]:
    """Groups as a list, each with its name: YAML writes them by name."""
    if isinstance(groups, Mapping):
        return [
            {"name": name, **entry} if isinstance(entry, Mapping) else entry for name, entry in groups.items()
        ]
    return list(groups) if isinstance(groups, list | tuple) else []
