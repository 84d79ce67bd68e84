"""Evaluations and their attempts: claims by compare-and-set, and moves from state to state."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, func, select
from sqlalchemy.dialects.postgresql import insert

from palmares.leaderboard.errors import ClaimLostError, StoreError
from palmares.store import schema
from palmares.store.database import Database
from palmares.store.outbox.queue import OutboxEntry, insert_entries
from palmares.store.states import (
    CLOSED_CODES,
    LIVE,
    RECHECKED_CODES,
    REPLACED,
    STOPPED,
    ClaimOutcome,
    EvaluationState,
    may_follow,
    reached_after,
)
from palmares.store.values import clean_json, clean_text, utc_times

log = logging.getLogger(__name__)

_EVALUATIONS = schema.evaluations
_ATTEMPTS = schema.attempts

_FAILURE_FIELDS = ("failure_class", "reason_code", "reason")
_UPDATABLE = frozenset({"clearml_task_id", "attempt", "plan", "scores", *_FAILURE_FIELDS})


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """One submission on its way, as the store knows it."""

    job_key: str
    request_path: str
    model_id: str
    revision: str
    precision: str
    submission: dict[str, Any]
    state: EvaluationState
    reached: EvaluationState
    """The last state on the way to published; differs from `state` once it stopped."""
    dag_run_id: str
    """The run that holds the claim."""
    clearml_task_id: str | None
    attempt: int | None
    plan: dict[str, Any] | None
    failure_class: str | None
    reason_code: str | None
    reason: str | None
    scores: dict[str, Any] | None
    created_at: datetime
    updated_at: datetime

    @property
    def is_replaced(self) -> bool:
        """Whether a later run number took its place: nothing moves it any more."""
        return self.state is EvaluationState.CANCELLED and self.reason_code == REPLACED

    @property
    def is_closed(self) -> bool:
        """Whether it was replaced, or its model withdrawn: nothing moves it any more."""
        return self.state is EvaluationState.CANCELLED and self.reason_code in CLOSED_CODES


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One try of an evaluation on the cluster."""

    job_key: str
    attempt: int
    clearml_task_id: str
    plan: dict[str, Any]
    failure_class: str | None
    """How it ended; None while it runs."""
    reason: str | None
    started_at: datetime
    ended_at: datetime | None
    ran_s: float | None = None
    """Seconds in progress; None: it runs, or nobody knows."""


