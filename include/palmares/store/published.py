"""Published results in one question: the evaluation, what was accepted of it, and the attempt's plan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select

from palmares.store import tables
from palmares.store.database import Database
from palmares.store.records import utc_times
from palmares.store.states import EvaluationState

_EVALUATIONS = tables.evaluations
_ACCEPTED = tables.accepted_results
_ATTEMPTS = tables.attempts
_PUBLISHED = _EVALUATIONS.c.state == EvaluationState.PUBLISHED.value


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedRecord:
    """One evaluation that ended well, as the store knows it."""

    job_key: str
    submission: Mapping[str, Any]
    scores: Mapping[str, Any]
    manifest: Mapping[str, Any]
    """Of the accepted outputs."""
    plan: Mapping[str, Any]
    """Of the accepted attempt; the evaluation's last one where that attempt was not noted."""
    created_at: datetime
    """When it was first claimed."""


class PublishedResults(Database):
    """Rows of `evaluations` that are published, with what belongs to them."""

    def published_results(self) -> Sequence[PublishedRecord]:
        """Every published result, the oldest first; one without accepted outputs or a plan is left out."""
        plan = func.coalesce(_ATTEMPTS.c.plan, _EVALUATIONS.c.plan)
        query = (
            select(
                _EVALUATIONS.c.job_key,
                _EVALUATIONS.c.submission,
                _EVALUATIONS.c.scores,
                _ACCEPTED.c.manifest,
                plan.label("plan"),
                _EVALUATIONS.c.created_at,
            )
            .join(_ACCEPTED, _ACCEPTED.c.job_key == _EVALUATIONS.c.job_key)
            .outerjoin(
                _ATTEMPTS,
                (_ATTEMPTS.c.job_key == _ACCEPTED.c.job_key) & (_ATTEMPTS.c.attempt == _ACCEPTED.c.attempt),
            )
            .where(_PUBLISHED, plan.is_not(None))
            .order_by(_EVALUATIONS.c.created_at, _EVALUATIONS.c.job_key)
        )
        with self.transaction() as connection:
            return [PublishedRecord(**utc_times(row._mapping)) for row in connection.execute(query)]

    def last_published_s(self) -> float | None:
        """Seconds since a result was last published, by the database's clock; None: none ever was."""
        query = select(func.extract("epoch", func.now() - func.max(_EVALUATIONS.c.updated_at))).where(
            _PUBLISHED
        )
        with self.transaction() as connection:
            found = connection.execute(query).scalar()
        return None if found is None else max(0.0, float(found))
