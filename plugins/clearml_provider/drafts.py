"""Flows on single tasks by their id: create a draft once for a key, edit a task, enqueue a draft."""

from __future__ import annotations

import logging

from clearml_provider import attempts, calls, creation, lifecycle
from clearml_provider.endings import AttemptEdit
from clearml_provider.exceptions import (
    ClearMLAPIError,
    ClearMLConfigError,
    ClearMLLostAnswerError,
    ClearMLMovedError,
    ClearMLUnavailableError,
)
from clearml_provider.models import TaskEdit, TaskInfo, TaskSpec
from clearml_provider.status import TaskStatus
from clearml_provider.wire import SUBCODE_INVALID_TASK_STATUS, SUBCODE_LOST_RACE, Flow, Pause, call

log = logging.getLogger(__name__)

_TRIES = 4
_SETTLE_S = 0.5
_RACES = {SUBCODE_INVALID_TASK_STATUS, SUBCODE_LOST_RACE}


def create_once(spec: TaskSpec, *, key: str) -> Flow[TaskInfo]:
    """See to it that exactly one task of *key* exists, and return it; a new one is a draft.

    Raises:
        ClearMLConfigError: The template does not exist, or the key is empty.
        ClearMLUnavailableError: The server did not answer within the budget.
    """
    if not key:
        raise ClearMLConfigError("An empty idempotency key: every task would be the same one.")
    properties = {lifecycle.IDEMPOTENCY_KEY: key, attempts.ATTEMPT: "1"}
    problem: Exception | None = None
    for _ in range(_TRIES):
        task = yield from lifecycle.find_by_key(key)
        if task is not None:
            return (yield from calls.get_task(task.id))
        try:
            task_id = yield from creation.create_task(
                spec, tags=[lifecycle.key_tag(key)], properties=properties
            )
            log.info("Key %s: created ClearML task %s", key, task_id)
        except ClearMLLostAnswerError as error:
            log.warning("Key %s: %s Looking before trying again.", key, error)
            problem = error
            yield Pause(_SETTLE_S)
    raise ClearMLUnavailableError(
        f"Key {key}: no task could be settled on in {_TRIES} looks ({problem}). "
        f"Look at the tasks tagged {lifecycle.key_tag(key)!r} in ClearML, then clear this task."
    ) from problem


def edit_task(task_id: str, edit: TaskEdit) -> Flow[None]:
    """Change an existing task in one call, so that all of *edit* is there or nothing.

    Raises:
        ClearMLNotFoundError: It does not exist.
        ClearMLAPIError: It is published, which nothing may change.
    """
    yield from calls.get_task(task_id)  # says what is wrong with the id
    fields = ["id", "hyperparams", "tags", "container"]
    rows = (yield from call("tasks.get_all", {"id": [task_id], "only_fields": fields})).data["tasks"]
    now = rows[0] if rows else {}
    if not (edit.hyperparams or edit.add_tags or edit.remove_tags or edit.container):
        yield from creation.edit_hyperparams(task_id, properties=edit.user_properties)
        return
    payload: dict[str, object] = {"task": task_id, "force": True}
    if edit.hyperparams or edit.user_properties:
        payload["hyperparams"] = creation.merge_hyperparams(
            now.get("hyperparams") or {}, edit.hyperparams, edit.user_properties
        )
    if edit.add_tags or edit.remove_tags:
        kept = [tag for tag in now.get("tags") or () if tag not in edit.remove_tags]
        payload["tags"] = list(dict.fromkeys([*kept, *edit.add_tags]))
    if edit.container:
        payload["container"] = {
            **(now.get("container") or {}),
            **edit.container.model_dump(exclude_unset=True),
        }
    yield from call("tasks.edit", payload)


def enqueue_task(task_id: str, *, queue: str, create_queue_if_missing: bool = False) -> Flow[TaskInfo]:
    """Put an existing task on its way, once: a draft is enqueued, a live or completed one adopted as it is.

    One that failed or was stopped starts its next attempt, unchanged, with fresh budgets.

    Raises:
        ClearMLConfigError: There is no such queue.
        ClearMLNotFoundError: There is no such task.
    """
    task = yield from calls.get_task(task_id)
    target = yield from calls.resolve_queue(queue, create_if_missing=create_queue_if_missing)
    problem: Exception | None = None
    for _ in range(_TRIES):
        try:
            if task.status is TaskStatus.CREATED:
                stamp = {attempts.ENQUEUED_AT: f"{task.server_time.timestamp():.0f}"}
                yield from creation.edit_hyperparams(task_id, properties=stamp)
                if not (yield from calls.enqueue(task_id, target.id)):
                    log.warning("ClearML task %s waits in %s, which no agent serves now", task_id, queue)
            elif task.status in {TaskStatus.STOPPED, TaskStatus.FAILED}:
                yield from attempts.start_attempt(task, queue_id=target.id, edit=AttemptEdit(), fresh=True)
            else:
                log.info("ClearML task %s is already %s, going on with it", task_id, task.status)
            return (yield from calls.get_task(task_id))
        except (ClearMLAPIError, ClearMLMovedError) as error:  # it moved between reading and enqueueing
            if isinstance(error, ClearMLAPIError) and error.subcode not in _RACES:
                raise
            problem = error
            yield Pause(_SETTLE_S)
            task = yield from calls.get_task(task_id)
    raise ClearMLUnavailableError(
        f"ClearML task {task_id} kept changing its status while it was being enqueued ({problem}). "
        f"See who else handles it, then clear this task."
    ) from problem
