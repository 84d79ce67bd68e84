"""ClearML's side of a reconciliation: our jobs as plain facts, and the few things that are done to them."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from clearml_provider.hook import ClearMLHook
    from clearml_provider.models import TaskInfo
    from palmares.leaderboard.clusters import Cluster
    from palmares.steps.reconcile.sources import Job
    from palmares.store.store import Evaluation

log = logging.getLogger(__name__)

TAG = "palmares"
"""On every task that `plan_resources` describes."""
CAUSE_ORPHAN = "orphan"
"""Stop cause of a job that nobody waits for any more."""
RESULTS_ATTEMPT = "results_attempt"
"""User property that the evaluator sets once the upload of that attempt was verified."""
STOP_GRACE_S = 10.0
"""For agents to stop their job; those that do not answer lose it."""
KILL_PATIENCE_S = 30.0
"""How long the triggerer may take to act on a task that was marked failed."""
QUEUES_BUDGET_S = 5.0
"""How long a plan may wait to hear how long the queues are: it can be made without."""
ARCHIVED = "archived"


class ClearMLJobs:
    """What `palmares.steps.reconcile.actions` asks of ClearML (its ``Cluster``)."""

    def __init__(self, hook: ClearMLHook) -> None:
        self._hook = hook

    def jobs(self) -> list[Job]:
        """All our jobs but archived ones; those that were enqueued before drafts, then the oldest."""
        from clearml_provider import api
        from clearml_provider.flows.nodes import is_live
        from clearml_provider.models import MULTI_NODE_TAG, TaskStatus

        tasks = [t for t in self._hook.run(api.find_tasks_by_tag(TAG)) if ARCHIVED not in t.system_tags]
        ids = {task.id for task in tasks}
        live_children: dict[str, list[str]] = {}
        masters = []
        for task in tasks:
            if task.parent_id not in ids and MULTI_NODE_TAG not in task.system_tags:
                masters.append(task)
            elif task.parent_id and MULTI_NODE_TAG in task.system_tags and is_live(task):
                live_children.setdefault(task.parent_id, []).append(task.id)
        masters.sort(key=lambda task: task.status is TaskStatus.CREATED)
        return [_job(task, tuple(live_children.get(task.id, ()))) for task in masters if _key(task)]

    def cancel(self, job: Job, *, reason: str) -> bool:
        """Cancel this attempt with its nodes, unless another try waits for it by now."""
        from clearml_provider.flows.cancel import cancel

        ended = self._hook.run(
            cancel(
                job.task_id,
                attempt=job.attempt,
                cause=CAUSE_ORPHAN,
                reason=reason,
                waiter=job.waiter,
                grace_s=STOP_GRACE_S,
            )
        )
        return ended or not job.is_live

    def declare_completed(self, job: Job, *, reason: str) -> None:
        """Call a job completed whose results are there though its agent is not."""
        from clearml_provider.exceptions import ClearMLMovedError
        from clearml_provider.flows.cancel import adopt

        try:
            self._hook.run(adopt(self._hook.task(job.task_id), reason=reason))
        except ClearMLMovedError as error:
            log.warning("%s", error)


def cancel_replaced(job_key: str, reason: str) -> None:
    """Stop the job of a key, if it has a live one, because another run asked for a new result."""
    from clearml_provider.flows.cancel import cancel
    from clearml_provider.hook import ClearMLHook
    from clearml_provider.outcomes import CAUSE_FORCED

    hook = ClearMLHook()
    try:
        task = hook.find_by_key(job_key)
        if task is None:
            return
        flow = cancel(task.id, attempt=task.attempt, cause=CAUSE_FORCED, reason=reason, grace_s=STOP_GRACE_S)
        if hook.run(flow):
            log.info("ClearML task %s, attempt %s: cancelled. %s", task.id, task.attempt, reason)
    finally:
        hook.close()


def queue_depths(clusters: Iterable[Cluster]) -> dict[str, int]:
    """How many jobs wait or run, by each queue that an agent serves, or Airflow on a Docker host.

    Args:
        clusters: Of the settings; those of Docker hosts need no agent.

    Returns:
        Empty when ClearML is out of reach: planning goes on without.
    """
    from clearml_provider.exceptions import ClearMLError
    from clearml_provider.hook import ClearMLHook
    from clearml_provider.transport import RetryPolicy

    launched = {queue for one in clusters if one.docker is not None for queue in one.queues.values()}
    hook = ClearMLHook(retry=RetryPolicy(budget_s=QUEUES_BUDGET_S))
    try:
        return {
            one.name: one.waiting + one.busy
            for one in hook.queue_statistics()
            if one.workers or one.name in launched
        }
    except ClearMLError as error:
        log.warning("cannot ask ClearML how long its queues are, planning goes on without: %s", error)
        return {}
    finally:
        hook.close()


def killed_jobs(
    evaluations: Sequence[Evaluation], *, patience_s: float = KILL_PATIENCE_S, pause_s: float = 1.0
) -> dict[str, str]:
    """Find the jobs that a person cancelled by marking their waiting task failed in Airflow.

    The triggerer cancels a moment after the mark, and the run's summary may be as fast: a job that lives
    while its evaluation has no told end is looked at again until *patience_s* are over.

    Returns:
        Why, by job key. Empty when ClearML is out of reach: `reconcile_requests` finds them later.
    """
    from clearml_provider.exceptions import ClearMLError
    from clearml_provider.hook import ClearMLHook
    from palmares.store.store import LIVE

    open_keys = {one.job_key: one.state in LIVE for one in evaluations}
    killed: dict[str, str] = {}
    deadline = time.monotonic() + patience_s
    hook = ClearMLHook()
    try:
        while open_keys:
            found, undecided = _look(hook, open_keys)
            killed |= found
            open_keys = dict.fromkeys(undecided, True)
            if not open_keys or time.monotonic() >= deadline:
                break
            time.sleep(pause_s)
    except ClearMLError as error:
        log.warning("cannot ask ClearML which jobs a person cancelled, going on without: %s", error)
    finally:
        hook.close()
    if open_keys:
        log.warning(
            "%s jobs go on though nobody waits for them: reconcile_requests ends them", len(open_keys)
        )
    return killed


def _look(hook: ClearMLHook, keys: dict[str, bool]) -> tuple[dict[str, str], list[str]]:
    """The killed ones of *keys* with their reasons, and those that may still become so."""
    from clearml_provider.flows.nodes import is_live
    from clearml_provider.outcomes import CAUSE_KILLED, STOP_REASON, stop_cause

    killed, undecided = {}, []
    for key, has_no_told_end in keys.items():
        task = hook.find_by_key(key)
        if task is None or task.status.is_success:
            continue
        if stop_cause(task) == CAUSE_KILLED:
            killed[key] = task.user_properties.get(STOP_REASON) or "Cancelled from Airflow."
        elif is_live(task) and has_no_told_end:
            undecided.append(key)
    return killed, undecided


def _key(task: TaskInfo) -> str:
    from clearml_provider.flows.create import IDEMPOTENCY_KEY

    return task.user_properties.get(IDEMPOTENCY_KEY, "")


def _job(task: TaskInfo, live_children: Iterable[str]) -> Job:
    from clearml_provider.flows.nodes import is_live
    from clearml_provider.models import ENQUEUED_AT, WAITER
    from clearml_provider.outcomes import STOP_REASON, stop_cause
    from palmares.steps.reconcile.sources import Job

    said = task.user_properties
    enqueued_at, results = said.get(ENQUEUED_AT, ""), said.get(RESULTS_ATTEMPT, "")
    created = task.created.timestamp() if task.created else 0.0
    began = float(enqueued_at) if enqueued_at.isdecimal() else created
    return Job(
        task_id=task.id,
        job_key=_key(task),
        status=task.status.value,
        is_live=is_live(task),
        is_success=task.status.is_success,
        attempt=task.attempt,
        waiter=said.get(WAITER) or None,
        stop_cause=stop_cause(task),
        stop_reason=said.get(STOP_REASON, ""),
        results_attempt=int(results) if results.isdecimal() else None,
        silent_s=task.silent_s,
        age_s=max(0.0, task.server_time.timestamp() - began),
        live_children=tuple(live_children),
    )
