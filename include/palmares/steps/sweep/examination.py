"""What one commit of the requests dataset asks for: read, select and check every request; write nothing."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from datetime import datetime

from pydantic import BaseModel, ConfigDict

from palmares.benchmarks.registry import suite_hash
from palmares.hub import HubFile
from palmares.leaderboard.errors import HubError, Refusal, RefusedError
from palmares.leaderboard.submissions.admission import Case, examine
from palmares.leaderboard.submissions.moderation import Moderation
from palmares.leaderboard.submissions.queue import Waiting
from palmares.leaderboard.submissions.refusals import refused
from palmares.leaderboard.submissions.request_file import (
    RequestFile,
    RequestStatus,
    is_request_path,
    parse_request,
)
from palmares.leaderboard.submissions.status_machine import ASKS_AGAIN
from palmares.steps.requests.refusals import is_writable
from palmares.steps.services import Services
from palmares.steps.sweep.history import history_of
from palmares.steps.sweep.run_numbers import with_run_number
from palmares.store.store import EvaluationState

log = logging.getLogger(__name__)

LOOKED_AT_AGAIN = ("not_found:", "gated:")
"""Refusals that the owner of a model can lift without submitting again."""
SETTLED = frozenset({RequestStatus.FINISHED, RequestStatus.FAILED, RequestStatus.CANCELLED})
THREADS = 8
"""Models that the Hub is asked about at a time."""
ADMISSION_PATIENCE_S = 600.0
"""Longest wait for another run's admission; a sweep of thousands asks the Hub about each."""


def one_admission_at_a_time(services: Services) -> AbstractContextManager[None]:
    """Hold the lock under which requests are claimed, so that no two runs split a night.

    Raises:
        StoreError: Another run admits for longer than anybody waits.
    """
    name = f"admission {services.settings.hub.requests_repo}"
    return services.store.database.advisory_lock(name, timeout_s=ADMISSION_PATIENCE_S)


class SweepOptions(BaseModel):
    """The DAG's params, and the interval of a backfill."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    models: tuple[str, ...] | None = ()
    """Empty or None: all."""
    suite: str | None = None
    cluster: str | None = None
    max_models: int = 50
    limit_samples: int | None = None
    force: bool = False
    dry_run: bool = False
    submitted_after: datetime | None = None
    """Backfills only: inclusive."""
    submitted_before: datetime | None = None
    """Backfills only: exclusive."""

    @property
    def is_chosen(self) -> bool:
        """Whether a person, or a backfill, said which requests it is about."""
        return bool(self.models) or self.submitted_after is not None

    @property
    def asks_for_more_than_waits(self) -> bool:
        """Whether settled requests count too: forced or tried out, and chosen by name or by interval."""
        return self.is_chosen and (self.force or self.limit_samples is not None)

    def selects(self, request: RequestFile) -> bool:
        """Tell whether the run is about this request at all (its status aside)."""
        if self.models and request.model_id not in self.models:
            return False
        if self.submitted_after is None or self.submitted_before is None:
            return True
        return (
            request.submitted_time is not None
            and self.submitted_after <= request.submitted_time < self.submitted_before
        )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class RejectedRequest:
    """A request that is refused."""

    file: HubFile
    request: RequestFile | None
    """None: it cannot be read."""
    refusal: Refusal


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """What the requests of one commit ask for."""

    waiting: tuple[Waiting, ...]
    """Admissible, duplicates of one another included; by path."""
    asking_again: frozenset[str]
    """Paths of those among them that ask for a new result (RERUN, force)."""
    refused: tuple[RejectedRequest, ...]
    unanswered: Mapping[str, HubError]
    """Paths that the Hub does not answer about: nobody's fault, they wait."""
    named: frozenset[str]
    """Every model that a readable request names."""
    hub_names: Mapping[str, str]
    """What the Hub calls a model, by the name that was submitted, where that is another."""


@dataclasses.dataclass(frozen=True, slots=True)
class _Due:
    file: HubFile
    request: RequestFile


