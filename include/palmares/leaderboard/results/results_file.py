"""Reads a results JSON of any writer: whose it is, and each value with its metric, filter, shots and rows.

Writers and what is particular to them:

- lighteval to 0.12: ``config_general``, keys ``suite|task|shots`` (some with ``|truncate``).
- lighteval from 0.13: keys ``task|shots``; model and precision in ``config_general.model_config``.
- this project: lighteval's schema, with a member ``palmares``.
- lm-eval from 0.4: metrics ``metric,filter``, ``n-shot``, ``n-samples``, ``config.limit``; ``model_name`` is
  empty in versions that take ``model_args`` as an object, and absent before 0.4.3.
- lm-eval 0.3 and leaderboards' forks: ``config``, plain metric names; ``model_name`` where a fork has it.
"""

from __future__ import annotations

import ast
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from palmares.benchmarks import registry
from palmares.leaderboard.errors import ResultsFormatError
from palmares.leaderboard.git_lfs import is_lfs_pointer, pointer_message

LARGEST_BYTES = 256 << 20
"""lm-eval can put samples into a results file; larger is no results file."""
MOST_ROWS = 10**12
"""Of a data set; a larger number is an accident."""
TIME_PATTERN = r"\d{4}[-_]\d\d[-_]\d\d[T_]\d\d[-:_]\d\d[-:_]\d\d(?:[.,]\d+)?"
"""A moment as writers put it into names, each with signs of its own."""
_TIME = re.compile(TIME_PATTERN)
_NAME_ARGUMENTS = ("peft", "delta", "pretrained", "model_name", "model", "path", "engine")
"""Of ``model_args``, as lm-eval itself looks for the name: an adapter goes before its base model."""
_PRECISIONS = {
    "half": "float16", "fp16": "float16", "f16": "float16", "bf16": "bfloat16", "float": "float32",
    "fp32": "float32", "f32": "float32", "gptq": "GPTQ", "awq": "AWQ", "int8": "8bit", "int4": "4bit",
}  # fmt: skip
_NO_PRECISION = frozenset({"", "auto", "none", "null", "?"})
Writer = Literal["leaderboard", "lm-eval"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricValue:
    """One number of a task."""

    name: str
    filter: str | None
    """lm-eval's; None: the writer has no filters."""
    key: str
    """As it stands in the file."""
    stderr_key: str
    value: float | None
    """None: no finite number."""
    stderr: float | None
    """None: none is there, or it is no number, such as lm-eval's "N/A"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskKey:
    """What a key of ``results`` says."""

    name: str
    shots: int | None
    """Few-shot examples; None: the key does not say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricAt:
    """Where a metric of a task stands in ``results``."""

    key: str
    stderr_key: str
    there: bool
    """False: it is to be added."""


def _text(value: object) -> str | None:
    return value.strip() if isinstance(value, str) and value.strip() else None


def _object(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


Text = Annotated[str | None, BeforeValidator(_text)]
"""An odd value reads as absent: it says nothing of the numbers."""
Object = Annotated[dict[str, Any], BeforeValidator(_object)]


class _Members(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, protected_namespaces=())


class _Model(_Members):
    """lighteval's ``model_config``."""

    model_name: Text = None
    pretrained: Text = None
    model: Text = None
    dtype: Text = None
    revision: Text = None


class _Run(_Members):
    """``config_general`` (lighteval) or ``config`` (lm-eval and forks)."""

    model_name: Text = None
    model_sha: Text = None
    model_revision: Text = None
    model_dtype: Text = None
    dtype: Text = None
    model_args: Any = None
    settings: Annotated[_Model, BeforeValidator(_object)] = Field(default=_Model(), alias="model_config")
    max_samples: Any = None
    limit: Any = None


class _Document(_Members):
    results: dict[str, Any]
    model_name: Text = None
    date: Any = None
    config_general: Annotated[_Run, BeforeValidator(_object)] = _Run()
    config: Annotated[_Run, BeforeValidator(_object)] = _Run()
    settings: Annotated[_Model, BeforeValidator(_object)] = Field(default=_Model(), alias="model_config")
    n_shot: Object = Field(default_factory=dict, alias="n-shot")
    n_samples: Object = Field(default_factory=dict, alias="n-samples")
    config_tasks: Object = Field(default_factory=dict)
    summary_tasks: Object = Field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class ResultsFile:
    """A results JSON of one evaluation."""

    path: Path
    text: str
    data: dict[str, Any]
    """As parsed, for edits."""
    document: _Document
    """The members that say what the numbers are."""

    @property
    def results(self) -> dict[str, Any]:
        return self.document.results

    @cached_property
    def arguments(self) -> dict[str, str]:
        """``model_args``, which is a text or an object."""
        given = self.document.config.model_args or self.document.config_general.model_args
        return model_arguments(given)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Every name that the file gives its model, the surest first; empty: it gives none."""
        document = self.document
        found = []
        for run in (document.config_general, document.config):
            found += [run.model_name, run.settings.model_name, run.settings.pretrained, run.settings.model]
        found += [document.settings.model_name, document.settings.pretrained, document.model_name]
        found += [self.arguments.get(name) for name in _NAME_ARGUMENTS]
        return tuple(dict.fromkeys(name for name in found if name))

    @property
    def model(self) -> str | None:
        """The model's name; None: the file says none."""
        return next(iter(self.names), None)

    @cached_property
    def precision(self) -> str | None:
        """Of the weights, in one spelling; None: the file does not say."""
        return self._quantization() or next(
            (
                found
                for run in (self.document.config_general, self.document.config)
                for said in (run.model_dtype, run.settings.dtype, run.dtype)
                if (found := plain_precision(said))
            ),
            plain_precision(self.document.settings.dtype) or plain_precision(self.arguments.get("dtype")),
        )

    def _quantization(self) -> str | None:
        arguments = self.arguments
        for name, precision in (
            ("load_in_8bit", "8bit"), ("load_in_4bit", "4bit"), ("autogptq", "GPTQ"), ("gptqmodel", "GPTQ"),
        ):  # fmt: skip
            if arguments.get(name, "False").casefold() not in {"false", "none", "", "0"}:
                return precision
        return plain_precision(arguments.get("quantization"))

    @property
    def revision(self) -> str | None:
        """Commit or branch; None: the file does not say."""
        runs = (self.document.config_general, self.document.config)
        return next(
            (
                said
                for run in runs
                for said in (run.model_sha, run.model_revision, run.settings.revision)
                if said is not None
            ),
            self.document.settings.revision or self.arguments.get("revision"),
        )

    @property
    def limit(self) -> float | None:
        """Most rows of a task, or the share of them, that were asked for; None: all."""
        for given in (self.document.config_general.max_samples, self.document.config.max_samples,
                      self.document.config.limit, self.document.config_general.limit):  # fmt: skip
            found = _number_of(given)
            if found is not None and found > 0:
                return found
        return None

    @property
    def time(self) -> str:
        """Of the evaluation as the file's name has it, or else as ``date`` does; empty: nothing says it."""
        match = _TIME.search(self.path.stem)
        if match is not None:
            return match[0]
        seconds = number(self.document.date)
        if seconds is None or not 0 < seconds < 1e11:
            return ""
        from datetime import UTC, datetime

        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H-%M-%S.%f")

    @cached_property
    def writer(self) -> Writer:
        """``lm-eval`` where metrics carry filters or the file has its members."""
        members = {"lm_eval_version", "n-shot", "n-samples", "group_subtasks", "higher_is_better"}
        if members & self.data.keys():
            return "lm-eval"
        entries = [entry for entry in self.results.values() if isinstance(entry, dict)]
        return "lm-eval" if any("," in key for entry in entries for key in entry) else "leaderboard"

    @cached_property
    def tasks(self) -> tuple[str, ...]:
        """Keys of ``results`` that are tasks: neither lighteval's averages nor odd members."""
        return tuple(
            key
            for key, entry in self.results.items()
            if isinstance(entry, dict) and key != "all" and ":_average" not in key
        )

    def is_of(self, models: tuple[str, ...], *, by_path: tuple[str, ...]) -> bool:
        """Whether the file is of a model.

        Args:
            models: What the details' path may mean.
            by_path: What this file's path may mean, for a file that names no model.
        """
        said = [name for model in self.names for name in names_of(model)] or list(by_path)
        return bool({name.casefold() for name in said} & {name.casefold() for name in models})

    def task_keys(self, task: str) -> list[str]:
        """Keys of ``results`` that mean *task*: its full name, or else those with its short name."""
        if task in self.tasks:
            return [task]
        short = task_key(task).name
        return [key for key in self.tasks if task_key(key).name == short]

    def shots(self, key: str) -> int | None:
        """Few-shot examples of a task; None: the file does not say."""
        said = self.document.n_shot.get(key)
        return said if isinstance(said, int) and not isinstance(said, bool) else task_key(key).shots

    def metrics(self, key: str) -> tuple[MetricValue, ...]:
        """The numbers of a task, in the file's order."""
        entry: Mapping[str, Any] = self.results[key]
        found = []
        for own, value in entry.items():
            name, comma, filtered = own.partition(",")
            if name == "alias" or name.endswith("_stderr"):
                continue
            stderr_key = f"{name}_stderr{comma}{filtered}"
            found.append(
                MetricValue(
                    name=name,
                    filter=filtered if comma else None,
                    key=own,
                    stderr_key=stderr_key,
                    value=number(value),
                    stderr=number(entry.get(stderr_key)),
                )
            )
        return tuple(found)

    def metric(self, key: str, names: Sequence[str], *, filtered: str | None = None) -> list[MetricValue]:
        """Values of a task's metric, the one that counts first.

        Args:
            key: In ``results``.
            names: Names that the metric can have, the best first; each may name its filter: ``name,filter``.
            filtered: The filter that counts where there are several; None: the first in the file.
        """
        present = self.metrics(key)
        for name in names:
            plain, _, wanted = name.partition(",")
            found = [
                one
                for one in present
                if one.name == plain and (not wanted or one.filter == wanted or one.filter is None)
            ]
            if found:
                return sorted(found, key=lambda one: one.filter != filtered) if filtered else found
        return []

    def metric_at(
        self, key: str, names: Sequence[str], *, filtered: str | None, added: bool
    ) -> MetricAt | None:
        """Where a metric stands; None: it is not there, and is not to be added.

        Args:
            key: In ``results``.
            names: The names that it can have, the present one first.
            filtered: Of lm-eval's samples; a metric can stand there once a filter.
            added: Whether it is added where it is missing.
        """
        found = self.metric(key, names, filtered=filtered)
        if found:
            return MetricAt(key=found[0].key, stderr_key=found[0].stderr_key, there=True)
        if not added:
            return None
        name = names[0].partition(",")[0]
        filters = [one.filter for one in self.metrics(key) if one.filter is not None]
        suffix = f",{filters[0]}" if filters else ""
        return MetricAt(key=f"{name}{suffix}", stderr_key=f"{name}_stderr{suffix}", there=False)

    def rows(self, key: str) -> int | None:
        """Rows that the task's score is of; None: the file does not say."""
        return self._count(key, "effective")

    def rows_of_dataset(self, key: str) -> int | None:
        """Rows that the task's data set has; None: the file does not say."""
        return self._count(key, "original")

    def _count(self, key: str, kind: str) -> int | None:
        document = self.document
        for entries, member in (
            (document.n_samples, kind),
            (document.summary_tasks, f"{kind}_num_docs"),
            (document.config_tasks, f"{kind}_num_docs"),
        ):
            # lighteval's config_tasks leave the number of shots out.
            for own in (key, key.rpartition("|")[0]):
                found = _object(entries.get(own)).get(member)
                if isinstance(found, int) and not isinstance(found, bool) and 0 < found < MOST_ROWS:
                    return found
        return None


def read_results_file(path: Path) -> ResultsFile:
    """Read a results JSON.

    Raises:
        ResultsFormatError: It cannot be read, is no JSON object, has no results, or is a Git LFS pointer.
    """
    try:
        if is_lfs_pointer(path):
            raise ResultsFormatError(pointer_message(path.name))
        size = path.stat().st_size
        if size > LARGEST_BYTES:
            raise ResultsFormatError(
                f"{path.name}: {size:,} bytes, at most {LARGEST_BYTES:,}. Is it a results file?"
            )
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
    try:
        document = _Document.model_validate(data)
    except ValidationError as error:
        where = ", ".join(".".join(map(str, one["loc"])) for one in error.errors())
        raise ResultsFormatError(f"{path.name}: {where} cannot be read. Is it a results file?") from error
    return ResultsFile(path=path, text=text, data=data, document=document)


def task_key(key: str) -> TaskKey:
    """Read a key: ``suite|task|shots`` (some with ``|truncate``), ``task|shots``, ``suite|task`` or ``task``.

    lighteval leaves the suite out from 0.13 on.
    """
    parts = key.split("|")
    shots = next((int(part) for part in parts[1:3] if part.isdecimal()), None)
    return TaskKey(name=registry.name_of(key), shots=shots)


def short_name(task: str) -> str:
    """The task's own name in a key of any writer."""
    return task_key(task).name


def model_arguments(given: object) -> dict[str, str]:
    """lm-eval's ``model_args``: ``a=1,b=2``, an object, or the JSON or Python text of one."""
    if isinstance(given, str) and given.lstrip().startswith("{"):
        text = given.strip()
        try:
            given = json.loads(text)
        except ValueError:
            try:
                given = ast.literal_eval(text)
            except (ValueError, SyntaxError, RecursionError, MemoryError):
                return {}
    if isinstance(given, dict):
        return {str(name): str(value) for name, value in given.items() if value not in (None, "")}
    if not isinstance(given, str):
        return {}
    pairs = (part.partition("=") for part in given.split(","))
    return {name.strip(): value.strip() for name, _, value in pairs if value.strip()}


def plain_precision(said: str | None) -> str | None:
    """One spelling of a precision; None: it says nothing, such as ``auto``."""
    word = (said or "").removeprefix("torch.").strip()
    if word.casefold() in _NO_PRECISION:
        return None
    return _PRECISIONS.get(word.casefold(), word)


def time_digits(text: str) -> str:
    """The digits of a moment: writers put the same one with other signs. Orders as time does."""
    match = _TIME.search(text)
    return re.sub(r"\D", "", match[0]) if match else ""


def names_of(model: str) -> tuple[str, ...]:
    """Names that a results file's ``model_name`` may mean: an id, a sanitised id, or a path on a machine."""
    found = [model]
    if "/" not in model and "__" in model:
        found.append(model.replace("__", "/", 1))
    parts = [part for part in re.split(r"/|__", model) if part]
    if model.startswith(("/", "__", ".")) or len(parts) > 2:
        found += ["/".join(parts[-2:]), parts[-1]]
    return tuple(found)


def member(holder: Mapping[str, Any], key: str) -> dict[str, Any]:
    """An object in an object; empty if it is not there, or no object."""
    return _object(holder.get(key))


def number(value: Any) -> float | None:
    """A finite number; None for anything else, such as lm-eval's "N/A"."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        found = float(value)
    except OverflowError:  # an integer of hundreds of digits
        return None
    return found if math.isfinite(found) else None


def _number_of(value: object) -> float | None:
    """A number, or the text of one."""
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return None
    return number(value)
