"""A task is put on its way: created and enqueued once for a key, or enqueued as it is, or requeued."""

from __future__ import annotations

import logging

from clearml_provider import api
from clearml_provider.exceptions import (
    ClearMLAPIError,
    ClearMLConfigError,
    ClearMLLostAnswerError,
    ClearMLMovedError,
    ClearMLNotFoundError,
    ClearMLUnavailableError,
)
from clearml_provider.flows import attempts, create
from clearml_provider.flows.attempts import (
    intended_queue,
    moment,
    now_text,
    start_attempt,
)
from clearml_provider.flows.create import IDEMPOTENCY_KEY, find_by_key, key_tag
from clearml_provider.models import (
    ATTEMPT,
    ENQUEUED_AT,
    TaskInfo,
    TaskSpec,
    TaskStatus,
)
from clearml_provider.outcomes import ATTEMPT_QUEUE, AttemptEdit
from clearml_provider.transport import (
    RACES,
    SUBCODE_INVALID_TASK_STATUS,
    SUBCODE_LOST_RACE,
    Flow,
    Pause,
)

log = logging.getLogger(__name__)

REQUEUE_AFTER_S = 10.0
"""Between taking a task out of its queue and starting it an agent needs a moment; longer, and it died."""
_TRIES = 6
_SETTLE_S = 0.5


def enqueue_once(
    spec: TaskSpec,
    *,
    queue: str,
    key: str,
    create_queue_if_missing: bool = False,
    requeue_after_s: float = REQUEUE_AFTER_S,
) -> Flow[TaskInfo]:
    """See to it that exactly one task of *key* exists and is on its way; return it as it is then.

    A new one is created and enqueued. One that is queued, running or done is adopted; one that is queued but
    in no queue (its agent died on taking it) is requeued. One that failed, was stopped, or was reset by a
    person starts its next attempt, with the hyperparameters and user properties of *spec* and fresh budgets.

    Args:
        spec: What to create.
        queue: Its queue's name.
        key: What makes this job the same job.
        create_queue_if_missing: Else an unknown queue is an error.
        requeue_after_s: How long a task must be queued in no queue before it is requeued.

    Raises:
        ClearMLConfigError: There is no such queue or template, or the key is empty.
        ClearMLUnavailableError: The server did not answer within the budget.
    """
    if not key:
        raise ClearMLConfigError("An empty idempotency key: every job would be the same one.")
    target = yield from api.resolve_queue(queue, create_if_missing=create_queue_if_missing)
    first = {IDEMPOTENCY_KEY: key, ATTEMPT: "1", ENQUEUED_AT: now_text(), ATTEMPT_QUEUE: queue}
    problem: Exception | None = None
    created_id = None
    for _ in range(_TRIES):
        task = yield from find_by_key(key)
        if task is None:
            try:
                created_id = yield from create.create_task(spec, tags=[key_tag(key)], properties=first)
                log.info("Key %s: created ClearML task %s", key, created_id)
            except ClearMLLostAnswerError as error:
                log.warning("Key %s: %s Looking before trying again.", key, error)
                problem = error
                yield Pause(_SETTLE_S)
            continue  # poll again: the answer may be lost, or a rival may have been faster
        try:
            if _needs_new_attempt(task):
                edit = AttemptEdit(
                    hyperparams=spec.hyperparams, user_properties=spec.user_properties, queue=queue
                )
                yield from start_attempt(task, queue_id=target.id, edit=edit, fresh=True)
            elif task.status is TaskStatus.CREATED:
                if task.id != created_id:  # left by a try that died or lost its answer: its clock starts now
                    properties = {ENQUEUED_AT: now_text(), ATTEMPT_QUEUE: queue}
                    yield from create.edit_hyperparams(task.id, properties=properties)
                yield from attempts.enqueue(task, target.id)
                log.info("Key %s: enqueued ClearML task %s on %s", key, task.id, queue)
            else:
                log.info("Key %s: ClearML task %s is already %s, going on with it", key, task.id, task.status)
                yield from _requeue_if_nowhere(task, target.id, requeue_after_s)
            return (yield from api.get_task(task.id))
        except (ClearMLNotFoundError, ClearMLMovedError) as error:  # a rival's choice, or a rival was faster
            problem = error
        except ClearMLAPIError as error:  # it moved between reading and enqueueing
            if error.subcode not in RACES:
                raise
            problem = error
        yield Pause(_SETTLE_S)
    raise ClearMLUnavailableError(
        f"Key {key}: no task could be settled on in {_TRIES} tries ({problem}). "
        f"Look at the tasks tagged {key_tag(key)!r} in ClearML, then clear this task."
    ) from problem


