"""Attempts of an evaluation, and the one result that is accepted for its key."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Row, func, select
from sqlalchemy.dialects.postgresql import insert

from palmares.leaderboard.errors import StoreError
from palmares.store import tables
from palmares.store.database import Database
from palmares.store.records import AcceptedResults, Attempt, utc_times
from palmares.store.values import clean_json, clean_text, json_sha256

log = logging.getLogger(__name__)

_EVALUATIONS = tables.evaluations
_ATTEMPTS = tables.attempts
_ACCEPTED = tables.accepted_results


def locked_evaluation(connection: Connection, job_key: str) -> Row[Any]:
    """The row of *job_key*, locked until the transaction ends.

    Raises:
        StoreError: No such evaluation.
    """
    row = connection.execute(
        select(_EVALUATIONS).where(_EVALUATIONS.c.job_key == job_key).with_for_update()
    ).first()
    if row is None:
        raise StoreError(f"No evaluation has the key {job_key!r}. Claim its submission first.")
    return row


class Attempts(Database):
    """Rows of `attempts` and `accepted_results`."""

    def record_attempt(
        self, job_key: str, *, attempt: int, clearml_task_id: str, plan: Mapping[str, Any]
    ) -> None:
        """Note that *attempt* was enqueued, and make it the evaluation's current one; safe to run twice.

        A late repetition of an older attempt leaves the current one alone. The same number with another
        ClearML task (the first was deleted) starts that attempt afresh.
        """
        stored = clean_json(plan, what=f"{job_key}: plan of attempt {attempt}")
        row = {"job_key": job_key, "attempt": attempt, "clearml_task_id": clearml_task_id, "plan": stored}
        with self.transaction() as connection:
            current = locked_evaluation(connection, job_key)
            known = connection.execute(
                select(_ATTEMPTS.c.clearml_task_id).where(
                    _ATTEMPTS.c.job_key == job_key, _ATTEMPTS.c.attempt == attempt
                )
            ).scalar()
            if known == clearml_task_id:
                changed: dict[str, Any] = {"plan": stored}
            else:
                changed = row | {
                    "started_at": func.now(),
                    "ended_at": None,
                    "failure_class": None,
                    "reason": None,
                }
            connection.execute(
                insert(_ATTEMPTS)
                .values(row)
                .on_conflict_do_update(index_elements=["job_key", "attempt"], set_=changed)
            )
            if current.clearml_task_id != clearml_task_id or attempt >= (current.attempt or 0):
                connection.execute(
                    _EVALUATIONS.update()
                    .where(_EVALUATIONS.c.job_key == job_key)
                    .values(
                        attempt=attempt, clearml_task_id=clearml_task_id, plan=stored, updated_at=func.now()
                    )
                )

    def end_attempt(self, job_key: str, *, attempt: int, failure_class: str, reason: str) -> None:
        """Note how *attempt* ended. Said again, the later words count and the first time stays.

        Raises:
            StoreError: No such attempt was recorded.
        """
        with self.transaction() as connection:
            ended = connection.execute(
                _ATTEMPTS.update()
                .where(_ATTEMPTS.c.job_key == job_key, _ATTEMPTS.c.attempt == attempt)
                .values(
                    failure_class=failure_class,
                    reason=clean_text(reason),
                    ended_at=func.coalesce(_ATTEMPTS.c.ended_at, func.now()),
                )
            )
            if ended.rowcount != 1:
                raise StoreError(f"Evaluation {job_key} has no attempt {attempt}. Call record_attempt first.")

    def attempts(self, job_key: str) -> list[Attempt]:
        query = select(_ATTEMPTS).where(_ATTEMPTS.c.job_key == job_key).order_by(_ATTEMPTS.c.attempt)
        with self.transaction() as connection:
            return [Attempt(**utc_times(row._mapping)) for row in connection.execute(query)]

    def accept_results(
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
        with self.transaction() as connection:
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

    def accepted_results(self, job_key: str) -> AcceptedResults | None:
        with self.transaction() as connection:
            row = connection.execute(select(_ACCEPTED).where(_ACCEPTED.c.job_key == job_key)).first()
        return None if row is None else AcceptedResults(**utc_times(row._mapping))
