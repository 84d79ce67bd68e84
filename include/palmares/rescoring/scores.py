"""Reads a results JSON of any schema: whose it is, and where a task's score and number of rows stand."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from palmares.benchmarks.benchmark import StoredMetric
from palmares.leaderboard.errors import ResultsFormatError
from palmares.rescoring.naming import names_of, short_name

LARGEST_BYTES = 256 << 20
"""lm-eval can put samples into a results file; larger is no results file."""
_PRETRAINED = re.compile(r"(?:^|,)\s*pretrained=([^,]+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricAt:
    """Where a metric of a task stands in ``results``."""

    key: str
    stderr_key: str
    there: bool
    """False: it is to be added."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """A results JSON: leaderboard (lighteval) schema, a fork's, or lm-eval's."""

    path: Path
    text: str
    data: dict[str, Any]

    @property
    def results(self) -> dict[str, Any]:
        found = self.data.get("results")
        return found if isinstance(found, dict) else {}

    @property
    def model(self) -> str | None:
        """The model's name as the file says it."""
        return next(_models(self.data), None)

    def is_of(self, models: tuple[str, ...], *, by_path: tuple[str, ...]) -> bool:
        """Whether the file is of a model.

        Args:
            models: What the details' path may mean.
            by_path: What this file's path may mean, for a file that names no model.
        """
        said = [name for model in _models(self.data) for name in names_of(model)] or list(by_path)
        return bool({name.casefold() for name in said} & {name.casefold() for name in models})

    def task_keys(self, task: str) -> list[str]:
        """Keys of ``results`` that mean *task*: its full name, or else those with its short name."""
        keys = [key for key, entry in self.results.items() if isinstance(entry, dict)]
        if task in keys:
            return [task]
        short = short_name(task)
        return [key for key in keys if short_name(key) == short and key != "all"]

    def metric_at(self, task_key: str, metric: StoredMetric, samples_filter: str | None) -> MetricAt | None:
        """Where the metric stands; None: it is not there, and is not one to be added.

        Args:
            task_key: In ``results``.
            metric: The names that it can have.
            samples_filter: Of lm-eval's samples; a metric can stand there once a filter.
        """
        entry: Mapping[str, Any] = self.results[task_key]
        filters = [key.partition(",")[2] for key in entry if "," in key]
        for name in metric.names:
            if name in entry:
                return MetricAt(key=name, stderr_key=f"{name}_stderr", there=True)
            own = [found for found in dict.fromkeys(filters) if f"{name},{found}" in entry]
            if own:
                chosen = samples_filter if samples_filter in own else own[0]
                return MetricAt(key=f"{name},{chosen}", stderr_key=f"{name}_stderr,{chosen}", there=True)
        if not metric.added:
            return None
        name = metric.names[0]
        if filters:
            return MetricAt(key=f"{name},{filters[0]}", stderr_key=f"{name}_stderr,{filters[0]}", there=False)
        return MetricAt(key=name, stderr_key=f"{name}_stderr", there=False)

    def rows_of(self, task_key: str) -> int | None:
        """How many rows the file says that the task's score is of; None: it does not say."""
        for section, member in (
            ("n-samples", "effective"),
            ("summary_tasks", "effective_num_docs"),
            ("config_tasks", "effective_num_docs"),
        ):
            entries = self.data.get(section)
            if not isinstance(entries, dict):
                continue
            # lighteval's config_tasks leave the number of shots out.
            for key in (task_key, task_key.rpartition("|")[0]):
                entry = entries.get(key)
                found = entry.get(member) if isinstance(entry, dict) else None
                if isinstance(found, int) and found > 0:
                    return found
        return None


def read_scores(path: Path) -> Scores:
    """Read a results JSON.

    Raises:
        ResultsFormatError: It cannot be read, is no JSON object, or has no results.
    """
    try:
        if path.stat().st_size > LARGEST_BYTES:
            raise ResultsFormatError(f"{path.name}: larger than {LARGEST_BYTES:,} bytes: no results file.")
        text = path.read_bytes().decode("utf-8")
        data = json.loads(text.removeprefix("\ufeff"))
    except OSError as error:
        raise ResultsFormatError(f"{path.name}: cannot be read ({error.strerror}).") from error
    except (ValueError, RecursionError) as error:
        raise ResultsFormatError(
            f"{path.name}: not JSON, or cut off ({type(error).__name__}). Restore it, then run again."
        ) from error
    if not isinstance(data, dict) or not isinstance(data.get("results"), dict):
        raise ResultsFormatError(f"{path.name}: no object 'results' in it. Is it a results file?")
    return Scores(path=path, text=text, data=data)


def _models(data: Mapping[str, Any]) -> Iterator[str]:
    """Every name that the file gives its model, the surest first."""
    for section in ("config_general", "config", "model_config"):
        entry = data.get(section)
        if not isinstance(entry, dict):
            continue
        inner = entry.get("model_config")
        for holder in (entry, inner if isinstance(inner, dict) else {}):
            if isinstance(found := holder.get("model_name"), str) and found:
                yield found
    if isinstance(found := data.get("model_name"), str) and found:
        yield found
    config = data.get("config")
    arguments = config.get("model_args") if isinstance(config, dict) else None
    if isinstance(arguments, dict) and isinstance(arguments.get("pretrained"), str):
        yield arguments["pretrained"]
    elif isinstance(arguments, str) and (match := _PRETRAINED.search(arguments)):
        yield match[1]


def member(holder: Mapping[str, Any], key: str) -> dict[str, Any]:
    """An object in an object; empty if it is not there, or no object."""
    found = holder.get(key)
    return found if isinstance(found, dict) else {}


def number(value: Any) -> float | None:
    """A finite number; None for anything else, such as lm-eval's "N/A"."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)