def _needs_new_attempt(task: TaskInfo) -> bool:
    """Whether it ended badly, or was reset by a person after it had run."""
    if task.status is TaskStatus.CREATED:
        return intended_queue(task) is not None or task.status_reason == "reset"
    return task.status in {TaskStatus.STOPPED, TaskStatus.FAILED}


def _requeue_if_nowhere(task: TaskInfo, queue_id: str, after_s: float) -> Flow[None]:
    """Enqueue a task again that is queued, but in no queue's entries at two polls *after_s* apart."""
    if task.status is not TaskStatus.QUEUED or task.id in (yield from api.queued_task_ids()):
        return
    yield Pause(after_s)
    queued = yield from api.queued_task_ids()
    now = yield from api.get_task(task.id)
    if now.status is TaskStatus.QUEUED and moment(now) == moment(task) and task.id not in queued:
        log.warning(
            "ClearML task %s is queued but in no queue: its agent died on taking it. Put back", task.id
        )
        try:
            yield from api.requeue(task.id, now.queue_id or queue_id)
        except ClearMLLostAnswerError as error:
            raise ClearMLMovedError(f"ClearML task {task.id} may have been requeued: {error}") from error


def enqueue_task(task_id: str, *, queue: str, create_queue_if_missing: bool = False) -> Flow[TaskInfo]:
    """Put an existing task on its way, once: a draft is enqueued, a live or completed one adopted as it is.

    One that failed or was stopped starts its next attempt, unchanged, with fresh budgets.

    Raises:
        ClearMLConfigError: There is no such queue.
        ClearMLNotFoundError: There is no such task.
    """
    task = yield from api.get_task(task_id)
    target = yield from api.resolve_queue(queue, create_if_missing=create_queue_if_missing)
    problem: Exception | None = None
    for _ in range(_TRIES):
        try:
            if task.status is TaskStatus.CREATED:
                stamp = {ENQUEUED_AT: f"{task.server_time.timestamp():.0f}"}
                yield from create.edit_hyperparams(task_id, properties=stamp)
                if not (yield from api.enqueue(task_id, target.id)):
                    log.warning("ClearML task %s waits in %s, which no agent serves now", task_id, queue)
            elif task.status in {TaskStatus.STOPPED, TaskStatus.FAILED}:
                yield from attempts.start_attempt(task, queue_id=target.id, edit=AttemptEdit(), fresh=True)
            else:
                log.info("ClearML task %s is already %s, going on with it", task_id, task.status)
            return (yield from api.get_task(task_id))
        except (ClearMLAPIError, ClearMLMovedError) as error:  # it moved between reading and enqueueing
            if isinstance(error, ClearMLAPIError) and error.subcode not in RACES:
                raise
            problem = error
            yield Pause(_SETTLE_S)
            task = yield from api.get_task(task_id)
    raise ClearMLUnavailableError(
        f"ClearML task {task_id} kept changing its status while it was being enqueued ({problem}). "
        f"See who else handles it, then clear this task."
    ) from problem


def requeue(task_id: str, *, attempt: int, waiter: str) -> Flow[bool]:
    """Enqueue a task that is ``queued`` but in no queue: its agent died before it reported that it started.

    Looks once more before, because an agent that has just taken it is as invisible.

    Returns:
        False when there was nothing to do: it is in a queue, moved on, or has another owner.

    Raises:
        ClearMLNotFoundError: Its queue was deleted, or the task.
        ClearMLUnavailableError: It is not known whether the server did it; poll again later.
    """
    task = yield from api.get_task(task_id)
    ours = task.attempt == attempt and task.user_properties.get("waiter") == waiter
    if not ours or task.status is not TaskStatus.QUEUED or task_id in (yield from api.queued_task_ids()):
        return False
    if task.queue_id is None:
        raise ClearMLNotFoundError(
            f"ClearML task {task_id} is queued, but in no queue, and does not name the one that it was in. "
            f"Enqueue it in ClearML's web UI.",
            status=400,
            endpoint="tasks.enqueue",
        )
    try:
        yield from api.requeue(task_id, task.queue_id)
    except ClearMLNotFoundError as error:
        raise ClearMLNotFoundError(
            f"ClearML task {task_id} is queued, but in no queue; its queue {task.queue_id} cannot take it "
            f"back ({error}). Was the queue deleted? Enqueue the task elsewhere in ClearML's web UI.",
            status=error.status,
            subcode=error.subcode,
            endpoint=error.endpoint,
        ) from error
    except ClearMLAPIError as error:
        if error.subcode not in {SUBCODE_INVALID_TASK_STATUS, SUBCODE_LOST_RACE}:
            raise
        return False  # it started in this moment
    return True
