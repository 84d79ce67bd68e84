"""Re-scorings: accepted results graded again by other scorers, with the scores that they replaced."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, func, select
from sqlalchemy.dialects.postgresql import distinct_on, insert

from palmares.leaderboard.errors import StoreError
from palmares.store import schema
from palmares.store.database import Database
from palmares.store.evaluations import Evaluation, evaluation_from, locked_evaluation
from palmares.store.outbox.queue import OutboxEntry, insert_entries
from palmares.store.states import EvaluationState
from palmares.store.values import clean_json, clean_text, utc_times

log = logging.getLogger(__name__)

_EVALUATIONS = schema.evaluations
_ACCEPTED = schema.accepted_results
_RESCORINGS = schema.rescorings
_SCORERS = schema.scorers

_OVER = (EvaluationState.REFUSED.value, EvaluationState.CANCELLED.value)
"""A newer evaluation that ended so does not replace the older one."""


class RescoringOutcome(StrEnum):
    """What came of a re-scoring."""

    GRADED = "graded"
    """New scores are here, and nowhere else yet."""
    QUEUED = "queued"
    """New scores stand, and the files that hold them are in the outbox."""
    PUBLISHED = "published"
    UNCHANGED = "unchanged"
    """No verdict and no score differs; nothing was published."""
    QUARANTINED = "parked"
    """A gate stopped the new scores; the old ones stand."""
    SKIPPED = "left_alone"
    """The model is being evaluated, or waits for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rescoring:
    """One evaluation's results, graded again by one run."""

    id: int
    job_key: str
    dag_run_id: str
    scorers: dict[str, Any]
    """By short task name: ``scorer``, ``scorer_version``, ``scorer_hash`` of those that graded."""
    previous_scores: dict[str, Any]
    scores: dict[str, Any] | None
    """None: a gate stopped them."""
    verdict_changes: dict[str, Any] | None
    """By task: counts, and ids of the rows whose verdict changed. None: not graded."""
    outcome: RescoringOutcome
    reason: str | None
    created_at: datetime
    settled_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rescorable:
    """A published evaluation that nothing newer replaces."""

    evaluation: Evaluation
    accepted_at: datetime
    task_keys: frozenset[str]
    """Tasks that its outputs hold, e.g. ``community|bac-fr|0``."""
    last: Rescoring | None


