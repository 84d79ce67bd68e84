"""Finds details and results files in a tree of one model or of thousands."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from palmares.rescoring.naming import DetailsFile, ScoresFile, details_file, scores_file
from palmares.rescoring.problems import Problem


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
