"""What a reconciliation sees: ClearML's jobs, Airflow's runs, evaluations, and requests that say RUNNING."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from palmares.store.store import Evaluation

LIVE_RUN = frozenset({"queued", "running", "restarting"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A ClearML task of ours."""

    task_id: str
    job_key: str
    status: str
    is_live: bool
    """Queued or in progress."""
    is_success: bool
    attempt: int
    waiter: str | None
    """Token of the Airflow try that waited last."""
    stop_cause: str | None
    """Why Airflow stopped this attempt; ``killed``: a person did."""
    stop_reason: str
    results_attempt: int | None
    """The attempt whose upload the evaluator verified."""
    silent_s: float | None
    """Seconds without a sign of life; None: not in progress."""
    age_s: float
    """Seconds since the attempt was enqueued."""
    live_children: tuple[str, ...] = ()
    """Tasks of a multi-node job that are still queued or in progress."""

    @property
    def has_results(self) -> bool:
        return self.is_success or self.results_attempt == self.attempt


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFacts:
    """A DAG run that holds evaluations, as Airflow sees it now."""

    run_id: str
    state: str | None
    """None: it was deleted."""
    open_groups: frozenset[str] | None = frozenset()
    """Job keys whose group has an unfinished task; None: not known which, so any may have."""
    is_summed_up: bool = True
    """Whether `summarize`, which settles what is left, is over."""

    def waits_for(self, job_key: str) -> bool:
        """Tell whether a task instance of this run is still to come for the job."""
        return self.state in LIVE_RUN and (self.open_groups is None or job_key in self.open_groups)

    def speaks_for(self, job_key: str) -> bool:
        """Tell whether this run will still settle the evaluation by itself."""
        return self.waits_for(job_key) or (self.state in LIVE_RUN and not self.is_summed_up)

    @property
    def words(self) -> str:
        if self.state is None:
            return f"run {self.run_id} was deleted"
        if self.state in LIVE_RUN:
            return f"run {self.run_id} goes on without it"
        return f"run {self.run_id} is over ({self.state})"


@dataclass(frozen=True, slots=True, kw_only=True)
class SourcesOfTruth:
    """What was read; requests and jobs before the store, the store before the runs."""

    running_requests: Sequence[str]
    """Paths of the request files that say RUNNING, at one commit."""
    jobs: Sequence[Job]
    evaluations: Sequence[Evaluation]
    runs: Mapping[str, RunFacts]
    now: datetime
    grace_s: float
    """How long everything may be under way without being complained about."""
    lost_after_s: float
    """Seconds without a sign of life after which a job in progress is lost."""