class Rescorings:
    """Rows of `rescorings` and `scorers`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def note_scorer(self, task: str, *, name: str, version: str, code_hash: str, dag_run_id: str) -> bool:
        """Store who grades *task* if that is another scorer than the one before.

        Returns:
            True if another scorer was seen last; for the run that saw it first also when it asks again, so
            that a retry after a crash gets the same answer.
        """
        row = {"name": name, "version": version, "code_hash": code_hash, "dag_run_id": dag_run_id}
        with self._database.transaction() as connection:
            written = connection.execute(
                insert(_SCORERS)
                .values(task=task, **row)
                .on_conflict_do_update(
                    index_elements=["task"],
                    set_=row | {"seen_at": func.now()},
                    where=(_SCORERS.c.code_hash != code_hash) | (_SCORERS.c.version != version),
                )
                .returning(_SCORERS.c.task)
            ).first()
            if written is not None:
                return True
            seen_by = select(_SCORERS.c.dag_run_id).where(_SCORERS.c.task == task)
            return bool(connection.execute(seen_by).scalar_one() == dag_run_id)

    def rescorable(
        self, *, accepted_after: datetime | None = None, accepted_before: datetime | None = None
    ) -> list[Rescorable]:
        """Published evaluations with whole results, the longest accepted first.

        Left out are limited runs, and evaluations with a newer one of the same request that is published, is
        under way or may yet be: its scores are those that count.

        Args:
            accepted_after: Inclusive.
            accepted_before: Exclusive.
        """
        newer = _EVALUATIONS.alias("newer")
        replaced = (
            select(newer.c.job_key)
            .where(
                newer.c.request_path == _EVALUATIONS.c.request_path,
                newer.c.created_at > _EVALUATIONS.c.created_at,
                newer.c.state.not_in(_OVER),
            )
            .exists()
        )
        query = (
            select(_EVALUATIONS, _ACCEPTED.c.accepted_at, _ACCEPTED.c.manifest["tasks"].label("tasks"))
            .join(_ACCEPTED, _ACCEPTED.c.job_key == _EVALUATIONS.c.job_key)
            .where(
                _EVALUATIONS.c.state == EvaluationState.PUBLISHED.value,
                _EVALUATIONS.c.submission["limit_samples"].astext.is_(None),
                ~replaced,
            )
            .order_by(_ACCEPTED.c.accepted_at, _EVALUATIONS.c.job_key)
        )
        if accepted_after is not None:
            query = query.where(_ACCEPTED.c.accepted_at >= accepted_after)
        if accepted_before is not None:
            query = query.where(_ACCEPTED.c.accepted_at < accepted_before)
        with self._database.transaction() as connection:
            rows = [dict(row._mapping) for row in connection.execute(query)]
            last = _last(connection, [row["job_key"] for row in rows])
        return [
            Rescorable(
                accepted_at=utc_times({"at": row.pop("accepted_at")})["at"],
                task_keys=frozenset(row.pop("tasks") or ()),
                evaluation=evaluation_from(row),
                last=last.get(row["job_key"]),
            )
            for row in rows
        ]

    def record(
        self,
        job_key: str,
        *,
        dag_run_id: str,
        outcome: RescoringOutcome,
        scorers: Mapping[str, Any],
        previous_scores: Mapping[str, Any],
        scores: Mapping[str, Any] | None = None,
        verdict_changes: Mapping[str, Any] | None = None,
        reason: str | None = None,
    ) -> Rescoring:
        """Keep what grading gave; a repetition by the same run replaces it until it is queued."""
        row = {
            "outcome": RescoringOutcome(outcome).value,
            "scorers": clean_json(scorers, what=f"{job_key}: scorers"),
            "previous_scores": clean_json(previous_scores, what=f"{job_key}: previous scores"),
            "scores": None if scores is None else clean_json(scores, what=f"{job_key}: scores"),
            # The column has the name that databases in use have.
            "flips": None
            if verdict_changes is None
            else clean_json(verdict_changes, what=f"{job_key}: changes of verdicts"),
            "reason": None if reason is None else clean_text(reason),
        }
        with self._database.transaction() as connection:
            connection.execute(
                insert(_RESCORINGS)
                .values(job_key=job_key, dag_run_id=dag_run_id, **row)
                .on_conflict_do_update(
                    index_elements=["job_key", "dag_run_id"],
                    set_=row,
                    where=_RESCORINGS.c.settled_at.is_(None)
                    & (_RESCORINGS.c.outcome != RescoringOutcome.QUEUED.value),
                )
            )
            return _one(connection, job_key, dag_run_id)

    def get(self, job_key: str, *, dag_run_id: str) -> Rescoring:
        """What *dag_run_id* made of *job_key*.

        Raises:
            StoreError: It has not graded it.
        """
        with self._database.transaction() as connection:
            return _one(connection, job_key, dag_run_id)

    def find(self, *, job_key: str | None = None, dag_run_id: str | None = None) -> list[Rescoring]:
        """Of one evaluation, of one run, or all; oldest first."""
        query = select(_RESCORINGS).order_by(_RESCORINGS.c.id)
        if job_key is not None:
            query = query.where(_RESCORINGS.c.job_key == job_key)
        if dag_run_id is not None:
            query = query.where(_RESCORINGS.c.dag_run_id == dag_run_id)
        with self._database.transaction() as connection:
            return [_rescoring(row._mapping) for row in connection.execute(query)]

    def adopt(self, rescoring: Rescoring, *, entries: Sequence[OutboxEntry] = ()) -> bool:
        """Make its scores the evaluation's, and queue the files that hold them: both or neither.

        Returns:
            False: the evaluation's scores are others than those it started from, or something newer counts
            by now; nothing was written.

        Raises:
            StoreError: It has no scores, or no such evaluation exists.
        """
        if rescoring.scores is None:
            raise StoreError(f"Re-scoring {rescoring.id} of {rescoring.job_key} was stopped: no scores.")
        with self._database.transaction() as connection:
            row = locked_evaluation(connection, rescoring.job_key)
            newer = select(_EVALUATIONS.c.job_key).where(
                _EVALUATIONS.c.request_path == row.request_path,
                _EVALUATIONS.c.created_at > row.created_at,
                _EVALUATIONS.c.state.not_in(_OVER),
            )
            is_own = row.scores == rescoring.previous_scores or _is_queued(connection, rescoring)
            if (
                row.state != EvaluationState.PUBLISHED.value
                or not is_own
                or connection.execute(newer).first() is not None
            ):
                log.info("evaluation %s moved on since it was graded again: left alone", rescoring.job_key)
                return False
            if row.scores != rescoring.scores:
                connection.execute(
                    _EVALUATIONS.update()
                    .where(_EVALUATIONS.c.job_key == rescoring.job_key)
                    .values(scores=rescoring.scores, updated_at=func.now())
                )
            insert_entries(connection, entries)
            connection.execute(
                _RESCORINGS.update()
                .where(_RESCORINGS.c.id == rescoring.id)
                .values(outcome=RescoringOutcome.QUEUED.value)
            )
        return True

    def finalize(self, rescoring: Rescoring, outcome: RescoringOutcome, *, reason: str | None = None) -> None:
        """Say what came of it. Published and unchanged are final; what was left alone may be graded again."""
        is_final = outcome in {RescoringOutcome.PUBLISHED, RescoringOutcome.UNCHANGED}
        with self._database.transaction() as connection:
            connection.execute(
                _RESCORINGS.update()
                .where(_RESCORINGS.c.id == rescoring.id)
                .values(
                    outcome=RescoringOutcome(outcome).value,
                    reason=None if reason is None else clean_text(reason),
                    settled_at=func.coalesce(_RESCORINGS.c.settled_at, func.now()) if is_final else None,
                )
            )
        log.info("re-scoring of %s by %s: %s", rescoring.job_key, rescoring.dag_run_id, outcome)


def _one(connection: Connection, job_key: str, dag_run_id: str) -> Rescoring:
    row = connection.execute(
        select(_RESCORINGS).where(_RESCORINGS.c.job_key == job_key, _RESCORINGS.c.dag_run_id == dag_run_id)
    ).first()
    if row is None:
        raise StoreError(f"Run {dag_run_id} has not graded {job_key} again. Clear grade_again of this model.")
    return _rescoring(row._mapping)


def _is_queued(connection: Connection, rescoring: Rescoring) -> bool:
    found = select(_RESCORINGS.c.outcome).where(_RESCORINGS.c.id == rescoring.id)
    return bool(connection.execute(found).scalar_one() == RescoringOutcome.QUEUED.value)


def _last(connection: Connection, job_keys: Collection[str]) -> dict[str, Rescoring]:
    query = (
        select(_RESCORINGS)
        .where(_RESCORINGS.c.job_key.in_(list(job_keys)))
        .order_by(_RESCORINGS.c.job_key, _RESCORINGS.c.id.desc())
        .ext(distinct_on(_RESCORINGS.c.job_key))
    )
    return {row.job_key: _rescoring(row._mapping) for row in connection.execute(query)}


def _rescoring(columns: Mapping[Any, Any]) -> Rescoring:
    values = utc_times(columns)
    return Rescoring(
        verdict_changes=values.pop("flips"), **values | {"outcome": RescoringOutcome(values["outcome"])}
    )
