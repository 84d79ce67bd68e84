"""Finds details and results files in a tree, and which results file a details file belongs to."""

from __future__ import annotations

import errno
import os
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from palmares.leaderboard.errors import ResultsFormatError
from palmares.leaderboard.results.results_file import (
    TIME_PATTERN,
    ResultsFile,
    read_results_file,
    short_name,
    time_digits,
)

_DETAILS = re.compile(rf"details_(?P<task>.+)_(?P<time>{TIME_PATTERN})\.parquet")
_SAMPLES = re.compile(rf"samples_(?P<task>.+)_(?P<time>{TIME_PATTERN})\.jsonl?")
_RESULTS = re.compile(
    rf"(?P<named>results_)?(?!(?:details|samples|graded|lm_eval|provenance)_)(?:.+_)?(?P<time>{TIME_PATTERN})\.json"
)
"""lm-eval puts the last part of ``--output_path`` in the place of ``results`` where it ends in .json."""
_TIME_FOLDER = re.compile(TIME_PATTERN)
_PREFIX = re.compile(r"^details_+")
_SUFFIX = re.compile(r"(?:-details|_private)+$")


Kind = Literal[
    "unreadable", "duplicate", "no_scores", "mismatch", "missing_task", "missing_metric", "cannot_write",
    "grader_died", "sanity_baseline",
]  # fmt: skip

NO_USE_GOING_ON = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS})
"""What no other file of the same place will fare better with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One file that was left as it was; no text of a row is in it."""

    kind: Kind
    path: Path
    message: str
    """What happened, and what to do; names the file."""

    def to_json(self) -> dict[str, str]:
        return {"kind": self.kind, "path": str(self.path), "message": self.message}


def cannot_write(path: Path, error: OSError) -> Problem:
    """A place that takes no file: full, read-only, or of another user."""
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        then = "Free some space and run again: what is done is kept."
    else:
        then = "Make it writable and run again: what is done is kept."
    return Problem(
        kind="cannot_write",
        path=path,
        message=f"{path.parent} cannot be written for {path.name} ({error.strerror or error}). {then}",
    )


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
        """The file that marks the graded records as complete, and names their details."""
        return self.graded.with_suffix(".mark.json")


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoresFile:
    """One evaluation's results JSON."""

    path: Path
    time: str
    models: tuple[str, ...]
    is_named: bool = True
    """False: its name holds a time, but not ``results``."""


def details_file(path: Path) -> DetailsFile | None:
    """What a details file's path means; None: its name is not that of one."""
    match = _DETAILS.fullmatch(path.name) or _SAMPLES.fullmatch(path.name)
    if match is None:
        return None
    return DetailsFile(
        path=path, task=match["task"], time=time_digits(match["time"]), models=_models(path.parent)
    )


def scores_file(path: Path) -> ScoresFile | None:
    """What a results file's path means; None: its name is not that of one."""
    match = _RESULTS.fullmatch(path.name)
    if match is None:
        return None
    return ScoresFile(
        path=path,
        time=time_digits(match["time"]),
        models=_models(path.parent),
        is_named=match["named"] is not None,
    )


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The details files of a tree."""

    files: tuple[DetailsFile, ...]
    """In the order of their paths."""
    problems: tuple[Problem, ...]
    """Files that are there twice: none of them is used."""


def find_details(root: Path) -> Found:
    """Find every details file at or below *root*."""
    files = [found for path in _files(root) if (found := details_file(path)) is not None]
    same: defaultdict[tuple[str, str, str], list[DetailsFile]] = defaultdict(list)
    for file in files:
        same[file.models[0] if file.models else "", file.time, file.short_task].append(file)
    problems = []
    twice: set[Path] = set()
    for (model, _, task), group in same.items():
        if len(group) < 2:
            continue
        twice |= {file.path for file in group}
        names = ", ".join(str(file.path) for file in group)
        problems += [
            Problem(
                kind="duplicate",
                path=file.path,
                message=f"{file.path.name}: {model} has {len(group)} details of {task} with this timestamp: "
                f"{names}. None was used: keep one.",
            )
            for file in group[:1]
        ]
    return Found(files=tuple(file for file in files if file.path not in twice), problems=tuple(problems))


def find_scores(root: Path) -> dict[str, list[ScoresFile]]:
    """Find every results JSON at or below *root*, by time."""
    found: defaultdict[str, list[ScoresFile]] = defaultdict(list)
    for path in _files(root):
        scores = scores_file(path)
        if scores is not None:
            found[scores.time].append(scores)
    return dict(found)


def _files(root: Path) -> Iterator[Path]:
    if root.is_file():
        yield root
        return
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if not name.startswith("."):
                yield Path(folder, name)


class Matcher:
    """Looks results files up; one that was read for a model's first task is not read again for the next."""

    def __init__(self, index: Mapping[str, Sequence[ScoresFile]], root: Path) -> None:
        self._index = index
        self._root = root
        self._last: tuple[str, list[tuple[ScoresFile, ResultsFile | Problem]]] = ("", [])

    def match(self, file: DetailsFile) -> ResultsFile | Problem:
        """The results file of *file*, or why there is none; a problem names both files."""
        found = self._at(file.time)
        if not found:
            return Problem(
                kind="no_scores",
                path=file.path,
                message=f"{file.path}: no results JSON with its timestamp below {self._root}. "
                "Copy it there, or give another --scores-dir.",
            )
        matching = [
            (place, scores)
            for place, scores in found
            if isinstance(scores, ResultsFile) and scores.is_of(file.models, by_path=place.models)
        ]
        named = [scores for place, scores in matching if place.is_named]
        own = named or [scores for _, scores in matching]
        if len(own) == 1:
            return own[0]
        if own:
            names = ", ".join(str(scores.path) for scores in own)
            return Problem(
                kind="duplicate",
                path=own[0].path,
                message=f"{file.path.name}: {len(own)} results files have its timestamp and model: {names}. "
                "None was changed: keep one.",
            )
        broken = next((scores for _, scores in found if isinstance(scores, Problem)), None)
        if broken is not None:
            return broken
        others = ", ".join(
            f"{place.path} is of {scores.model or place.models[0]}"
            for place, scores in found
            if isinstance(scores, ResultsFile)
        )
        return Problem(
            kind="mismatch",
            path=found[0][0].path,
            message=f"{file.path}: of model {file.models[0]}, but {others}. Nothing was changed there.",
        )

    def _at(self, time: str) -> list[tuple[ScoresFile, ResultsFile | Problem]]:
        if self._last[0] == time:
            return self._last[1]
        found: list[tuple[ScoresFile, ResultsFile | Problem]] = []
        for place in self._index.get(time, ()):
            try:
                found.append((place, read_results_file(place.path)))
            except ResultsFormatError as error:
                if not place.is_named:
                    continue
                found.append((place, Problem(kind="unreadable", path=place.path, message=str(error))))
        self._last = (time, found)
        return found


def display_name(scores: ResultsFile | None, file: DetailsFile) -> str:
    """What to call a model: as its results file does, unless that is a path on some machine."""
    own = scores.model if scores else None
    if own and not own.startswith(("/", ".", "__")):
        return own
    return file.models[0] if file.models else file.path.name
