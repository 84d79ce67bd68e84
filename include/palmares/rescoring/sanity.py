"""Tries a scorer on predictors whose score is known before it grades a tree: a broken one changes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import islice

from french_answers import GradingPolicy

from palmares.leaderboard.checks.limits import SanitySettings
from palmares.leaderboard.details.rows import iterate_details
from palmares.leaderboard.errors import GateError, ResultsFormatError
from palmares.rescoring.engine import scorer_of
from palmares.rescoring.files import DetailsFile, Problem
from palmares.rescoring.pool import Pool

ROWS = 2_000
"""Of the first file: models of one task answer the same rows, so that another file would say the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """A scorer's trial on the rows of a file."""

    file: DetailsFile
    policy: GradingPolicy
    settings: SanitySettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """What came of it."""

    breach: Problem | None


class SanityBaselines:
    """One trial a task."""

    def __init__(
        self, limits: Mapping[str, SanitySettings] | None, policy: GradingPolicy, pool: Pool
    ) -> None:
        """Prepare.

        Args:
            limits: By short task name; the defaults for the rest. None: nothing is tried.
            policy: The scorers' own.
            pool: Where they are tried.
        """
        self._limits, self._policy, self._pool = limits, policy, pool
        self._found: dict[str, Problem | None] = {}

    def breach(self, file: DetailsFile) -> Problem | None:
        """What is wrong with a task's scorer, tried on the rows of *file* if it is the first of its task."""
        if self._limits is None:
            return None
        task = file.short_task
        if task not in self._found:
            settings = self._limits.get(task) or SanitySettings()
            trial = Trial(file=file, policy=self._policy, settings=settings)
            tried = self._pool.wait_for(try_scorer, trial)
            if tried is None:
                return None  # grading the file names what is wrong with it; the next one is tried
            self._found[task] = tried.breach
        return self._found[task]


def try_scorer(trial: Trial) -> Tried | None:
    """Run a scorer on its degenerate predictors; None: the file cannot be read."""
    from palmares.leaderboard.checks.gate import refuse_breaches
    from palmares.leaderboard.checks.scorers import scorer_rates

    file = trial.file
    task = file.short_task
    scorer = scorer_of(task, trial.policy)
    assert scorer is not None
    # Without what the model wrote: hundreds of rows are held at once, and a generation can be a megabyte.
    rows = (replace(row, predictions=(), question=None) for row in islice(iterate_details(file.path), ROWS))
    try:
        rates = scorer_rates(scorer, rows, trial.settings)
        refuse_breaches({task: rates}, {task: f"{scorer.name} {scorer.version}"})
    except ResultsFormatError:
        return None
    except GateError as error:
        message = f"{error} No file of this task was changed."
        return Tried(breach=Problem(kind="sanity_baseline", path=file.path, message=message))
    return Tried(breach=None)
