"""Every request that the provider can send keeps the real server's rules.

The rules are measured with server 2.3: a field together with its own sub-field is a path collision (HTTP
500), an empty list of ids means every task, and pages without an order can miss a row or show it twice. The
server of the tests refuses unknown fields as the real one does.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import clearml_provider
from clearml_provider import api
from clearml_provider.flows import attempts, cancel, create, enqueue, nodes, read
from clearml_provider.models import TaskEdit, TaskSpec
from clearml_provider.outcomes import AttemptEdit, AttemptOutcome
from clearml_provider.transport import Call, Flow, Pause

from tests.plugins.clearml_provider.workplace import Workplace, carry

T = TypeVar("T")
SOURCES = list(Path(clearml_provider.__file__).parent.rglob("*.py"))
IN_THE_TRANSPORT = {"auth.login"}


class Tour:
    """Carries flows, and keeps what they send."""

    def __init__(self, place: Workplace) -> None:
        self.place = place
        self.sent: list[Call] = []

    def go(self, flow: Flow[T]) -> T:
        return carry(self.place.hook, flow, between=self._note, instead_of_pauses=lambda: None)

    def _note(self, step: Call | Pause) -> None:
        if isinstance(step, Call):
            self.sent.append(step)


def faults_of(endpoint: str, payload: Mapping[str, Any]) -> list[str]:
    """What the real server would refuse, or take for something else."""
    fields = list(payload.get("only_fields") or ())
    faults = [f"{a} with {b}" for a in fields for b in fields if b.startswith(f"{a}.")]
    lists = [name for name in ("id", "ids", "parent", "tasks") if name in payload]
    faults += [f"empty {name}" for name in lists if not payload[name] or "" in payload[name]]
    is_by_id = len(payload.get("id") or ()) in range(1, payload.get("page_size", 0) + 1)
    if "page" in payload and not is_by_id and "id" not in (payload.get("order_by") or ()):
        faults.append("pages without an order that is unique")
    if endpoint.endswith(".get_all") and "page" not in payload and not (payload.keys() & {"id", "name"}):
        faults.append("all rows, without pages") if endpoint != "workers.get_all" else None
    return faults


def test_every_request_keeps_the_real_servers_rules(clearml):
    tour = Tour(clearml)
    walk(tour)
    wrong = {(sent.endpoint, fault) for sent in tour.sent for fault in faults_of(sent.endpoint, sent.payload)}
    assert wrong == set()
    in_source = {
        name
        for path in SOURCES
        for name in re.findall(r'"((?:[a-z]+)\.(?:[a-z_]+))", ?(?:payload|query|\{|\))', path.read_text())
        if name.split(".")[0] in {"tasks", "queues", "projects", "events", "workers", "server"}
    }
    assert in_source - {sent.endpoint for sent in tour.sent} - IN_THE_TRANSPORT == set()
    assert len({sent.endpoint for sent in tour.sent}) >= 20


def walk(tour: Tour) -> None:
    """One way through all flows."""
    place = tour.place
    spec = TaskSpec.model_validate(place.spec | {"project": f"project {place.key}"})
    tour.go(api.server_info())
    draft = tour.go(create.create_once(spec, key=f"{place.key}-draft"))
    copy = spec.model_copy(update={"script": None, "template_task_id": draft.id})
    tour.go(create.create_task(copy, properties={}))
    edit = {"hyperparams": {"General": {"model": "b"}}, "add_tags": ["x"], "container": {"image": "i"}}
    tour.go(create.edit_task(draft.id, TaskEdit.model_validate(edit)))
    tour.go(create.edit_task(draft.id, TaskEdit(user_properties={"seen": "yes"})))
    tour.go(enqueue.enqueue_task(draft.id, queue=f"other-{place.queue}", create_queue_if_missing=True))
    tour.go(cancel.cancel(draft.id, attempt=1, cause="killed", reason="a test", grace_s=0.0))
    task = tour.go(enqueue.enqueue_once(spec, queue=place.queue, key=place.key, requeue_after_s=0.0))
    tour.go(attempts.acquire(task, "token"))
    place.start()
    (node,) = place.launch(task.id, 2, start=1)
    tour.go(read.poll_tasks([task.id, "0" * 32]))
    tour.go(read.poll_tasks([]))
    tour.go(read.poll_children([task.id]))
    tour.go(read.poll_children([]))
    tour.go(nodes.children_of([task.id]))
    tour.go(nodes.children_of([]))
    tour.go(api.get_tasks([]))
    tour.go(api.get_tasks([task.id, node]))
    tour.go(api.find_tasks_by_tag("test"))
    tour.go(api.queued_task_ids())
    tour.go(enqueue.requeue(task.id, attempt=1, waiter="token"))
    tour.go(read.get_single_values(task.id))
    tour.go(read.get_scalars(task.id))
    tour.go(read.get_log_page(task.id, after=0))
    tour.go(api.get_log_tail(task.id, lines=5))
    tour.go(read.get_queue_statistics())
    tour.go(read.get_queue_statistics([place.queue]))
    tour.go(cancel.cancel(task.id, attempt=1, cause="node_lost", reason="a test", grace_s=0.0))
    stopped = tour.go(api.get_task(task.id, fields=api.FULL_FIELDS))
    outcome = AttemptOutcome(decision="retry", failure_class="node_lost", reason="a test")
    tour.go(attempts.record_outcome(stopped, outcome))
    place.call("tasks.archive_many", ids=[task.id])
    now = tour.go(api.get_task(task.id))
    tour.go(attempts.start_attempt(now, queue_id=place.queue_id, edit=AttemptEdit()))
    place.start()
    again = tour.go(api.get_task(task.id))
    done = tour.go(cancel.adopt(again, reason="a test"))
    tour.go(attempts.start_attempt(done, queue_id=place.queue_id, edit=AttemptEdit(), fresh=True))
    place.start()
    tour.go(api.failed(task.id, reason="a test"))
