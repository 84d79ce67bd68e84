"""The steps that must be right together: enqueue once, start the next attempt, cancel one's own attempt.

This room knows keys: one task a key. How attempts are begun is in `attempts`, how they are stopped or adopted
in `stopping`, and what holds for the further nodes of multi-node jobs in `children`.
"""

from __future__ import annotations

import logging

from clearml_provider import attempts, calls, creation
from clearml_provider.attempts import ATTEMPT, ENQUEUED_AT, intended_queue, moment, now_text, start_attempt
from clearml_provider.attempts import finish_start as finish_start
from clearml_provider.attempts import queue_of_next as queue_of_next
from clearml_provider.attempts import record_ending as record_ending
from clearml_provider.attempts import take_over as take_over
from clearml_provider.children import MULTI_NODE_TAG, RACES
from clearml_provider.endings import ATTEMPT_QUEUE, AttemptEdit
from clearml_provider.exceptions import (
    ClearMLAPIError,
    ClearMLConfigError,
    ClearMLLostAnswerError,
    ClearMLMovedError,
    ClearMLNotFoundError,
    ClearMLUnavailableError,
)
from clearml_provider.models import TaskInfo, TaskSpec
from clearml_provider.status import TaskStatus
from clearml_provider.stopping import WAITER as WAITER
from clearml_provider.stopping import adopt as adopt
from clearml_provider.stopping import cancel as cancel
from clearml_provider.wire import Flow, Pause

log = logging.getLogger(__name__)

IDEMPOTENCY_KEY = "idempotency_key"
PUT_BACK_AFTER_S = 10.0
"""Between taking a task out of its queue and starting it an agent needs a moment; longer, and it died."""

_TRIES = 6
_SETTLE_S = 0.5
_RANKS = {TaskStatus.IN_PROGRESS: 0, TaskStatus.QUEUED: 0, TaskStatus.STOPPED: 2, TaskStatus.FAILED: 2}
_RANKS[TaskStatus.CREATED] = 3


def key_tag(key: str) -> str:
    """The tag that a lookup by key filters on."""
    return f"key:{key}"


def find_by_key(key: str) -> Flow[TaskInfo | None]:
    """The one task of *key*; drafts that a lost answer or a rival left beside it are deleted.

    One that is queued or runs is preferred, then one that succeeded, then one that was enqueued at all, then
    the oldest. After a deletion it looks again: a draft that could not be deleted was just enqueued by a
    rival, and is the one. Copies of a task of the same key (a multi-node job's children, a person's clone)
    carry its tag too; they are neither chosen nor deleted.
    """
    while True:
        tasks = yield from calls.find_tasks_by_tag(key_tag(key))
        ids = {task.id for task in tasks}
        own = [t for t in tasks if t.parent_id not in ids and MULTI_NODE_TAG not in t.system_tags]
        if not own:
            return None
        own.sort(key=lambda task: _RANKS.get(task.status, 1))  # stable: oldest first within each
        keeper, *others = own
        drafts = [task.id for task in others if task.status is TaskStatus.CREATED]
        if not drafts:
            return keeper
        log.warning("Key %s: keeping ClearML task %s, deleting duplicates %s", key, keeper.id, drafts)
        yield from calls.delete_drafts(drafts)


def enqueue_once(
    spec: TaskSpec,
    *,
    queue: str,
    key: str,
    create_queue_if_missing: bool = False,
    put_back_after_s: float = PUT_BACK_AFTER_S,
) -> Flow[TaskInfo]:
    """See to it that exactly one task of *key* exists and is on its way; return it as it is then.

    A new one is created and enqueued. One that is queued, running or done is adopted; one that is queued but
    in no queue (its agent died on taking it) is put back. One that failed, was stopped, or was reset by a
    person starts its next attempt, with the hyperparameters and user properties of *spec* and fresh budgets.

    Args:
        spec: What to create.
        queue: Its queue's name.
        key: What makes this job the same job.
        create_queue_if_missing: Else an unknown queue is an error.
        put_back_after_s: How long a task must be queued in no queue before it is put back.

    Raises:
        ClearMLConfigError: There is no such queue or template, or the key is empty.
        ClearMLUnavailableError: The server did not answer within the budget.
    """
    if not key:
        raise ClearMLConfigError("An empty idempotency key: every job would be the same one.")
    target = yield from calls.resolve_queue(queue, create_if_missing=create_queue_if_missing)
    first = {IDEMPOTENCY_KEY: key, ATTEMPT: "1", ENQUEUED_AT: now_text(), ATTEMPT_QUEUE: queue}
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
            if _needs_new_attempt(task):
                edit = AttemptEdit(
                    hyperparams=spec.hyperparams, user_properties=spec.user_properties, queue=queue
                )
                yield from start_attempt(task, queue_id=target.id, edit=edit, fresh=True)
            elif task.status is TaskStatus.CREATED:
                if task.id != created_id:  # left by a try that died or lost its answer: its clock starts now
                    properties = {ENQUEUED_AT: now_text(), ATTEMPT_QUEUE: queue}
                    yield from creation.edit_hyperparams(task.id, properties=properties)
                yield from attempts.enqueue(task, target.id)
                log.info("Key %s: enqueued ClearML task %s on %s", key, task.id, queue)
            else:
                log.info("Key %s: ClearML task %s is already %s, going on with it", key, task.id, task.status)
                yield from _put_back_if_nowhere(task, target.id, put_back_after_s)
            return (yield from calls.get_task(task.id))
        except (ClearMLNotFoundError, ClearMLMovedError) as error:  # a rival's choice, or a rival was faster
            problem = error
        except ClearMLAPIError as error:  # it moved between reading and enqueueing
            if error.subcode not in RACES:
                raise
            problem = error
        yield Pause(_SETTLE_S)
    raise ClearMLUnavailableError(
        f"Key {key}: no task could be settled on in {_TRIES} looks ({problem}). "
        f"Look at the tasks tagged {key_tag(key)!r} in ClearML, then clear this task."
    ) from problem


def _needs_new_attempt(task: TaskInfo) -> bool:
    """Whether it ended badly, or was reset by a person after it had run."""
    if task.status is TaskStatus.CREATED:
        return intended_queue(task) is not None or task.status_reason == "reset"
    return task.status in {TaskStatus.STOPPED, TaskStatus.FAILED}


def _put_back_if_nowhere(task: TaskInfo, queue_id: str, after_s: float) -> Flow[None]:
    """Enqueue a task again that is queued, but in no queue's entries at two looks *after_s* apart."""
    if task.status is not TaskStatus.QUEUED or task.id in (yield from calls.queued_task_ids()):
        return
    yield Pause(after_s)
    queued = yield from calls.queued_task_ids()
    now = yield from calls.get_task(task.id)
    if now.status is TaskStatus.QUEUED and moment(now) == moment(task) and task.id not in queued:
        log.warning(
            "ClearML task %s is queued but in no queue: its agent died on taking it. Put back", task.id
        )
        try:
            yield from calls.put_back(task.id, now.queue_id or queue_id)
        except ClearMLLostAnswerError as error:
            raise ClearMLMovedError(f"ClearML task {task.id} may have been put back: {error}") from error
