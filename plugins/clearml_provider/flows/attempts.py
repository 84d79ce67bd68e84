"""A task's numbered attempts: begun in two calls, waited for by one owner, their outcomes kept.

One edit writes the number and everything else to the task, then the task is enqueued. A crash in between
leaves the user property ``enqueue_intent`` behind: the number, the queue, and the moment when the task got
the status that it still has. As long as that moment stands, the attempt was never enqueued, and the next try
does just that; neither is the number raised again, nor the old outcome read as the new attempt's.
"""

from __future__ import annotations

import logging
import time

from clearml_provider import api
from clearml_provider.exceptions import ClearMLAPIError, ClearMLConfigError, ClearMLMovedError
from clearml_provider.flows import create, nodes
from clearml_provider.models import ATTEMPT, ENQUEUED_AT, WAITER, TaskInfo, TaskStatus
from clearml_provider.outcomes import (
    ATTEMPT_NOTE,
    ATTEMPT_QUEUE,
    OUTCOMES,
    STOP_CAUSE,
    STOP_REASON,
    AttemptEdit,
    AttemptOutcome,
    outcome_properties,
)
from clearml_provider.transport import RACES, Flow

log = logging.getLogger(__name__)

ENQUEUE_INTENT = "enqueue_intent"
"""User property ``<attempt>|<queue id>|<moment>``: the attempt is to be enqueued; see the module."""


def start_attempt(task: TaskInfo, *, queue_id: str, edit: AttemptEdit, fresh: bool = False) -> Flow[int]:
    """Enqueue an ended task again as its next attempt and return that attempt's number.

    Nodes of earlier attempts are archived first. Hyperparameters, attempt and the rest are then written in
    one edit, before the task is enqueued. A stopped or failed task keeps its metrics and artifacts; a
    completed one has to be reset, and loses them. An attempt that was begun but never enqueued keeps its
    number.

    Args:
        task: As just read; it must have ended, or have been reset.
        queue_id: Where to.
        edit: What to change; its ``queue`` is only noted.
        fresh: Forget earlier endings: budgets start anew.

    Raises:
        ClearMLMovedError: Somebody else was faster; read the task again.
    """
    attempt = task.attempt if intended_queue(task) else task.attempt + 1
    yield from nodes.delete_earlier(task, before=attempt)
    yield from _check_unmoved(task)
    properties = {**edit.user_properties, ATTEMPT: str(attempt), ENQUEUED_AT: now_text()}
    properties |= {STOP_CAUSE: "", STOP_REASON: "", ATTEMPT_NOTE: edit.note}
    properties |= {ATTEMPT_QUEUE: edit.queue} if edit.queue else {}
    properties[ENQUEUE_INTENT] = f"{attempt}|{queue_id}|{moment(task)}"
    if fresh:
        properties[OUTCOMES] = "[]"
    yield from create.edit_hyperparams(task.id, hyperparams=edit.hyperparams, properties=properties)
    yield from _reset_and_enqueue(task, attempt, queue_id)
    log.info(
        "ClearML task %s was %s (%s): attempt %d enqueued%s",
        task.id,
        task.status,
        task.reason or "no reason given",
        attempt,
        f", {edit.note}" if edit.note else "",
    )
    return attempt


def finish_start(task: TaskInfo, *, queue_id: str) -> Flow[int]:
    """Enqueue an attempt whose number was written by a try that died before it could enqueue it.

    Args:
        task: As just read; `intended_queue` gave *queue_id* for it.
        queue_id: Where to.
    """
    yield from nodes.delete_earlier(task, before=task.attempt)
    yield from _check_unmoved(task)
    yield from create.edit_hyperparams(task.id, properties={ENQUEUED_AT: now_text()})
    yield from _reset_and_enqueue(task, task.attempt, queue_id)
    log.info("ClearML task %s: attempt %d was begun by an earlier try, enqueued now", task.id, task.attempt)
    return task.attempt


def intended_queue(task: TaskInfo) -> str | None:
    """Id of the queue for which the current attempt is meant that was never enqueued; None: it was."""
    attempt, _, rest = task.user_properties.get(ENQUEUE_INTENT, "").partition("|")
    queue_id, _, written = rest.partition("|")
    if not queue_id or attempt != str(task.attempt):
        return None
    is_untouched = task.status.is_terminal and written == moment(task)
    return queue_id if is_untouched or task.status is TaskStatus.CREATED else None


def record_outcome(task: TaskInfo, outcome: AttemptOutcome) -> Flow[None]:
    """Keep on the task how this attempt ended, so that Airflow's retry makes the next one."""
    yield from create.edit_hyperparams(task.id, properties=outcome_properties(task, outcome))


def acquire(task: TaskInfo, waiter: str) -> Flow[None]:
    """Make *waiter* the only one that may cancel: an older trigger's on_kill comes too late from now on."""
    intent = {ENQUEUE_INTENT: ""} if task.user_properties.get(ENQUEUE_INTENT) else {}  # it came true
    yield from create.edit_hyperparams(task.id, properties={WAITER: waiter, **intent})


def _check_unmoved(task: TaskInfo) -> Flow[None]:
    now = yield from api.get_task(task.id)
    if (now.status, now.attempt, moment(now)) != (task.status, task.attempt, moment(task)):
        raise ClearMLMovedError(
            f"ClearML task {task.id} was {task.status}, attempt {task.attempt}, and now is {now.status}, "
            f"attempt {now.attempt}. Somebody else goes on with it: read it again."
        )
    if "archived" in now.system_tags:
        log.warning("ClearML task %s was archived by a person: shown again, it is to run", task.id)
        yield from api.unarchive(task.id)


def _reset_and_enqueue(task: TaskInfo, attempt: int, queue_id: str) -> Flow[None]:
    """Reset and enqueue *task*, which was read before its new attempt was written; a rival may be faster."""
    try:
        if task.status.is_success:
            yield from api.reset(task.id)
        yield from enqueue(task, queue_id)
    except ClearMLAPIError as error:
        if error.subcode not in RACES:
            raise
        now = yield from api.get_task(task.id)
        if now.attempt != attempt or not (nodes.is_live(now) or moment(now) != moment(task)):
            raise
        log.info("ClearML task %s: attempt %d is %s already", task.id, attempt, now.status)


def enqueue(task: TaskInfo, queue_id: str) -> Flow[None]:
    """Put *task* into a queue, and warn if no agent serves it."""
    if not (yield from api.enqueue(task.id, queue_id)):
        log.warning("ClearML task %s waits in a queue that no agent serves at the moment", task.id)


def moment(task: TaskInfo) -> str:
    """When the task got the status that it has."""
    return task.status_changed.isoformat() if task.status_changed else ""


def now_text() -> str:
    """The time as `ENQUEUED_AT` has it."""
    return f"{time.time():.0f}"


def queue_of_next(task: TaskInfo, edit: AttemptEdit) -> Flow[str]:
    """Id of the queue for the next attempt: the edit's, or where *task* was last.

    Raises:
        ClearMLConfigError: There is no such queue, or the task was in none so far.
    """
    if edit.queue is not None:
        return (yield from api.resolve_queue(edit.queue)).id
    if task.queue_id is not None:
        return task.queue_id
    raise ClearMLConfigError(
        f"ClearML task {task.id} was in no queue so far: name one in the next attempt's edit."
    )
