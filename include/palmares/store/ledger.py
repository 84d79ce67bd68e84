"""What jobs took: all attempts, and accepted ones beside what their plans forecast."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Float, cast, func, select

from palmares.leaderboard.ledger import LedgerAttempt
from palmares.store import schema
from palmares.store.database import Database
from palmares.store.values import utc_times

_ATTEMPTS = schema.attempts
_ACCEPTED = schema.accepted_results
_EVALUATIONS = schema.evaluations

MOST_JOBS = 2_000
"""Newest first: older jobs ran on other constants and other software."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishedJob:
    """An accepted job's duration, beside its plan's forecast."""

    job_key: str
    family: str
    """Of the plan: the model's class."""
    parameters: int
    estimated_s: float
    """What the plan forecast, before any correction by other jobs."""
    duration_s: float
    """What the manifest says."""


class Ledger:
    """Rows of `attempts`, with the results that were accepted of them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def attempts(self) -> Sequence[LedgerAttempt]:
        """Every attempt, the oldest first; an accepted one lasted as long as its manifest says."""
        measured = _ACCEPTED.c.manifest["duration_s"].astext
        query = (
            select(
                _ATTEMPTS.c.job_key,
                _EVALUATIONS.c.model_id,
                _ATTEMPTS.c.attempt,
                func.coalesce(_ATTEMPTS.c.failure_class, "running").label("outcome"),
                _ATTEMPTS.c.plan,
                _ATTEMPTS.c.started_at,
                _ATTEMPTS.c.ended_at,
                func.coalesce(cast(measured, Float), _ATTEMPTS.c.ran_s).label("ran_s"),
            )
            .join(_EVALUATIONS, _EVALUATIONS.c.job_key == _ATTEMPTS.c.job_key)
            .outerjoin(
                _ACCEPTED,
                (_ACCEPTED.c.job_key == _ATTEMPTS.c.job_key) & (_ACCEPTED.c.attempt == _ATTEMPTS.c.attempt),
            )
            .order_by(_ATTEMPTS.c.started_at, _ATTEMPTS.c.job_key, _ATTEMPTS.c.attempt)
        )
        with self._database.transaction() as connection:
            return [LedgerAttempt(**utc_times(row._mapping)) for row in connection.execute(query)]

    def finished_jobs(self, *, cluster: str, limit: int = MOST_JOBS) -> Sequence[FinishedJob]:
        """Return whole jobs of a cluster that succeeded at their first attempt, the newest first.

        A later attempt goes on from a checkpoint, and a trial of few rows says little: both are left out.
        So is what has no usable number (plans older than the forecast).
        """
        plan, manifest = _ATTEMPTS.c.plan, _ACCEPTED.c.manifest
        query = (
            select(
                _ACCEPTED.c.job_key,
                plan["family"].astext.label("family"),
                plan["parameters"].astext.label("parameters"),
                plan["estimated_s"].astext.label("estimated_s"),
                manifest["duration_s"].astext.label("duration_s"),
            )
            .join(
                _ATTEMPTS,
                (_ATTEMPTS.c.job_key == _ACCEPTED.c.job_key) & (_ATTEMPTS.c.attempt == _ACCEPTED.c.attempt),
            )
            .join(_EVALUATIONS, _EVALUATIONS.c.job_key == _ACCEPTED.c.job_key)
            .where(
                _ACCEPTED.c.attempt == 1,
                plan["cluster"].astext == cluster,
                _EVALUATIONS.c.submission["limit_samples"].astext.is_(None),
            )
            .order_by(_ACCEPTED.c.accepted_at.desc(), _ACCEPTED.c.job_key)
            .limit(limit)
        )
        with self._database.transaction() as connection:
            rows = connection.execute(query).mappings().all()
        return [job for job in (_job(dict(row)) for row in rows) if job is not None]


def _job(row: Mapping[str, Any]) -> FinishedJob | None:
    """The row as a record; None: a number is missing or none (plans come back by way of ClearML)."""
    try:
        return FinishedJob(
            job_key=row["job_key"],
            family=row["family"] or "",
            parameters=int(row["parameters"]),
            estimated_s=float(row["estimated_s"]),
            duration_s=float(row["duration_s"]),
        )
    except (TypeError, ValueError, OverflowError):
        return None
