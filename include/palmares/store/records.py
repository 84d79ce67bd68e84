"""What the store gives back: frozen copies of rows, times in UTC."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from palmares.leaderboard.errors import Refusal
from palmares.store.states import CLOSED_CODES, REPLACED, EvaluationState


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


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRefusal:
    """A request file that was refused before it became an evaluation."""

    request_path: str
    blob_oid: str
    """Git's id of the refused content: another content of the same file is looked at again."""
    model_id: str | None
    refusal: Refusal
    dag_run_id: str
    created_at: datetime
    lifted_at: datetime | None
    """When the request was admitted after all; None while it stands refused."""


def utc_times(columns: Mapping[Any, Any]) -> dict[str, Any]:
    """A row's *columns* by name, times in UTC whatever the session's time zone."""
    return {
        name: value.astimezone(UTC) if isinstance(value, datetime) else value
        for name, value in columns.items()
    }


def evaluation_from(columns: Mapping[Any, Any]) -> Evaluation:
    values = utc_times(columns)
    for name in ("state", "reached"):
        values[name] = EvaluationState(values[name])
    return Evaluation(**values)
