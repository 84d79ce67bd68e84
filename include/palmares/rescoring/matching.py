"""Finds the results JSON that a details file belongs to: the same timestamp and the same model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from palmares.leaderboard.errors import ResultsFormatError
from palmares.rescoring.naming import DetailsFile, ScoresFile
from palmares.rescoring.problems import Problem
from palmares.rescoring.scores import Scores, read_scores


class Matcher:
    """Looks results files up; one that was read for a model's first task is not read again for the next."""

    def __init__(self, index: Mapping[str, Sequence[ScoresFile]], root: Path) -> None:
        self._index = index
        self._root = root
        self._last: tuple[str, list[tuple[ScoresFile, Scores | Problem]]] = ("", [])

    def match(self, file: DetailsFile) -> Scores | Problem:
        """The results file of *file*, or why there is none; a problem names both files."""
        found = self._at(file.time)
        if not found:
            return Problem(
                kind="no_scores",
                path=file.path,
                message=f"{file.path}: no results JSON with its timestamp below {self._root}. "
                "Copy it there, or give another --scores-dir.",
            )
        own = [
            scores
            for place, scores in found
            if isinstance(scores, Scores) and scores.is_of(file.models, by_path=place.models)
        ]
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
            if isinstance(scores, Scores)
        )
        return Problem(
            kind="mismatch",
            path=found[0][0].path,
            message=f"{file.path}: of model {file.models[0]}, but {others}. Nothing was changed there.",
        )

    def _at(self, time: str) -> list[tuple[ScoresFile, Scores | Problem]]:
        if self._last[0] == time:
            return self._last[1]
        found: list[tuple[ScoresFile, Scores | Problem]] = []
        for place in self._index.get(time, ()):
            try:
                found.append((place, read_scores(place.path)))
            except ResultsFormatError as error:
                found.append((place, Problem(kind="unreadable", path=place.path, message=str(error))))
        self._last = (time, found)
        return found


def display_name(scores: Scores | None, file: DetailsFile) -> str:
    """What to call a model: as its results file does, unless that is a path on some machine."""
    said = scores.model if scores else None
    if said and not said.startswith(("/", ".", "__")):
        return said
    return file.models[0] if file.models else file.path.name
