"""The steps that must be right together: enqueue once, start the next attempt, cancel one's own attempt."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping

from clearml_provider import calls, creation
from clearml_provider.endings import ENDINGS, STOP_CAUSE, STOP_REASON, AttemptEdit, Ending, past_endings
from clearml_provider.exceptions import (
    ClearMLAPIError,
    ClearMLConfigError,
    ClearMLLostAnswerError,
    ClearMLNotFoundError,
    ClearMLUnavailableError,
)
from clearml_provider.models import TaskInfo, TaskSpec
from clearml_provider.status import TaskStatus
from clearml_provider.wire import SUBCODE_INVALID_TASK_STATUS, SUBCODE_LOST_RACE, Flow, Pause

log = logging.getLogger(__name__)

IDEMPOTENCY_KEY = "idempotency_key"
ATTEMPT = "attempt"
ENQUEUED_AT = "enqueued_at"
"""User property: when the attempt was enqueued, in seconds since the epoch; deadlines count from it."""
WAITER = "waiter"
"""User property: token of the Airflow try that waits now; only that one may cancel."""

MULTI_NODE_TAG = "multi_node_instance"
"""System tag of the clones that ``launch_multi_node`` makes, which inherit their master's tags."""

_TRIES = 4
_SETTLE_S = 0.5
_RACES = {SUBCODE_INVALID_TASK_STATUS, SUBCODE_LOST_RACE}


def key_tag(key: str) -> str:
    """The tag that a lookup by key filters on."""
    return f"key:{key}"


def find_by_key(key: str) -> Flow[TaskInfo | None]:
    """The one task of *key*; drafts that a lost answer or a rival left beside it are deleted.

    One that was enqueued is preferred to a draft, then the oldest. Copies of a task of the same key (a
    multi-node job's children, a person's clone) carry its tag too; they are neither chosen nor deleted.
    """
    tasks = yield from calls.find_tasks_by_tag(key_tag(key))
    ids = {task.id for task in tasks}
    own = [t for t in tasks if t.parent_id not in ids and MULTI_NODE_TAG not in t.system_tags]
    if not own:
        return None
    own.sort(key=lambda task: task.status is TaskStatus.CREATED)  # stable: oldest first within each
    keeper, *others = own
    drafts = [task.id for task in others if task.status is TaskStatus.CREATED]
    if drafts:
        log.warning("Key %s: keeping ClearML task %s, deleting duplicates %s", key, keeper.id, drafts)
        yield from calls.delete_drafts(drafts)
    return keeper


def enqueue_once(
    spec: TaskSpec, *, queue: str, key: str, create_queue_if_missing: bool = False
) -> Flow[TaskInfo]:
    """See to it that exactly one task of *key* exists and is on its way; return it as it is then.

    A new one is created and enqueued. One that is queued, running or done is adopted. One that failed or was
    stopped starts its next attempt, with the hyperparameters and user properties of *spec* and fresh budgets.

    Raises:
        ClearMLConfigError: There is no such queue or template, or the key is empty.
        ClearMLUnavailableError: The server did not answer within the budget.
    """
    if not key:
        raise ClearMLConfigError("An empty idempotency key: every job would be the same one.")
    target = yield from calls.resolve_queue(queue, create_if_missing=create_queue_if_missing)
    first = {IDEMPOTENCY_KEY: key, ATTEMPT: "1", ENQUEUED_AT: _now()}
    problem: Exception | None = None
    created_id = None
    for _ in range(_TRIES):
        task = yield from find_by_key(key)
        if task is None:
            try:
                created_id = yield from creation.create_task(spec, tags=[key_tag(key)], properties=first)
                log.info("Key %s: created ClearML task %s", key, created_id)
            except ClearMLLostAnswerError as error:
                log.warning("Key %s: %s Looking before trying again.", key, error)
                problem = error
                yield Pause(_SETTLE_S)
            continue  # look again: the answer may be lost, or a rival may have been faster
        try:
            if task.status is TaskStatus.CREATED:
                if task.id != created_id:  # left by a try that died or lost its answer: its clock starts now
                    yield from creation.edit_hyperparams(task.id, properties={ENQUEUED_AT: _now()})
                yield from _enqueue(task.id, target.id)
                log.info("Key %s: enqueued ClearML task %s on %s", key, task.id, queue)
            elif task.status in {TaskStatus.STOPPED, TaskStatus.FAILED}:
                edit = AttemptEdit(hyperparams=spec.hyperparams, user_properties=spec.user_properties)
                yield from start_attempt(task, queue_id=target.id, edit=edit, fresh=True)
            else:
                log.info("Key %s: ClearML task %s is already %s, going on with it", key, task.id, task.status)
            return (yield from calls.get_task(task.id))
        except ClearMLNotFoundError as error:  # a rival kept another one and deleted this
            problem = error
        except ClearMLAPIError as error:  # it moved between reading and enqueueing
            if error.subcode not in _RACES:
                raise
            problem = error
            yield Pause(_SETTLE_S)
    raise ClearMLUnavailableError(
        f"Key {key}: no task could be settled on in {_TRIES} looks ({problem}). "
        f"Look at the tasks tagged {key_tag(key)!r} in ClearML, then clear this task."
    ) from problem


