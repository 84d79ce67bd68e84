"""The further nodes of multi-node jobs: watched, judged, cancelled and put away with their master."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException
from clearml_provider import api
from clearml_provider.exceptions import ClearMLNotFoundError, ClearMLTaskFailedError
from clearml_provider.flows import attempts, nodes
from clearml_provider.flows.cancel import cancel
from clearml_provider.operators import ClearMLWaitOperator
from clearml_provider.outcomes import AttemptEdit, AttemptOutcome, Termination, classify_by_status
from clearml_provider.transport import Call

from tests.plugins.clearml_provider.workplace import Crashed, Workplace, carry, defer, fire


def wait(task_id: str, **arguments: Any) -> ClearMLWaitOperator:
    arguments = {"poll_interval": 0.05, "stop_grace_s": 0.2, "multi_node": True} | arguments
    return ClearMLWaitOperator(task_id="wait", clearml_task_id=task_id, **arguments)


@pytest.fixture
def master(clearml: Workplace) -> str:
    """A job in progress that may launch nodes."""
    task_id = clearml.enqueue()
    assert clearml.start() == task_id
    return task_id


def cancel_now(place: Workplace, task_id: str, **arguments: Any) -> bool:
    given: dict[str, Any] = {"attempt": 1, "cause": "killed", "reason": "a test"}
    flow = cancel(task_id, **given | {"grace_s": 0.2, "poll_s": 0.05} | arguments)
    return place.hook.run(flow)


def test_nodes_are_found_by_master_and_a_persons_clone_is_none(clearml, master):
    first, second = clearml.launch(master, 3)
    clearml.call("tasks.clone", task=master, new_task_parent=master)
    found = clearml.hook.run(nodes.children_of([master, "f" * 32]))
    assert [child.id for child in found[master]] == [first, second]
    assert [child.node_rank for child in found[master]] == [1, 2]
    assert [child.attempt for child in found[master]] == [1, 1]
    assert found["f" * 32] == ()
    assert clearml.hook.find_by_key(clearml.key).id == master


def test_cancelling_a_master_ends_its_nodes_and_says_why(clearml, master):
    running, queued = clearml.launch(master, 3, start=1)
    assert cancel_now(clearml, master)
    assert {clearml.status(i) for i in (master, running, queued)} == {"stopped"}
    assert clearml.entries() == []
    properties = clearml.hook.task(running).user_properties
    assert (properties["stop_cause"], properties["stop_reason"]) == (
        "1:killed",
        "Its job was stopped: a test",
    )


def test_a_node_that_is_launched_while_its_master_is_cancelled_is_ended_too(clearml, master):
    late: list[str] = []

    def launch(step: object) -> None:
        if not late and clearml.faults.seen[-1] == "tasks.stop":
            late.extend(clearml.launch(master, 2))

    flow = cancel(master, attempt=1, cause="killed", reason="a test", grace_s=0.2, poll_s=0.05)
    assert carry(clearml.hook, flow, between=launch)
    assert [clearml.status(i) for i in late] == ["stopped"]


def test_cancelling_an_attempt_leaves_the_nodes_of_another(clearml, master):
    (node,) = clearml.launch(master, 2)
    assert not cancel_now(clearml, master, attempt=2)
    assert (clearml.status(master), clearml.status(node)) == ("in_progress", "queued")


def test_nodes_that_a_master_left_running_are_cancelled_though_the_master_stays_completed(clearml, master):
    (node,) = clearml.launch(master, 2, start=1)
    clearml.call("tasks.completed", task=master)
    assert not cancel_now(clearml, master)
    assert (clearml.status(master), clearml.status(node)) == ("completed", "stopped")


@pytest.mark.parametrize(
    ("outcome", "failure_class", "words"),
    [
        (("tasks.failed", "worker execution exit code 1"), "failed", "failed: worker execution exit code 1"),
        (("tasks.stopped", "user abort"), "preempted", "stopped: user abort"),
    ],
)
def test_a_node_that_ends_badly_ends_the_job_and_is_its_reason(
    clearml, master, outcome, failure_class, words
):
    deferred = defer(wait(master))
    first, second = clearml.launch(master, 3, start=2)
    endpoint, reason = outcome
    clearml.call(endpoint, task=second, status_reason=reason)
    event = fire(deferred)
    assert (event["status"], event["child_id"]) == ("child_ended", second)
    seen: list[Termination] = []

    def classify(termination: Termination) -> AttemptOutcome:
        seen.append(termination)
        return classify_by_status(termination)

    with pytest.raises(ClearMLTaskFailedError) as told:
        wait(master, classify=classify).execute_complete({}, event)
    assert told.value.failure_class == failure_class
    assert f"node 2 ({second}) {words}" in str(told.value)
    assert {clearml.status(master), clearml.status(first)} == {"stopped"}
    (termination,) = seen
    assert (termination.stop_cause, [child.id for child in termination.children]) == (
        "child_ended",
        [first, second],
    )
    assert clearml.entries() == []


def test_a_lost_node_ends_the_job_as_node_lost(clearml, master):
    (node,) = clearml.launch(master, 2, start=1)
    event = {
        "task_id": master,
        "attempt": 1,
        "status": "child_ended",
        "child_id": node,
        "child_status": "lost",
    }
    words = rf"node_lost \(node 1 \({node}\) is lost: no sign of life"
    with pytest.raises(ClearMLTaskFailedError, match=words):
        wait(master).execute_complete({}, event)
    assert clearml.hook.task(node).user_properties["stop_cause"] == "1:node_lost"
    assert clearml.hook.task(master).user_properties["stop_cause"] == "1:child_ended"


def test_a_node_that_a_person_stopped_cancels_the_job(clearml, master):
    (node,) = clearml.launch(master, 2, start=1)
    clearml.call("tasks.stopped", task=node, status_reason="task was stopped by tasks.stop")
    event = {
        "task_id": master,
        "attempt": 1,
        "status": "child_ended",
        "child_id": node,
        "child_status": "stopped",
    }
    with pytest.raises(AirflowFailException, match="cancelled"):
        wait(master).execute_complete({}, event)


def test_nodes_that_end_with_their_master_are_waited_for(clearml, master):
    (node,) = clearml.launch(master, 2, start=1)
    clearml.call("tasks.completed", task=master)
    flow = nodes.settle(clearml.hook.task(master), grace_s=5, poll_s=0.01)

    def end(step: object) -> None:
        if not isinstance(step, Call):
            clearml.call("tasks.completed", task=node)

    (node_left,) = carry(clearml.hook, flow, between=end)
    assert (node_left.id, node_left.status, node_left.user_properties.get("stop_cause")) == (
        node,
        "completed",
        None,
    )


def test_nodes_that_outlive_their_master_are_stopped_and_the_job_has_succeeded(clearml, master):
    (node,) = clearml.launch(master, 2, start=1)
    clearml.call("tasks.completed", task=master)
    assert wait(master).execute({})["failure_class"] == "succeeded"
    assert clearml.status(node) == "stopped"
    assert clearml.hook.task(node).user_properties["stop_cause"] == "1:master_ended"


def test_the_next_attempt_puts_the_old_nodes_away_and_notes_how_they_ended(clearml, master):
    done, live = clearml.launch(master, 3, start=2)
    clearml.call("tasks.failed", task=done, status_reason="worker execution exit code 1")
    clearml.call("tasks.failed", task=master, status_reason="worker execution exit code 1")
    with pytest.raises(ClearMLTaskFailedError):
        wait(master).execute({})
    defer(wait(master))
    for gone in (done, live):
        with pytest.raises(ClearMLNotFoundError, match=gone):
            clearml.hook.task(gone)
    task = clearml.hook.task(master)
    assert (task.status, task.attempt) == ("queued", 2)
    rows = json.loads(task.user_properties["past_children"])
    assert [row[:4] for row in rows] == [[1, 1, done, "failed"], [1, 2, live, "stopped"]]
    assert rows[0][4] == "worker execution exit code 1"
    assert clearml.entries() == [master]


def test_a_fresh_enqueueing_puts_the_old_nodes_away_too_and_not_those_of_the_new_attempt(clearml, master):
    (old,) = clearml.launch(master, 2)
    clearml.call("tasks.failed", task=master)
    clearml.enqueue()
    assert clearml.entries() == [master]
    clearml.start()
    (new,) = clearml.launch(master, 2)
    clearml.call("tasks.failed", task=master)
    task = clearml.hook.task(master)
    clearml.hook.run(nodes.delete_earlier(task, before=2))  # of a rival that comes late
    assert [t.id for t in clearml.hook.run(nodes.children_of([master]))[master]] == [new]
    assert old != new


def test_a_try_that_died_while_it_put_nodes_away_is_gone_on_from(clearml, master):
    clearml.launch(master, 3, start=1)
    clearml.call("tasks.failed", task=master)
    edit = AttemptEdit(note="again")
    until = 0
    while clearml.hook.task(master).status != "queued":
        task = clearml.hook.task(master)
        flow = attempts.start_attempt(task, queue_id=clearml.queue_id, edit=edit)
        with suppress(Crashed):
            carry(clearml.hook, flow, until=until)
        until += 1
    task = clearml.hook.task(master)
    assert (task.attempt, clearml.entries()) == (2, [master])
    assert len(json.loads(task.user_properties["past_children"])) == 2
    assert clearml.hook.run(api.queued_task_ids()) >= {master}
