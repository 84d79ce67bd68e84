"""Turns what a person gave `palmares rescore` into files, or raises one line on what is wrong."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from french_answers import DEFAULT, GradingPolicy

from palmares.leaderboard.checks.limits import SanitySettings
from palmares.leaderboard.errors import LeaderboardError
from palmares.rescoring.engine import scorer_of
from palmares.rescoring.files import Found, find_details


class UnusableInputError(LeaderboardError):
    """What was given holds nothing to re-score."""


def workers_of(given: int | None) -> int:
    """How many processes grade side by side: as many as there are processors for us."""
    return given or len(os.sched_getaffinity(0))


def details_of(path: Path, scores_dir: Path, tasks: Sequence[str]) -> Found:
    """Find the details to grade.

    Raises:
        UnusableInputError: A path is not there, there are no details, or a task has no scorer.
    """
    if not path.exists():
        raise UnusableInputError(f"{path}: no such file or folder. Give a details file, or a folder of them.")
    if not scores_dir.is_dir():
        raise UnusableInputError(f"{scores_dir}: no such folder. Give the folder of the results JSON files.")
    for task in tasks:
        if scorer_of(task) is None:
            from palmares.benchmarks.registry import text_scorers

            raise UnusableInputError(
                f"--task {task}: there is no scorer of that name, but of {sorted(text_scorers())}."
            )
    found = find_details(path)
    if not found.files and not found.problems:
        raise UnusableInputError(
            f"{path}: no details in it. They are named details_<task>_<timestamp>.parquet or "
            "samples_<task>_<timestamp>.jsonl."
        )
    return found


def leaderboard() -> tuple[dict[str, float], dict[str, SanitySettings], GradingPolicy]:
    """Read from the settings: guessing's score and sanity limits by short task name, and the grading policy.

    Of a task that several suites have, the default suite's values count.

    Raises:
        SettingsError: The settings cannot be read.
    """
    from palmares.leaderboard.settings import load_settings

    settings = load_settings()
    baselines: dict[str, float] = {}
    limits: dict[str, SanitySettings] = {}
    for suite in (settings.suite(), *settings.suites.values()):
        for task in suite.tasks:
            baselines.setdefault(task.name, task.metric.baseline)
            limits.setdefault(task.name, task.sanity_limits)
    return baselines, limits, DEFAULT if settings.grading == DEFAULT else settings.grading