class Evaluations:
    """Rows of `evaluations` and `attempts`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def claim(self, submission: Mapping[str, Any], *, dag_run_id: str) -> ClaimOutcome:
        """Let this run evaluate *submission*, if nobody does or did: compare-and-set, safe to run twice.

        A key whose evaluation failed for infrastructure, or was refused as gated or not found, is claimed
        anew, with its attempts, plan and ClearML task kept. A claim lifts the refusals of the request file.

        Args:
            submission: JSON with at least ``job_key, request_path, model_id, revision, precision``.
        """
        stored = clean_json(submission, what=f"submission {submission['request_path']}")
        named = {
            name: stored[name] for name in ("job_key", "request_path", "model_id", "revision", "precision")
        }
        fresh = named | {
            "submission": stored,
            "dag_run_id": dag_run_id,
            "state": EvaluationState.CLAIMED.value,
            "reached": EvaluationState.CLAIMED.value,
        }
        with self._database.transaction() as connection:
            inserted = (
                insert(_EVALUATIONS).values(fresh).on_conflict_do_nothing().returning(_EVALUATIONS.c.job_key)
            )
            if connection.execute(inserted).first() is not None:
                outcome = ClaimOutcome.CLAIMED
            else:
                row = locked_evaluation(connection, stored["job_key"])
                outcome, anew = _judge(row, dag_run_id=dag_run_id, request_path=stored["request_path"])
                if anew:
                    connection.execute(
                        _EVALUATIONS.update()
                        .where(_EVALUATIONS.c.job_key == stored["job_key"])
                        .values(fresh | dict.fromkeys(_FAILURE_FIELDS) | {"updated_at": func.now()})
                    )
            if outcome is ClaimOutcome.CLAIMED:
                connection.execute(
                    schema.refusals.update()
                    .where(
                        schema.refusals.c.request_path == stored["request_path"],
                        schema.refusals.c.lifted_at.is_(None),
                    )
                    .values(lifted_at=func.now())
                )
        log.info("claim of %s (%s) by %s: %s", stored["job_key"], stored["model_id"], dag_run_id, outcome)
        return outcome

    def get(self, job_key: str) -> Evaluation | None:
        with self._database.transaction() as connection:
            row = connection.execute(select(_EVALUATIONS).where(_EVALUATIONS.c.job_key == job_key)).first()
        return None if row is None else evaluation_from(row._mapping)

    def find(
        self,
        *,
        dag_run_id: str | None = None,
        state: EvaluationState | Collection[EvaluationState] | None = None,
    ) -> list[Evaluation]:
        """Evaluations held by a run, in a state, or all; oldest first."""
        query = select(_EVALUATIONS).order_by(_EVALUATIONS.c.created_at, _EVALUATIONS.c.job_key)
        if dag_run_id is not None:
            query = query.where(_EVALUATIONS.c.dag_run_id == dag_run_id)
        if state is not None:
            wanted = [state] if isinstance(state, str) else list(state)
            query = query.where(_EVALUATIONS.c.state.in_([EvaluationState(one).value for one in wanted]))
        with self._database.transaction() as connection:
            return [evaluation_from(row._mapping) for row in connection.execute(query)]

    def update(
        self,
        job_key: str,
        *,
        state: EvaluationState | None = None,
        held_by: str | None = None,
        entries: Sequence[OutboxEntry] = (),
        **fields: Any,
    ) -> None:
        """Move an evaluation, and set what came to be known.

        Args:
            state: The next state; the present one again is fine. Entering a live state, or `PUBLISHED`,
                forgets the last failure, unless *fields* give one.
            held_by: Refuse when another run has claimed the key since: fences the tasks of an older run.
            entries: Added to the outbox in the same transaction, so that neither happens without the other.
            fields: Any of ``clearml_task_id, attempt, plan, failure_class, reason_code, reason, scores``.

        An update of an evaluation that was replaced or withdrawn (`Evaluation.is_closed`) changes nothing.

        Raises:
            ClaimLostError: Another holder than *held_by*, or the evaluation was closed.
            StoreError: No such evaluation, or a move that `states.may_follow` forbids.
        """
        values = _cleaned(job_key, fields)
        with self._database.transaction() as connection:
            row = locked_evaluation(connection, job_key)
            if held_by is not None:
                _check_holder(row, held_by)
            if _is_closed(row):
                log.info("evaluation %s is closed (%s): the update is ignored", job_key, row.reason)
                return
            _write(connection, row, state=state, values=values, entries=entries)

    def assert_held(self, job_key: str, dag_run_id: str) -> None:
        """Check that the run still holds the claim: fences the tasks of an older run.

        Raises:
            ClaimLostError: Another run holds it, or the evaluation was closed.
            StoreError: No such evaluation.
        """
        with self._database.transaction() as connection:
            _check_holder(locked_evaluation(connection, job_key), dag_run_id)

    def update_if_unchanged(
        self,
        seen: Evaluation,
        *,
        state: EvaluationState,
        entries: Sequence[OutboxEntry] = (),
        **fields: Any,
    ) -> bool:
        """Move an evaluation only if nothing happened to it since *seen* was read: compare-and-set.

        Returns:
            False: it moved meanwhile, and nothing was written.

        Raises:
            StoreError: No such evaluation, or a move that `states.may_follow` forbids.
        """
        values = _cleaned(seen.job_key, fields)
        with self._database.transaction() as connection:
            row = locked_evaluation(connection, seen.job_key)
            now = (row.dag_run_id, row.state, row.updated_at)
            if now != (seen.dag_run_id, seen.state.value, seen.updated_at):
                log.info(
                    "evaluation %s is %s of run %s by now: left alone",
                    seen.job_key,
                    row.state,
                    row.dag_run_id,
                )
                return False
            _write(connection, row, state=state, values=values, entries=entries)
        return True

    def release(self, dag_run_id: str, *, reason: str) -> list[str]:
        """Mark what the run left unfinished as failed for infrastructure, so that a later run may claim it.

        Returns:
            The job keys released.
        """
        live = _EVALUATIONS.c.state.in_([state.value for state in LIVE])
        with self._database.transaction() as connection:
            rows = connection.execute(
                _EVALUATIONS.update()
                .where(_EVALUATIONS.c.dag_run_id == dag_run_id, live)
                .values(state=EvaluationState.FAILED.value, reason=clean_text(reason), updated_at=func.now())
                .returning(_EVALUATIONS.c.job_key)
            )
            return sorted(rows.scalars())

    def record_attempt(
        self,
        job_key: str,
        *,
        attempt: int,
        clearml_task_id: str,
        plan: Mapping[str, Any],
        started_at: datetime | None = None,
    ) -> None:
        """Note that *attempt* was enqueued, and make it the evaluation's current one; safe to run twice.

        A late repetition of an older attempt leaves the current one alone. The same number with another
        ClearML task (the first was deleted) starts that attempt afresh.

        Args:
            job_key: Of the evaluation.
            attempt: Its number.
            clearml_task_id: Which runs it.
            plan: As the task carries it.
            started_at: When it was enqueued, aware; None: now.
        """
        stored = clean_json(plan, what=f"{job_key}: plan of attempt {attempt}")
        row = {
            "job_key": job_key,
            "attempt": attempt,
            "clearml_task_id": clearml_task_id,
            "plan": stored,
            "started_at": func.now() if started_at is None else started_at,
        }
        with self._database.transaction() as connection:
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
                    "ended_at": None,
                    "ran_s": None,
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

    def end_attempt(
        self, job_key: str, *, attempt: int, failure_class: str, reason: str, ran_s: float | None = None
    ) -> None:
        """Note how *attempt* ended. Said again, the later words count and the first time stays.

        Args:
            job_key: Of the evaluation.
            attempt: Its number.
            failure_class: How it ended.
            reason: A sentence.
            ran_s: Seconds in progress; None: nobody knows, and what was noted before stays.

        Raises:
            StoreError: No such attempt was recorded.
        """
        with self._database.transaction() as connection:
            ended = connection.execute(
                _ATTEMPTS.update()
                .where(_ATTEMPTS.c.job_key == job_key, _ATTEMPTS.c.attempt == attempt)
                .values(
                    failure_class=failure_class,
                    reason=clean_text(reason),
                    ended_at=func.coalesce(_ATTEMPTS.c.ended_at, func.now()),
                    ran_s=func.coalesce(ran_s, _ATTEMPTS.c.ran_s),
                )
            )
            if ended.rowcount != 1:
                raise StoreError(f"Evaluation {job_key} has no attempt {attempt}. Call record_attempt first.")

    def all_attempts(self, *, limit: int = 10_000) -> list[Attempt]:
        """Attempts of every evaluation, the newest first."""
        query = select(_ATTEMPTS).order_by(_ATTEMPTS.c.started_at.desc(), _ATTEMPTS.c.job_key).limit(limit)
        with self._database.transaction() as connection:
            return [Attempt(**utc_times(row._mapping)) for row in connection.execute(query)]

    def attempts_of(self, job_keys: Collection[str]) -> list[Attempt]:
        """Attempts of some evaluations, the newest first."""
        query = (
            select(_ATTEMPTS)
            .where(_ATTEMPTS.c.job_key.in_(list(job_keys)))
            .order_by(_ATTEMPTS.c.started_at.desc(), _ATTEMPTS.c.job_key)
        )
        with self._database.transaction() as connection:
            return [Attempt(**utc_times(row._mapping)) for row in connection.execute(query)]

    def attempts(self, job_key: str) -> list[Attempt]:
        query = select(_ATTEMPTS).where(_ATTEMPTS.c.job_key == job_key).order_by(_ATTEMPTS.c.attempt)
        with self._database.transaction() as connection:
            return [Attempt(**utc_times(row._mapping)) for row in connection.execute(query)]


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


def evaluation_from(columns: Mapping[Any, Any]) -> Evaluation:
    values = utc_times(columns)
    for name in ("state", "reached"):
        values[name] = EvaluationState(values[name])
    return Evaluation(**values)


def _is_closed(row: Row[Any]) -> bool:
    return bool(row.state == EvaluationState.CANCELLED and row.reason_code in CLOSED_CODES)


def _check_holder(row: Row[Any], dag_run_id: str) -> None:
    if row.dag_run_id != dag_run_id:
        raise ClaimLostError(
            f"Evaluation {row.job_key} is held by run {row.dag_run_id}, not {dag_run_id}. "
            "Leave it to that run; this one's task has nothing left to do."
        )
    if _is_closed(row):
        raise ClaimLostError(
            f"Evaluation {row.job_key} is closed: {row.reason} "
            "Leave it to that run; this one's task has nothing left to do."
        )


def _cleaned(job_key: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    if unknown := fields.keys() - _UPDATABLE:
        raise TypeError(f"nothing may set {sorted(unknown)}, only {sorted(_UPDATABLE)}")
    return {
        name: clean_text(value) if isinstance(value, str) else clean_json(value, what=f"{job_key}: {name}")
        for name, value in fields.items()
    }


def _write(
    connection: Connection,
    row: Row[Any],
    *,
    state: EvaluationState | None,
    values: dict[str, Any],
    entries: Sequence[OutboxEntry],
) -> None:
    """Write what changes in a locked *row*, and add to the outbox."""
    if state is not None:
        values = _moved(row, EvaluationState(state), values)
    if values:
        connection.execute(
            _EVALUATIONS.update()
            .where(_EVALUATIONS.c.job_key == row.job_key)
            .values(values | {"updated_at": func.now()})
        )
    insert_entries(connection, entries)
    if state is not None and state != row.state:
        log.info("evaluation %s: %s → %s", row.job_key, row.state, EvaluationState(state))


def _judge(row: Row[Any], *, dag_run_id: str, request_path: str) -> tuple[ClaimOutcome, bool]:
    """What a claim of an existing *row* gives, and whether the row starts anew."""
    state = EvaluationState(row.state)
    if state in LIVE:
        # Two requests of one run may ask for the same thing: only the first one's group evaluates it.
        same = row.dag_run_id == dag_run_id and row.request_path == request_path
        return (ClaimOutcome.CLAIMED if same else ClaimOutcome.HELD), False
    curable = bool(RECHECKED_CODES & {row.failure_class, row.reason_code})
    if state is EvaluationState.FAILED or (state is EvaluationState.REFUSED and curable):
        return ClaimOutcome.CLAIMED, True
    return ClaimOutcome(state.value), False


def _moved(row: Row[Any], new: EvaluationState, values: dict[str, Any]) -> dict[str, Any]:
    """*values*, and what entering the state *new* sets beside them."""
    current, reached = EvaluationState(row.state), EvaluationState(row.reached)
    if not may_follow(new, current, reached=reached):
        hint = (
            "A published result is final: RERUN or force evaluates again under another key."
            if current is EvaluationState.PUBLISHED
            else "Clear the step that comes next, or an earlier one."
        )
        raise StoreError(
            f"Evaluation {row.job_key} is {current} (reached {reached}) and cannot become {new}. {hint}"
        )
    if new is EvaluationState.PUBLISHED and values.get("scores", row.scores) is None:
        raise StoreError(f"Evaluation {row.job_key} has no scores to publish. Clear post_process.")
    forgotten = {} if new in STOPPED else dict.fromkeys(_FAILURE_FIELDS)
    return forgotten | values | {"state": new.value, "reached": reached_after(new, reached=reached).value}
