"""Tries a scorer on predictors whose score is known before it grades a tree: a broken one changes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import islice

from include.leaderboard.canaries.limits import CanarySettings
from include.leaderboard.details.rows import iterate_details
from include.leaderboard.errors import GateError, ResultsFormatError
from include.leaderboard.rescoring.naming import DetailsFile
from include.leaderboard.rescoring.problems import Problem
from include.leaderboard.scoring.scorer import Scorer

ROWS = 2_000
"""Of the first file: models of one task answer the same rows, so that another file would say the same."""


class Canaries:
    """One look a task."""

    def __init__(self, limits: Mapping[str, CanarySettings] | None) -> None:
        """Prepare.

        Args:
            limits: By short task name; the defaults for the rest. None: nothing is tried.
        """
        self._limits = limits
        self._found: dict[str, Problem | None] = {}

    def breach(self, file: DetailsFile, scorer: Scorer) -> Problem | None:
        """What is wrong with a task's scorer, tried on the rows of *file* if it is the first of its task."""
        if self._limits is None:
            return None
        task = file.short_task
        if task not in self._found:
            try:
                self._found[task] = self._tried(file, scorer, self._limits.get(task) or CanarySettings())
            except ResultsFormatError:
                return None  # grading it names what is wrong; the next file is tried
        return self._found[task]

    def _tried(self, file: DetailsFile, scorer: Scorer, settings: CanarySettings) -> Problem | None:
        from include.leaderboard.canaries.gate import refuse_breaches
        from include.leaderboard.canaries.scorers import scorer_rates

        # Without what the model wrote: hundreds of rows are held at once, and a generation can be a megabyte.
        rows = (
            replace(row, predictions=(), question=None) for row in islice(iterate_details(file.path), ROWS)
        )
        rates = scorer_rates(scorer, rows, settings)
        try:
            refuse_breaches({file.short_task: rates}, {file.short_task: f"{scorer.name} {scorer.version}"})
        except GateError as error:
            return Problem(
                kind="canary", path=file.path, message=f"{error} No file of this task was changed."
            )
        return None
