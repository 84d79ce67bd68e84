"""Rows of the operators' pages, made from what the store holds; no I/O."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from palmares_airflow.common import START

if TYPE_CHECKING:
    from palmares.store.store import Attempt, Evaluation

ZONE = START.tzinfo
SUCCEEDED = "succeeded"


@dataclass(frozen=True, slots=True, kw_only=True)
class Links:
    """Makes the addresses of what a row stands for."""

    run: Callable[[str], str]
    """Of a run's id."""
    request: Callable[[str], str]
    """Of a request file's path."""
    clearml: Callable[[str], str]
    """Of a ClearML task's id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptRow:
    """One attempt that ended."""

    attempt: int
    failure_class: str
    """Empty: it has not ended."""
    reason: str
    ended: str
    plan: str
    forecast_gpu_hours: float | None
    """Of its plan; None: the plan has none."""
    clearml_url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRow:
    """One evaluation of a model, with its attempts."""

    job_key: str
    model: str
    precision: str
    revision: str
    state: str
    reason: str
    """Why it stopped; empty: it did not."""
    run_id: str
    run_url: str
    request_path: str
    request_url: str
    clearml_url: str
    """Empty: it has no job yet."""
    plan: str
    claimed: str
    changed: str
    attempts: tuple[AttemptRow, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureRow:
    """What ended attempts and evaluations for one cause."""

    cause: str
    count: int
    nights: int
    """On how many dates."""
    last: str
    models: tuple[str, ...]
    example: str
    """The newest reason."""


def model_rows(
    evaluations: Iterable[Evaluation], attempts: Iterable[Attempt], links: Links
) -> tuple[ModelRow, ...]:
    """Evaluations, the one that changed last first."""
    of_key: dict[str, list[Attempt]] = defaultdict(list)
    for attempt in attempts:
        of_key[attempt.job_key].append(attempt)
    newest = sorted(evaluations, key=lambda one: one.updated_at, reverse=True)
    return tuple(_model_row(one, of_key[one.job_key], links) for one in newest)


def _model_row(one: Evaluation, attempts: Sequence[Attempt], links: Links) -> ModelRow:
    task = one.clearml_task_id
    return ModelRow(
        job_key=one.job_key,
        model=one.model_id,
        precision=one.precision,
        revision=one.revision,
        state=one.state.value,
        reason=one.reason or "",
        run_id=one.dag_run_id,
        run_url=links.run(one.dag_run_id),
        request_path=one.request_path,
        request_url=links.request(one.request_path),
        clearml_url=links.clearml(task) if task else "",
        plan=plan_text(one.plan),
        claimed=shown(one.created_at),
        changed=shown(one.updated_at),
        attempts=tuple(
            AttemptRow(
                attempt=each.attempt,
                failure_class=each.failure_class or "",
                reason=each.reason or "",
                ended=shown(each.ended_at),
                plan=plan_text(each.plan),
                forecast_gpu_hours=_number(each.plan.get("gpu_hours")),
                clearml_url=links.clearml(each.clearml_task_id),
            )
            for each in sorted(attempts, key=lambda each: each.attempt)
        ),
    )


def failure_rows(evaluations: Iterable[Evaluation], attempts: Iterable[Attempt]) -> tuple[FailureRow, ...]:
    """Failures by cause, the most frequent first.

    An attempt counts by its class; an evaluation that stopped without an attempt of that class counts by its
    reason's code (a refusal of the planner's, say).
    """
    known = list(evaluations)
    names = {one.job_key: one.model_id for one in known}
    found: dict[str, list[tuple[datetime, str, str]]] = defaultdict(list)
    classes: dict[str, set[str]] = defaultdict(set)
    for each in attempts:
        if each.failure_class and each.failure_class != SUCCEEDED and each.job_key in names:
            classes[each.job_key].add(each.failure_class)
            when = each.ended_at or each.started_at
            found[each.failure_class].append((when, names[each.job_key], each.reason or ""))
    for one in known:
        code = one.reason_code or one.failure_class
        if code and code not in classes[one.job_key]:
            found[code].append((one.updated_at, one.model_id, one.reason or ""))
    rows = [_failure_row(cause, sorted(events, reverse=True)) for cause, events in found.items()]
    return tuple(sorted(rows, key=lambda row: (-row.count, row.cause)))


def _failure_row(cause: str, newest_first: Sequence[tuple[datetime, str, str]]) -> FailureRow:
    return FailureRow(
        cause=cause,
        count=len(newest_first),
        nights=len({_date(when) for when, _, _ in newest_first}),
        last=shown(newest_first[0][0]),
        models=tuple(sorted({model for _, model, _ in newest_first})),
        example=newest_first[0][2],
    )


def plan_text(plan: Mapping[str, Any] | None) -> str:
    """A plan in a few words; empty: there is none."""
    if not plan or "nodes" not in plan:
        return ""
    size = f"{plan['nodes']} x {plan.get('gpus_per_node', '?')} GPU on {plan.get('cluster', '?')}"
    return f"{size}, queue {plan.get('queue', '?')}, wall time {plan.get('walltime', '?')}"


def shown(moment: datetime | None) -> str:
    """A moment with its zone; empty: there is none."""
    return "" if moment is None else moment.astimezone(ZONE).strftime("%Y-%m-%d %H:%M %Z")


def _date(moment: datetime) -> date:
    return moment.astimezone(ZONE).date()


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None