def start_attempt(task: TaskInfo, *, queue_id: str, edit: AttemptEdit, fresh: bool = False) -> Flow[int]:
    """Enqueue an ended task again as its next attempt and return that attempt's number.

    Hyperparameters, attempt and the rest are written in one edit, before the task is enqueued. A stopped or
    failed task keeps its metrics and artifacts; a completed one has to be reset, and loses them.

    Args:
        task: As just read; it must have ended.
        queue_id: Where to.
        edit: What to change; its own ``queue`` is not looked at.
        fresh: Forget earlier endings: budgets start anew.
    """
    attempt = task.attempt + 1
    if task.status.is_success:
        yield from calls.reset(task.id)
    properties = {**edit.user_properties, ATTEMPT: str(attempt), ENQUEUED_AT: _now()}
    properties |= {STOP_CAUSE: "", STOP_REASON: ""}
    if fresh:
        properties[ENDINGS] = "[]"
    yield from creation.edit_hyperparams(task.id, hyperparams=edit.hyperparams, properties=properties)
    yield from _enqueue(task.id, queue_id)
    log.info(
        "ClearML task %s was %s (%s): attempt %d enqueued%s",
        task.id,
        task.status,
        task.status_reason or "no reason given",
        attempt,
        f", {edit.note}" if edit.note else "",
    )
    return attempt


def record_ending(task: TaskInfo, ending: Ending) -> Flow[None]:
    """Note on the task that Airflow was told how this attempt ended, so that its retry makes the next one."""
    past = [e for e in past_endings(task) if e.attempt != task.attempt]
    rows: list[list[int | str]] = [[e.attempt, e.failure_class] for e in past]
    rows.append([task.attempt, ending.failure_class])
    yield from creation.edit_hyperparams(task.id, properties={ENDINGS: json.dumps(rows)})


def take_over(task: TaskInfo, waiter: str) -> Flow[None]:
    """Make *waiter* the only one that may cancel: an older trigger's on_kill comes too late from now on."""
    yield from creation.edit_hyperparams(task.id, properties={WAITER: waiter})


def cancel(
    task_id: str,
    *,
    attempt: int,
    cause: str,
    reason: str,
    waiter: str | None = None,
    grace_s: float = 30.0,
    poll_s: float = 1.0,
) -> Flow[bool]:
    """Stop one attempt, and free what it holds: ask the agent, then declare it stopped.

    ``tasks.stop`` is sent once: repeating it renews ``last_update``, and a dead node's job looks alive.

    Args:
        task_id: Which task.
        attempt: Nothing is done when another attempt is current.
        cause: Identifier kept in the user property ``stop_cause``.
        reason: Sentence kept in the user property ``stop_reason`` (ClearML overwrites its own).
        waiter: Nothing is done when another try waits; None: whoever waits.
        grace_s: Seconds that the agent has.
        poll_s: Seconds between looks.

    Returns:
        Whether this call ended it; False: not ours, in no queue, or over already.
    """
    task = yield from calls.get_task(task_id)
    if not _is_ours(task, attempt, waiter) or task.status.is_terminal or task.status is TaskStatus.CREATED:
        return False
    why: Mapping[str, str] = {STOP_CAUSE: f"{attempt}:{cause}", STOP_REASON: reason}
    yield from creation.edit_hyperparams(task_id, properties=why)
    yield from _ignoring_races(calls.stop(task_id, reason=reason))
    waited_s = 0.0
    while True:
        task = yield from calls.get_task(task_id)
        if not _is_ours(task, attempt, waiter) or task.status.is_terminal:
            return task.status.is_terminal
        if waited_s >= grace_s:
            break
        yield Pause(min(poll_s, grace_s - waited_s))
        waited_s += poll_s
    log.warning(
        "ClearML task %s: its agent did not stop it within %g s, ending it by force", task_id, grace_s
    )
    yield from _ignoring_races(calls.stopped(task_id, reason=reason, force=True))
    return True


def _enqueue(task_id: str, queue_id: str) -> Flow[None]:
    if not (yield from calls.enqueue(task_id, queue_id)):
        log.warning("ClearML task %s waits in a queue that no agent serves at the moment", task_id)


def _is_ours(task: TaskInfo, attempt: int, waiter: str | None) -> bool:
    return task.attempt == attempt and (waiter is None or task.user_properties.get(WAITER) == waiter)


def _ignoring_races(flow: Flow[None]) -> Flow[None]:
    """It ended by itself in the same moment: that is as good."""
    try:
        yield from flow
    except ClearMLAPIError as error:
        if error.subcode not in _RACES:
            raise


def _now() -> str:
    return f"{time.time():.0f}"
