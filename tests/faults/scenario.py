"""What a quick scenario does, and what must come of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from tests.faults.jobs import Fate
from tests.faults.rest import Service

Step = Literal["plan_resources", "enqueue", "poll_status", "fetch_results", "post_process", "publish"]
Person = Literal["marks it failed", "clears it, old trigger killed first", "clears it, new try first"]
Signal = Literal["SIGKILL", "SIGTERM"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskKill:
    """End the Airflow task's own process, on its first try."""

    signal: Signal
    service: Service | None
    """None: while it waits for PostgreSQL, whose row is locked."""
    endpoint: str = ""
    """While the server has this call and has not answered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What a row of docs/reference/reliability.md is about, and what must come of it."""

    id: str
    step: Step
    what: str
    """What is done to which process, and when."""
    final: Literal["published", "cancelled", "failed"] = "published"
    status: Literal["FINISHED", "CANCELLED", "PENDING"] = "FINISHED"
    """Of the request file."""
    endings: tuple[str, ...] = ("succeeded",)
    """Failure classes of the attempts."""
    or_endings: tuple[str, ...] | None = None
    """As good: of two things that happen at once, either may be first."""
    jobs: int | None = None
    """Processes that were started; None: as many as attempts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario(Row):
    """One that needs no scheduler."""

    faults: Mapping[Service, tuple[Mapping[str, Any], ...]] = field(default_factory=dict)
    """Armed when *step* begins."""
    fates: tuple[Fate, ...] = ()
    """Of the first jobs; the others finish."""
    task_kill: TaskKill | None = None
    triggerer: Signal | None = None
    """Ends the process in which the trigger runs, while the job evaluates."""
    server: Signal | None = None
    """Ends the embedded server, while the job evaluates."""
    backend_terminated: bool = False
    """PostgreSQL ends the connection of *step*'s first try, which waits for a row."""
    person: Person | None = None
    timeout_s: float = 30.0
    """Of the ClearML connection."""
    lost_after_s: float | None = None
    """None: as the cluster says."""
    slow: bool = False
    """Only in ``make test-faults``."""