def examine_requests(
    services: Services,
    commit: str,
    *,
    dag_run_id: str,
    options: SweepOptions,
    moderation: Mapping[str, Moderation],
    own: frozenset[str] = frozenset(),
) -> Examined:
    """Parse and check every request that is due.

    Args:
        services: Open handles.
        commit: The requests dataset's commit to read.
        dag_run_id: Who asks; see :func:`with_run_number`.
        options: Which requests it is about.
        moderation: What people decided, by name.
        own: Paths that this run claimed before: a retry finds them RUNNING.
    """
    files = services.hub.read_json_files(services.settings.hub.requests_repo, commit=commit)
    known = services.store.request_files.refused_blobs()
    named: set[str] = set()
    due: list[_Due] = []
    rejected: list[RejectedRequest] = []
    for file in files:
        if not is_request_path(file.path):
            continue  # a dataset may hold other JSON, which is nobody's request
        is_known = (file.path, file.oid) in known
        try:
            if file.too_large:  # it was not even downloaded
                raise refused("invalid_json", detail="larger than a request may be")
            request = parse_request(file.path, file.content)
        except RefusedError as error:
            # Of unreadable ones only a run that takes everything speaks, and of each content once, unless it
            # can be written to and waits: then its sender put it back.
            if not options.is_chosen and (not is_known or is_writable(file)):
                rejected.append(RejectedRequest(file=file, request=None, refusal=error.refusal))
            continue
        named.add(request.model_id)
        if options.selects(request) and is_due(request, options=options, is_own=file.path in own):
            due.append(_Due(file, request))
    waiting: list[Waiting] = []
    unanswered: dict[str, HubError] = {}
    hub_names: dict[str, str] = {}
    for one, found in zip(due, _ask_about(services, due, options, moderation), strict=True):
        match found:
            case RefusedError():
                rejected.append(RejectedRequest(file=one.file, request=one.request, refusal=found.refusal))
            case HubError():
                # One model that cannot be asked about must not stop the night for all; it waits.
                log.warning("%s waits, the Hub does not answer about it: %s", one.file.path, found)
                unanswered[one.file.path] = found
            case Case():
                asked, hub_name = found.pinned.model_id, found.known.model_id
                if hub_name != asked:
                    log.warning(
                        "the Hub calls %s %s now; to show it so: palmares models rename", asked, hub_name
                    )
                    hub_names[asked] = hub_name
                waiting.append(_waiting(services, found, dag_run_id, options))
    return Examined(
        waiting=tuple(waiting),
        asking_again=frozenset(
            one.file.path for one in due if options.force or one.request.status in ASKS_AGAIN
        ),
        refused=tuple(rejected),
        unanswered=unanswered,
        named=frozenset(named),
        hub_names=hub_names,
    )


def is_due(request: RequestFile, *, options: SweepOptions, is_own: bool) -> bool:
    """Tell from its status whether a run looks at a request."""
    if request.status.waits:
        return True
    if options.asks_for_more_than_waits and request.status in SETTLED:
        return True
    if request.status is RequestStatus.FAILED:
        return str(request.raw.get("error_msg") or "").startswith(LOOKED_AT_AGAIN)
    if request.status is RequestStatus.RUNNING:
        # Its sender, or a person who names it, may ask for a new result: the running job is replaced.
        return is_own or (options.force and options.asks_for_more_than_waits)
    return False


def _ask_about(
    services: Services,
    due: list[_Due],
    options: SweepOptions,
    moderation: Mapping[str, Moderation],
) -> list[Case | RefusedError | HubError]:
    """Check all that are due, several at a time: the Hub is asked about each."""
    suite = services.settings.suite(options.suite)
    tasks_hash = suite_hash(suite.task_keys)
    clusters = services.settings.clusters if due else {}
    history = {name: history_of(services.store, cluster=name) for name in clusters}

    def check(one: _Due) -> Case | RefusedError | HubError:
        case = Case(
            request=one.request,
            blob_oid=one.file.oid,
            settings=services.settings,
            facts=services.hub.model_facts,
            suite_name=suite.name,
            suite_hash=tasks_hash,
            limit_samples=options.limit_samples,
            cluster_name=options.cluster,
            moderation=moderation,
            history=history,
        )
        try:
            return examine(case)
        except (RefusedError, HubError) as error:
            return error

    with ThreadPoolExecutor(min(THREADS, max(1, len(due)))) as pool:
        return list(pool.map(check, due))


def _waiting(services: Services, found: Case, dag_run_id: str, options: SweepOptions) -> Waiting:
    submission = with_run_number(
        services,
        found.pinned,
        dag_run_id=dag_run_id,
        force=options.force,
        rerun=found.request.status in ASKS_AGAIN,
    )
    known = services.store.evaluations.get(submission.job_key)
    return Waiting(
        submission=submission,
        gpu_hours=found.placed.gpu_hours,
        plan=found.placed,
        votes=found.request.votes,
        is_tried_again=known is not None and known.state is EvaluationState.FAILED,
    )
