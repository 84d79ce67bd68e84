"""Accepted results, at most one a key, and what was published of them."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert

from palmares.store import schema
from palmares.store.database import Database
from palmares.store.evaluations import locked_evaluation
from palmares.store.states import EvaluationState
from palmares.store.values import clean_json, json_sha256, utc_times

log = logging.getLogger(__name__)

_EVALUATIONS = schema.evaluations
_ACCEPTED = schema.accepted_results
_ATTEMPTS = schema.attempts
_PUBLISHED = _EVALUATIONS.c.state == EvaluationState.PUBLISHED.value


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptedResults:
    """The one result of a key."""

    job_key: str
    attempt: int
    manifest: dict[str, Any]
    manifest_sha256: str
    raw_url: str
    accepted_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedRecord:
    """One evaluation that ended well, as the store knows it."""

    job_key: str
    submission: Mapping[str, Any]
    scores: Mapping[str, Any]
    manifest: Mapping[str, Any]
    """Of the accepted outputs."""
    raw_url: str
    """Where these lie, and the graded records beside them."""
    plan: Mapping[str, Any]
    """Of the accepted attempt; the evaluation's last one where that attempt was not noted."""
    created_at: datetime
    """When it was first claimed."""


class Results:
    """Rows of `accepted_results`, and of the evaluations that they were published for."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def accept(
        self, job_key: str, *, attempt: int, manifest: Mapping[str, Any], raw_url: str
    ) -> AcceptedResults:
        """Accept these results, if none were accepted for the key: the first win, for ever.

        Returns:
            What is accepted now. Compare its ``manifest_sha256`` or ``attempt`` with yours: if they differ,
            yours were discarded.

        Raises:
            StoreError: No such evaluation.
        """
        stored = clean_json(manifest, what=f"{job_key}: manifest of attempt {attempt}")
        digest = json_sha256(stored)
        with self._database.transaction() as connection:
            locked_evaluation(connection, job_key)
            connection.execute(
                insert(_ACCEPTED)
                .values(
                    job_key=job_key, attempt=attempt, manifest=stored, manifest_sha256=digest, raw_url=raw_url
                )
                .on_conflict_do_nothing()
            )
            row = connection.execute(select(_ACCEPTED).where(_ACCEPTED.c.job_key == job_key)).one()
        accepted = AcceptedResults(**utc_times(row._mapping))
        if accepted.manifest_sha256 != digest:
            log.warning(
                "evaluation %s: results of attempt %s discarded, those of attempt %s were accepted before",
                job_key, attempt, accepted.attempt,
            )  # fmt: skip
        return accepted

    def accepted(self, job_key: str) -> AcceptedResults | None:
        with self._database.transaction() as connection:
            row = connection.execute(select(_ACCEPTED).where(_ACCEPTED.c.job_key == job_key)).first()
        return None if row is None else AcceptedResults(**utc_times(row._mapping))

    def published(self) -> Sequence[PublishedRecord]:
        """Every published result, the oldest first; one without accepted outputs or a plan is left out."""
        plan = func.coalesce(_ATTEMPTS.c.plan, _EVALUATIONS.c.plan)
        query = (
            select(
                _EVALUATIONS.c.job_key,
                _EVALUATIONS.c.submission,
                _EVALUATIONS.c.scores,
                _ACCEPTED.c.manifest,
                _ACCEPTED.c.raw_url,
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
        with self._database.transaction() as connection:
            return [PublishedRecord(**utc_times(row._mapping)) for row in connection.execute(query)]

    def last_published_s(self) -> float | None:
        """Seconds since a result was last published, by the database's clock; None: none ever was."""
        query = select(func.extract("epoch", func.now() - func.max(_EVALUATIONS.c.updated_at))).where(
            _PUBLISHED
        )
        with self._database.transaction() as connection:
            found = connection.execute(query).scalar()
        return None if found is None else max(0.0, float(found))
