"""One task a key, whoever races, dies or meddles."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import clearml_provider
import pytest
from clearml_provider.client import ClearMLClient
from clearml_provider.exceptions import ClearMLNotFoundError
from clearml_provider.flows import create, enqueue
from clearml_provider.models import TaskInfo, TaskSpec
from clearml_provider.transport import Call, Flow, Pause, RetryPolicy

from tests.plugins.clearml_provider.workplace import Crashed, Workplace, carry

PROCESS = """
import json, sys
from concurrent.futures import ThreadPoolExecutor
from clearml_provider.flows.enqueue import enqueue_once
from clearml_provider.client import ClearMLClient
from clearml_provider.connection import ClearMLSettings
from clearml_provider.models import TaskSpec
settings, spec, queue, key = json.loads(sys.argv[1])
def enqueue(_):
    client = ClearMLClient(ClearMLSettings(**settings))
    task = client.run(enqueue_once(TaskSpec.model_validate(spec), queue=queue, key=key))
    return f"{task.id} {task.attempt}"
print("ready", flush=True)
sys.stdin.readline()
with ThreadPoolExecutor(2) as pool:
    print(*set(pool.map(enqueue, range(2))))
"""


def once(place: Workplace, *, key: str | None = None, **arguments: Any) -> Flow[TaskInfo]:
    spec = TaskSpec.model_validate(arguments.pop("spec", place.spec))
    return enqueue.enqueue_once(
        spec, queue=place.queue, key=key or place.key, **{"requeue_after_s": 0.05} | arguments
    )


def draft(place: Workplace) -> str:
    properties = {"attempt": "1", "idempotency_key": place.key}
    spec = TaskSpec.model_validate(place.spec)
    return place.hook.run(create.create_task(spec, tags=[f"key:{place.key}"], properties=properties))


def test_eight_threads_make_one_task_and_one_queue_entry(clearml):
    def enqueue(_: int) -> TaskInfo:
        with ClearMLClient(clearml.hook.settings, retry=RetryPolicy(budget_s=5)) as client:
            return client.run(once(clearml))

    with ThreadPoolExecutor(8) as pool:
        tasks = list(pool.map(enqueue, range(8)))
    assert {(t.id, t.attempt) for t in tasks} == {(clearml.task().id, 1)}
    assert clearml.entries() == [clearml.task().id]


def test_four_processes_of_two_threads_make_one_task_and_one_queue_entry(clearml):
    settings = asdict(clearml.hook.settings)
    arguments = json.dumps([settings, clearml.spec, clearml.queue, clearml.key], default=str)
    where = Path(clearml_provider.__file__).parents[1]
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", PROCESS, arguments],
            cwd=where,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    said = {process.communicate(timeout=30)[0] for process in processes}
    assert said == {f"{clearml.task().id} 1\n"}
    assert clearml.entries() == [clearml.task().id]


def test_eight_threads_begin_one_next_attempt(clearml):
    task_id = clearml.enqueue()
    clearml.fail()

    def enqueue(_: int) -> TaskInfo:
        with ClearMLClient(clearml.hook.settings, retry=RetryPolicy(budget_s=5)) as client:
            return client.run(once(clearml))

    with ThreadPoolExecutor(8) as pool:
        tasks = list(pool.map(enqueue, range(8)))
    assert {(t.id, t.attempt) for t in tasks} == {(task_id, 2)}
    assert clearml.entries() == [task_id]


@pytest.mark.parametrize("until", range(8))
def test_a_try_that_dies_anywhere_is_gone_on_from(clearml, until):
    with suppress(Crashed):
        carry(clearml.hook, once(clearml), until=until)
    task_id = clearml.hook.run(once(clearml)).id
    task = clearml.task()
    assert (task.id, task.status, task.attempt) == (task_id, "queued", 1)
    assert clearml.entries() == [task_id]


def test_a_rival_who_enqueues_the_draft_that_is_about_to_be_deleted_wins(clearml):
    rivals, mine = draft(clearml), draft(clearml)
    clearml.call("tasks.edit", task=rivals, name="older by the clock, not by the look")

    def enqueue(step: Call | Pause) -> None:
        if isinstance(step, Call) and step.endpoint == "tasks.delete_many" and not clearml.entries():
            clearml.call("tasks.enqueue", task=step.payload["ids"][0], queue=clearml.queue_id)

    task = carry(clearml.hook, once(clearml), between=enqueue)
    assert clearml.entries() == [task.id]
    assert [t.id for t in clearml.of_key()] == [task.id]
    assert task.id in {rivals, mine}


def test_a_live_task_is_preferred_to_an_older_one_that_failed(clearml):
    failed, live = draft(clearml), draft(clearml)
    clearml.call("tasks.failed", task=failed, force=True)
    clearml.call("tasks.enqueue", task=live, queue=clearml.queue_id)
    assert clearml.hook.run(once(clearml)).id == live
    assert clearml.entries() == [live]


@pytest.mark.parametrize("after_effect", [True, False], ids=["after the effect", "before the effect"])
@pytest.mark.parametrize(
    "lost", ["tasks.clone", "tasks.delete_many", "tasks.edit_hyper_params", "tasks.edit"]
)
def test_answers_may_get_lost_with_a_template_duplicates_and_a_next_attempt(clearml, lost, after_effect):
    template = clearml.hook.run(
        create.create_task(TaskSpec.model_validate(clearml.spec | {"name": "template"}), properties={})
    )
    spec = {"name": "a clone", "template_task_id": template, "hyperparams": {"General": {"nb_nodes": "2"}}}
    if lost == "tasks.delete_many":
        draft(clearml), draft(clearml)
    if lost == "tasks.edit":
        clearml.hook.run(once(clearml))
        clearml.fail()
    if lost == "tasks.edit_hyper_params":
        draft(clearml)
    clearml.faults.lose(lost, after_effect=after_effect)
    task = clearml.hook.run(once(clearml, spec=spec))
    assert clearml.faults.seen.count(lost) >= 2 or after_effect
    assert [t.id for t in clearml.of_key()] == [task.id]
    assert clearml.entries() == [task.id]


def test_a_template_that_is_deleted_in_between_is_named_and_leaves_nothing(clearml):
    template = clearml.hook.run(
        create.create_task(TaskSpec.model_validate(clearml.spec | {"name": "template"}), properties={})
    )

    def delete(step: Call | Pause) -> None:
        if isinstance(step, Call) and step.endpoint == "tasks.clone":
            with suppress(ClearMLNotFoundError):
                clearml.call("tasks.delete_many", ids=[template], force=True)

    flow = once(clearml, spec={"name": "a clone", "template_task_id": template})
    with pytest.raises(ClearMLNotFoundError, match=r"tasks\.clone"):
        carry(clearml.hook, flow, between=delete)
    assert clearml.of_key() == []


def test_a_task_that_is_deleted_between_looking_and_enqueueing_is_made_again(clearml):
    gone = draft(clearml)

    def delete(step: Call | Pause) -> None:
        if isinstance(step, Call) and step.endpoint == "tasks.enqueue" and step.payload["task"] == gone:
            clearml.call("tasks.delete_many", ids=[gone], force=True)

    task = carry(clearml.hook, once(clearml), between=delete)
    assert (task.id != gone, task.attempt, clearml.entries()) == (True, 1, [task.id])


def test_a_second_run_with_the_same_key_finds_the_first_ones_task(clearml):
    first = clearml.hook.run(once(clearml))
    second = clearml.hook.run(once(clearml, spec=clearml.spec | {"user_properties": {"plan": "other"}}))
    assert (second.id, second.attempt) == (first.id, 1)
    assert second.user_properties["plan"] == "first"


def test_a_task_that_is_queued_in_no_queue_is_put_back(clearml):
    task_id = clearml.hook.run(once(clearml)).id
    clearml.call("queues.get_next_task", queue=clearml.queue_id)  # and the agent dies
    assert (clearml.status(task_id), clearml.entries()) == ("queued", [])
    assert clearml.hook.run(once(clearml)).attempt == 1
    assert clearml.entries() == [task_id]


@pytest.mark.parametrize("after_effect", [True, False], ids=["after the effect", "before the effect"])
def test_a_lost_answer_to_putting_back_leaves_one_entry(clearml, after_effect):
    task_id = clearml.hook.run(once(clearml)).id
    clearml.call("queues.get_next_task", queue=clearml.queue_id)
    clearml.faults.lose("tasks.enqueue", after_effect=after_effect)
    assert clearml.hook.run(once(clearml)).attempt == 1
    assert clearml.entries() == [task_id]


def test_an_agent_that_is_about_to_start_a_task_is_given_the_time(clearml):
    task_id = clearml.hook.run(once(clearml)).id
    clearml.call("queues.get_next_task", queue=clearml.queue_id)

    def start(step: Call | Pause) -> None:
        if isinstance(step, Pause):
            clearml.call("tasks.started", task=task_id, force=True)

    assert carry(clearml.hook, once(clearml), between=start).status == "in_progress"
    assert clearml.entries() == []


def test_a_task_that_waits_in_another_queue_is_left_there(clearml):
    task_id = clearml.hook.run(once(clearml)).id
    other = clearml.call("queues.create", name=f"scheduler-{clearml.queue}")["id"]
    clearml.call("queues.get_next_task", queue=clearml.queue_id)
    clearml.call("queues.add_task", queue=other, task=task_id)  # as ClearML's Kubernetes agent does
    clearml.hook.run(once(clearml))
    assert clearml.entries() == []


def test_a_task_that_a_person_reset_is_a_new_attempt(clearml):
    task_id = clearml.enqueue()
    clearml.complete()
    clearml.call("tasks.reset", task=task_id)
    assert clearml.hook.run(once(clearml)).attempt == 2
    assert clearml.entries() == [task_id]


def test_a_task_that_a_person_took_out_of_its_queue_is_put_back_as_the_same_attempt(clearml):
    task_id = clearml.enqueue()
    clearml.call("tasks.dequeue", task=task_id)
    task = clearml.hook.run(once(clearml))
    assert (task.attempt, clearml.entries()) == (1, [task_id])


def test_a_task_that_ended_badly_starts_anew_with_fresh_budgets(clearml):
    task_id = clearml.enqueue()
    clearml.fail()
    properties = {"endings": '[[1, "failed"]]', "stop_cause": "1:node_lost", "attempt_note": "smaller"}
    clearml.hook.run(create.edit_hyperparams(task_id, properties=properties))
    clearml.hook.run(once(clearml))
    found = clearml.task().user_properties
    assert (found["endings"], found["stop_cause"], found["attempt_note"]) == ("[]", "", "")
    assert (found["attempt"], found["attempt_queue"]) == ("2", clearml.queue)
