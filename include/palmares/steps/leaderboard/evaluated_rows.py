"""What each row of the published evaluations counts: from the store, or else from the graded records."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from palmares.leaderboard.scoring.score import IDENTITY, recorded_row_scores
from palmares.leaderboard.statistics.resampling import TaskScores, task_scores
from palmares.leaderboard.suites import Suite, SuiteTask
from palmares.steps.services import Services
from palmares.steps.stored_results import read_graded
from palmares.store.store import PublishedRecord, StoredRowScores

log = logging.getLogger(__name__)

_STORED = np.dtype("<f4")


def evaluated_rows(
    services: Services, records: Iterable[PublishedRecord], suite: Suite
) -> dict[str, dict[str, TaskScores]]:
    """Read the rows of evaluations, and keep in the store what had to be read from graded records.

    Args:
        services: Open handles.
        records: Of the evaluations.
        suite: Its tasks are read.

    Returns:
        By job key and short task name; a task without graded records is left out, and named in the log.
    """
    wanted = list(records)
    stored = services.store.row_scores.of([record.job_key for record in wanted])
    found: dict[str, dict[str, TaskScores]] = {}
    new: list[StoredRowScores] = []
    for record in wanted:
        found[record.job_key] = {}
        for task in suite.tasks:
            score = record.scores.get(task.name, {})
            kept = stored.get((record.job_key, task.name))
            if kept is None or kept.scorer != _scorer(score):
                kept = _from_records(services, record, task, score)
                if kept is None:
                    continue
                new.append(kept)
            scores = np.frombuffer(kept.scores, dtype=_STORED)
            found[record.job_key][task.name] = TaskScores(rows=kept.row_set, scores=scores)
    services.store.row_scores.put(new)
    return found


def _scorer(score: Mapping[str, Any]) -> str:
    return " ".join(str(score.get(name)) for name in IDENTITY)


def _from_records(
    services: Services, record: PublishedRecord, task: SuiteTask, score: Mapping[str, Any]
) -> StoredRowScores | None:
    graded = read_graded(services, record.raw_url, task.name, score)
    rows = recorded_row_scores(task, graded or [])
    if not rows:
        log.warning("%s has no graded records of %s: its rank has no interval", record.job_key, task.name)
        return None
    made = task_scores(rows)
    return StoredRowScores(
        job_key=record.job_key,
        task=task.name,
        scorer=_scorer(score),
        row_set=made.rows,
        scores=made.scores.astype(_STORED).tobytes(),
    )
