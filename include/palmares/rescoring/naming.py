"""Reads task, time and model from the paths of details and results files, in every layout that is in use."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_TIME = r"\d{4}[-_]\d\d[-_]\d\d[T_]\d\d[-:_]\d\d[-:_]\d\d(?:[.,]\d+)?"
_DETAILS = re.compile(rf"details_(?P<task>.+)_(?P<time>{_TIME})\.parquet")
_SAMPLES = re.compile(rf"samples_(?P<task>.+)_(?P<time>{_TIME})\.jsonl?")
_RESULTS = re.compile(rf"results_(?P<time>{_TIME})\.json")
_TIME_FOLDER = re.compile(_TIME)
_PREFIX = re.compile(r"^details_+")
_SUFFIX = re.compile(r"(?:-details|_private)+$")


@dataclass(frozen=True, slots=True, kw_only=True)
class DetailsFile:
    """One task's details of one evaluation."""

    path: Path
    task: str
    """As the file is named, e.g. ``community|bac-fr|0``."""
    time: str
    """Digits only: layouts write the same moment with other signs."""
    models: tuple[str, ...]
    """Names that the path may mean, the likeliest first."""

    @property
    def short_task(self) -> str:
        return short_name(self.task)

    @property
    def graded(self) -> Path:
        """Where the graded records go: beside the original."""
        stem = self.path.stem.removeprefix("details_").removeprefix("samples_")
        return self.path.with_name(f"graded_{stem}.jsonl")

    @property
    def mark(self) -> Path:
        """What says that the graded records are complete, and of what."""
        return self.graded.with_suffix(".mark.json")


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoresFile:
    """One evaluation's results JSON."""

    path: Path
    time: str
    models: tuple[str, ...]


def short_name(task: str) -> str:
    """The task's own name in ``suite|task|shots`` or ``suite|task|shots|truncate``."""
    parts = re.split(r"[|]", task)
    return parts[1] if len(parts) > 1 else task


def details_file(path: Path) -> DetailsFile | None:
    """What a details file's path says; None: its name is not that of one."""
    match = _DETAILS.fullmatch(path.name) or _SAMPLES.fullmatch(path.name)
    if match is None:
        return None
    return DetailsFile(
        path=path, task=match["task"], time=_digits(match["time"]), models=_models(path.parent)
    )


def scores_file(path: Path) -> ScoresFile | None:
    """What a results file's path says; None: its name is not that of one."""
    match = _RESULTS.fullmatch(path.name)
    if match is None:
        return None
    return ScoresFile(path=path, time=_digits(match["time"]), models=_models(path.parent))


def names_of(model: str) -> tuple[str, ...]:
    """Names that a results file's ``model_name`` may mean: an id, a sanitised id, or a path on a machine."""
    found = [model]
    if "/" not in model and "__" in model:
        found.append(model.replace("__", "/", 1))
    parts = [part for part in re.split(r"/|__", model) if part]
    if model.startswith(("/", "__", ".")) or len(parts) > 2:
        found += ["/".join(parts[-2:]), parts[-1]]
    return tuple(found)


def _models(folder: Path) -> tuple[str, ...]:
    """The folder's name and its parent's, without that of a time."""
    parts = list(folder.absolute().parts[1:])
    if parts and _TIME_FOLDER.fullmatch(parts[-1]):
        parts.pop()
    if not parts:
        return ()
    last = _SUFFIX.sub("", _PREFIX.sub("", parts[-1]))
    found: Sequence[str] = (
        [last.replace("__", "/", 1)]
        if "__" in last.strip("_")
        else ([f"{parts[-2]}/{parts[-1]}"] if len(parts) > 1 else [])
    )
    return tuple(dict.fromkeys([*found, last, parts[-1]]))


def _digits(time: str) -> str:
    return re.sub(r"\D", "", time)
