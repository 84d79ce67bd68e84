"""The other nodes of a multi-node job: found, stopped and deleted together with their master.

``launch_multi_node`` clones the running master once a node. The clones ("children") have it as parent, carry
a system tag, and inherit its tags and user properties, the attempt's number among them: so a child tells
itself to which attempt it belongs. ClearML leaves the rest to the caller: a child's failure does not fail the
master, stopping the master leaves the children, and a re-run clones again.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping, Sequence

from clearml_provider import api
from clearml_provider.exceptions import ClearMLAPIError, ClearMLNotFoundError
from clearml_provider.flows import create
from clearml_provider.models import MULTI_NODE_TAG, STATUS_FIELDS, TaskInfo, TaskStatus
from clearml_provider.outcomes import CAUSE_MASTER_ENDED, STOP_CAUSE, STOP_REASON, stop_cause
from clearml_provider.transport import RACES, Flow, Pause, call

log = logging.getLogger(__name__)

PAST_CHILDREN = "past_children"
"""User property: JSON list of ``[attempt, rank, task id, status, reason]``, the nodes of earlier attempts."""
CHILD_FIELDS = (*STATUS_FIELDS, "runtime")
_PAST_ROWS = 64
_REASON_CHARS = 120


def children_of(
    master_ids: Sequence[str], *, fields: Sequence[str] = CHILD_FIELDS
) -> Flow[dict[str, tuple[TaskInfo, ...]]]:
    """The nodes that each of *master_ids* launched, whatever their attempt, by rank; 500 masters a
    request."""
    found: dict[str, list[TaskInfo]] = {master_id: [] for master_id in master_ids}
    wanted = list(found)
    for start in range(0, len(wanted), api.PAGE_ROWS):
        chunk = wanted[start : start + api.PAGE_ROWS]
        page = 0
        while True:
            query = {
                "parent": chunk,
                "system_tags": [MULTI_NODE_TAG],
                "search_hidden": True,
                "order_by": api.PAGE_ORDER,
                "page": page,
                "page_size": api.PAGE_ROWS,
            }
            rows = yield from api.query_tasks(query, fields)
            for child in rows:
                if child.parent_id in found and MULTI_NODE_TAG in child.system_tags:
                    found[child.parent_id].append(child)
            if len(rows) < api.PAGE_ROWS:
                break
            page += 1
    return {master_id: tuple(sorted(rows, key=_by_rank)) for master_id, rows in found.items()}


def children_of_attempt(master_id: str, attempt: int) -> Flow[tuple[TaskInfo, ...]]:
    """The nodes that one attempt launched, by rank."""
    rows = (yield from children_of([master_id]))[master_id]
    return tuple(child for child in rows if child.attempt == attempt)


def is_live(task: TaskInfo) -> bool:
    """Whether it is queued or runs: a draft does neither."""
    return not task.status.is_terminal and task.status is not TaskStatus.CREATED


def describe(child: TaskInfo) -> str:
    """Rank and id, for messages."""
    return f"node {child.node_rank if child.node_rank is not None else '?'} ({child.id})"


def ask_to_stop(child: TaskInfo, *, cause: str, reason: str) -> Flow[None]:
    """Note on a live child why it is stopped, unless that was noted already, and ask its agent to stop it."""
    try:
        if stop_cause(child) is None:
            yield from mark(child, cause=cause, reason=reason)
        yield from ignoring_races(api.stop(child.id, reason=reason))
    except ClearMLNotFoundError:
        log.info("ClearML task %s, %s: deleted meanwhile", child.parent_id, describe(child))


def mark(child: TaskInfo, *, cause: str, reason: str) -> Flow[None]:
    """Note why a child is stopped."""
    properties = {STOP_CAUSE: f"{child.attempt}:{cause}", STOP_REASON: reason}
    yield from create.edit_hyperparams(child.id, properties=properties)


def end_by_force(task_id: str, *, reason: str) -> Flow[None]:
    """Declare a live task stopped whose agent does not answer; one that completed meanwhile stays so."""
    try:
        yield from api.stopped(task_id, reason=reason, force=False)
    except ClearMLNotFoundError:
        log.info("ClearML task %s: deleted meanwhile", task_id)
    except ClearMLAPIError as error:
        if error.subcode not in RACES:
            raise
        if is_live((yield from api.get_task(task_id))):
            yield from ignoring_races(api.stopped(task_id, reason=reason, force=True))


def settle(master: TaskInfo, *, grace_s: float = 30.0, poll_s: float = 1.0) -> Flow[tuple[TaskInfo, ...]]:
    """See to it that the nodes of an ended master's attempt have ended too, and return them.

    Nodes end a little after their master: they have *grace_s* for it, then the same once more after being
    asked to, then they are stopped by force.
    """
    reason = f"Its master {master.id} had ended as {master.status}"
    for is_asked in (False, True):
        waited_s = 0.0
        while True:
            rows = yield from children_of_attempt(master.id, master.attempt)
            live = [child for child in rows if is_live(child)]
            if not live:
                return rows
            if waited_s >= grace_s:
                break
            yield Pause(min(poll_s, grace_s - waited_s))
            waited_s += poll_s
        for child in live:
            if is_asked:
                yield from end_by_force(child.id, reason=reason)
            else:
                log.warning(
                    "ClearML task %s has ended, but %s goes on: stopping it", master.id, describe(child)
                )
                yield from ask_to_stop(child, cause=CAUSE_MASTER_ENDED, reason=reason)
    return (yield from children_of_attempt(master.id, master.attempt))


def delete_earlier(master: TaskInfo, *, before: int) -> Flow[None]:
    """Delete the nodes of attempts earlier than *before*, after noting on the master how they ended.

    The next attempt clones again, and the old nodes would be taken for its own. One that still lives is
    stopped by force first: its master has ended long ago.
    """
    rows = (yield from children_of([master.id]))[master.id]
    old = [child for child in rows if child.attempt < before]
    if not old:
        return
    for child in old:
        log.info(
            "ClearML task %s, attempt %d: %s was %s (%s); deleting it, the next attempt makes its own",
            master.id,
            child.attempt,
            describe(child),
            child.status,
            child.user_properties.get(STOP_REASON) or child.reason or "no reason given",
        )
        if is_live(child):
            yield from ask_to_stop(child, cause=CAUSE_MASTER_ENDED, reason="Its attempt is over")
            yield from end_by_force(child.id, reason="Its attempt is over")
    properties = {PAST_CHILDREN: _past_rows(master.user_properties, old)}
    yield from create.edit_hyperparams(master.id, properties=properties)
    yield from call("tasks.delete_many", {"ids": [child.id for child in old], "force": True})


def ignoring_races(flow: Flow[None]) -> Flow[None]:
    """It ended by itself in the same moment: that is as good."""
    try:
        yield from flow
    except ClearMLAPIError as error:
        if error.subcode not in RACES:
            raise


def _past_rows(properties: Mapping[str, str], children: Iterable[TaskInfo]) -> str:
    try:
        rows = [row for row in json.loads(properties.get(PAST_CHILDREN) or "[]") if isinstance(row, list)]
    except (ValueError, TypeError):
        rows = []
    known = {row[2] for row in rows if len(row) > 2}
    for child in children:
        if child.id not in known:
            reason = child.user_properties.get(STOP_REASON) or child.reason
            status = child.status.value
            rows.append([child.attempt, child.node_rank, child.id, status, reason[:_REASON_CHARS]])
    return json.dumps(rows[-_PAST_ROWS:])


def _by_rank(child: TaskInfo) -> tuple[int, int, str]:
    return (child.attempt, child.node_rank if child.node_rank is not None else 1 << 30, child.id)
