"""Drafts: created or cloned once, edited in one call, enqueued once."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from clearml_provider.exceptions import ClearMLUnavailableError
from clearml_provider.flows import create
from clearml_provider.models import TaskSpec
from clearml_provider.operators import (
    ClearMLAbortTaskOperator,
    ClearMLCloneTaskOperator,
    ClearMLCreateTaskOperator,
    ClearMLEditTaskOperator,
    ClearMLEnqueueTaskOperator,
)

from tests.plugins.clearml_provider.workplace import Workplace


def context(place: Workplace, *, run_id: str = "manual", map_index: int = -1) -> Any:
    """As far as the operators look at it; the DAG's name is the test's own."""
    ti = SimpleNamespace(dag_id=place.key, run_id=run_id, task_id="create", map_index=map_index)
    return {"ti": ti}


def create_draft(place: Workplace, **arguments: Any) -> str:
    """Run the create operator as another try of the same task instance would."""
    run = {name: arguments.pop(name) for name in ("run_id", "map_index") if name in arguments}
    operator = ClearMLCreateTaskOperator(task_id="create", **({"task_spec": place.spec} | arguments))
    task_id: str = operator.execute(context(place, **run))
    return task_id


def raw(place: Workplace, task_id: str) -> dict[str, Any]:
    return dict(place.call("tasks.get_by_id", task=task_id)["task"])


def test_a_task_is_created_from_a_script_as_a_draft(clearml):
    task = clearml.hook.task(create_draft(clearml))
    assert (task.status, task.queue_id) == ("created", None)
    assert task.hyperparams == {"General": {"model": "org/name", "nb_nodes": "1"}}
    assert (task.user_properties["plan"], task.attempt) == ("first", 1)


def test_a_task_is_created_from_a_repository(clearml):
    script = {"repository": "https://git.test/x.git", "version_num": "0" * 40, "entry_point": "train.py"}
    made = raw(clearml, create_draft(clearml, task_spec=clearml.spec | {"script": script}))["script"]
    assert {key: made[key] for key in script} == script


def test_another_try_finds_the_draft_and_another_run_or_map_index_makes_its_own(clearml):
    first = create_draft(clearml)
    assert create_draft(clearml) == first
    others = {create_draft(clearml, run_id="scheduled"), create_draft(clearml, map_index=3)}
    assert len(others | {first}) == 3


def test_a_key_of_ones_own_makes_two_runs_share_the_draft(clearml):
    first = create_draft(clearml, idempotency_key=clearml.key)
    assert create_draft(clearml, idempotency_key=clearml.key, run_id="another") == first
    assert [task.id for task in clearml.of_key()] == [first]


@pytest.mark.parametrize("after_effect", [True, False], ids=["after the effect", "before the effect"])
def test_a_lost_answer_leaves_one_draft(clearml, after_effect):
    clearml.faults.lose("tasks.create", after_effect=after_effect)
    task_id = create_draft(clearml, idempotency_key=clearml.key)
    assert [task.id for task in clearml.of_key()] == [task_id]


def test_a_server_that_loses_every_answer_is_given_up_after_a_few_looks(clearml):
    def flow() -> Any:
        return create.create_once(TaskSpec.model_validate(clearml.spec), key=clearml.key)

    for _ in range(4):
        clearml.faults.lose("tasks.create", after_effect=False)
    with pytest.raises(ClearMLUnavailableError, match="no task could be settled on in 4 tries"):
        clearml.hook.run(flow())
    assert clearml.of_key() == []


def test_a_clone_has_its_templates_code_and_merged_hyperparameters_and_is_made_once(clearml):
    template_id = create_draft(clearml, idempotency_key=clearml.key)
    made = ClearMLCloneTaskOperator(
        task_id="clone",
        template_task_id=template_id,
        hyperparams={"General": {"nb_nodes": "4"}},
        user_properties={"why": "larger"},
        tags=["cloned"],
    )
    clone_id = made.execute(context(clearml))
    assert made.execute(context(clearml)) == clone_id
    clone = clearml.hook.task(clone_id)
    assert (clone.name, clone.status) == ("Clone of a job", "created")
    assert clone.hyperparams == {"General": {"model": "org/name", "nb_nodes": "4"}}
    assert (clone.user_properties["why"], clone.user_properties.get("plan")) == ("larger", None)
    assert "cloned" in clone.tags
    assert "test" not in clone.tags
    assert raw(clearml, clone_id)["script"]["diff"] == "print('hi')"
    assert made.clearml_task_url.endswith(f"/experiments/{clone_id}/execution")


def test_an_edit_changes_what_it_names_in_one_call_and_nothing_else(clearml):
    task_id = create_draft(
        clearml, task_spec=clearml.spec | {"container": {"image": "one", "arguments": "--ipc"}}
    )
    clearml.faults.seen.clear()
    ClearMLEditTaskOperator(
        task_id="edit",
        clearml_task_id=task_id,
        hyperparams={"General": {"nb_nodes": "2"}, "New": {"a": "b"}},
        user_properties={"plan": "second"},
        add_tags=["new"],
        remove_tags=["test", "not there"],
        container={"image": "two"},
    ).execute({})
    task = clearml.hook.task(task_id)
    assert task.hyperparams == {"General": {"model": "org/name", "nb_nodes": "2"}, "New": {"a": "b"}}
    assert (task.user_properties["plan"], task.attempt) == ("second", 1)
    assert [tag for tag in task.tags if not tag.startswith("key:")] == ["new"]
    container = raw(clearml, task_id)["container"]
    assert (container["image"], container["arguments"]) == ("two", "--ipc")
    assert clearml.faults.seen.count("tasks.edit") == 1
    assert clearml.faults.seen.count("tasks.edit_hyper_params") == 0


def test_user_properties_may_be_set_while_the_job_runs(clearml):
    task_id = clearml.enqueue()
    clearml.start()
    edit = ClearMLEditTaskOperator(task_id="edit", clearml_task_id=task_id, user_properties={"seen": "yes"})
    assert edit.execute({}) == task_id
    task = clearml.task()
    assert (task.status, task.user_properties["seen"]) == ("in_progress", "yes")


def enqueue_draft(place: Workplace, task_id: str, **arguments: Any) -> str:
    made = ClearMLEnqueueTaskOperator(
        task_id="enqueue", clearml_task_id=task_id, **({"clearml_queue": place.queue} | arguments)
    )
    done: str = made.execute({})
    return done


def test_a_draft_is_enqueued_once_and_adopted_afterwards(clearml):
    task_id = create_draft(clearml)
    assert enqueue_draft(clearml, task_id) == enqueue_draft(clearml, task_id) == task_id
    assert clearml.entries() == [task_id]
    clearml.start()
    enqueue_draft(clearml, task_id)
    assert (clearml.hook.task(task_id).status, clearml.entries()) == ("in_progress", [])
    clearml.call("tasks.completed", task=task_id)
    enqueue_draft(clearml, task_id)
    assert clearml.hook.task(task_id).status == "completed"


def test_a_failed_task_that_is_enqueued_again_starts_its_next_attempt(clearml):
    task_id = create_draft(clearml)
    enqueue_draft(clearml, task_id)
    clearml.fail()
    enqueue_draft(clearml, task_id)
    task = clearml.hook.task(task_id)
    assert (task.status, task.attempt, clearml.entries()) == ("queued", 2, [task_id])


@pytest.mark.parametrize("after_effect", [True, False], ids=["after the effect", "before the effect"])
def test_a_lost_answer_to_enqueueing_leaves_one_entry(clearml, after_effect):
    task_id = create_draft(clearml)
    clearml.faults.lose("tasks.enqueue", after_effect=after_effect)
    enqueue_draft(clearml, task_id)
    assert clearml.entries() == [task_id]


def test_aborting_keeps_the_reason_and_does_nothing_to_what_is_over(clearml):
    task_id = clearml.enqueue()
    clearml.start()
    abort = ClearMLAbortTaskOperator(
        task_id="abort", clearml_task_id=task_id, reason="a newer model", grace_s=0
    )
    assert abort.execute({}) == {"task_id": task_id, "attempt": 1, "status": "stopped", "aborted": True}
    assert clearml.task().user_properties["stop_reason"] == "a newer model"
    assert abort.execute({})["aborted"] is False
    assert clearml.task().status == "stopped"
