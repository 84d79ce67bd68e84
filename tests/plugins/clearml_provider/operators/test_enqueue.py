"""One task for a key, whatever happens on the way."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from clearml_provider import api
from clearml_provider.exceptions import ClearMLConfigError, ClearMLNotFoundError, ClearMLUnavailableError
from clearml_provider.flows import create
from clearml_provider.models import TaskSpec
from clearml_provider.operators import ClearMLEnqueueOperator
from clearml_provider.transport import RetryPolicy

from tests.plugins.clearml_provider.workplace import Workplace


def operator(place: Workplace, **changes) -> ClearMLEnqueueOperator:
    arguments = {"task_spec": place.spec, "clearml_queue": place.queue, "idempotency_key": place.key}
    made = ClearMLEnqueueOperator(task_id="enqueue", **(arguments | changes))
    made.hook.retry = RetryPolicy(budget_s=5, base_s=0.01, cap_s=0.05)
    return made


def test_it_creates_the_task_with_its_key_from_the_first_moment_and_enqueues_it(clearml):
    task_id = operator(clearml).execute({})
    task = clearml.task()
    assert (task.id, task.status, task.queue_id) == (task_id, "queued", clearml.queue_id)
    assert clearml.entries() == [task_id]
    assert task.tags == (f"key:{clearml.key}", "test")
    assert task.user_properties["idempotency_key"] == clearml.key
    assert (task.user_properties["attempt"], task.user_properties["plan"]) == ("1", "first")
    assert task.hyperparams == {"General": {"model": "org/name", "nb_nodes": "1"}}
    script = clearml.call("tasks.get_by_id", task=task_id)["task"]["script"]
    assert (script["entry_point"], script["diff"]) == ("job.py", "print('hi')")
    assert clearml.faults.seen.count("tasks.create") == 1


def test_enqueueing_again_adopts_the_task_whatever_it_does(clearml):
    task_id = operator(clearml).execute({})
    assert operator(clearml).execute({}) == task_id  # queued
    clearml.start()
    assert operator(clearml).execute({}) == task_id  # in progress
    clearml.call("tasks.completed", task=task_id)
    assert operator(clearml).execute({}) == task_id  # completed
    assert clearml.task().attempt == 1
    assert clearml.entries() == []


def test_a_failed_task_starts_its_next_attempt_with_the_new_spec_and_fresh_budgets(clearml):
    task_id = operator(clearml).execute({})
    clearml.fail()
    clearml.hook.run(
        create.edit_hyperparams(task_id, properties={"endings": '[[1, "node_lost"]]', "mine": "kept"})
    )
    spec = clearml.spec | {"hyperparams": {"General": {"nb_nodes": "2"}}, "user_properties": {"plan": "2nd"}}
    assert operator(clearml, task_spec=spec).execute({}) == task_id
    task = clearml.task()
    assert (task.status, task.attempt, task.user_properties["plan"]) == ("queued", 2, "2nd")
    assert (task.user_properties["endings"], task.user_properties["mine"]) == ("[]", "kept")
    assert task.hyperparams == {"General": {"model": "org/name", "nb_nodes": "2"}}
    assert clearml.entries() == [task_id]


def test_concurrent_enqueues_end_with_one_task(clearml):
    def enqueue(_: int) -> str:
        return operator(clearml).execute({})

    with ThreadPoolExecutor(4) as pool:
        ids = set(pool.map(enqueue, range(4)))
    assert ids == {clearml.task().id}
    assert clearml.entries() == list(ids)


@pytest.mark.parametrize("after_effect", [True, False], ids=["after the effect", "before the effect"])
@pytest.mark.parametrize("endpoint", ["tasks.create", "tasks.enqueue", "projects.create", "tasks.get_all"])
def test_a_lost_answer_leaves_one_task_enqueued_once(clearml, endpoint, after_effect):
    spec = clearml.spec | {"project": clearml.key}  # not there yet
    clearml.faults.lose(endpoint, after_effect=after_effect)
    task_id = operator(clearml, task_spec=spec).execute({})
    assert clearml.task().id == task_id
    assert clearml.entries() == [task_id]


def test_a_duplicate_that_shows_up_late_is_deleted_even_when_it_is_older(clearml):
    late = clearml.hook.run(
        create.create_task(
            TaskSpec.model_validate(clearml.spec), tags=[f"key:{clearml.key}"], properties={"attempt": "1"}
        )
    )
    chosen = clearml.hook.run(
        create.create_task(
            TaskSpec.model_validate(clearml.spec), tags=[f"key:{clearml.key}"], properties={"attempt": "1"}
        )
    )
    clearml.hook.run(api.enqueue(chosen, clearml.queue_id))
    assert operator(clearml).execute({}) == chosen
    assert [t.id for t in clearml.of_key()] == [chosen]
    with pytest.raises(ClearMLNotFoundError, match=late):
        clearml.hook.task(late)


def test_copies_that_inherited_the_tag_are_neither_chosen_nor_deleted(clearml):
    task_id = operator(clearml).execute({})
    copy = clearml.call("tasks.clone", task=task_id, new_task_parent=task_id)["id"]
    assert operator(clearml).execute({}) == task_id
    assert {t.id for t in clearml.of_key()} == {task_id, copy}


def test_a_mistyped_queue_is_an_error_that_lists_the_known_ones_and_creates_nothing(clearml):
    with pytest.raises(ClearMLConfigError, match=rf"no queue 'gpuu', known are .*{clearml.queue}"):
        operator(clearml, clearml_queue="gpuu").execute({})
    assert clearml.of_key() == []
    assert "gpuu" not in {q.name for q in clearml.hook.queues()}


def test_a_missing_queue_is_created_when_asked(clearml):
    name = f"new-{clearml.queue}"
    operator(clearml, clearml_queue=name, create_queue_if_missing=True).execute({})
    queues = {q.name: q.id for q in clearml.hook.queues()}
    assert clearml.task().queue_id == queues[name]


def test_a_queue_whose_creation_got_no_answer_is_found(clearml):
    name = f"new-{clearml.queue}"
    clearml.faults.lose("queues.create", after_effect=True)
    operator(clearml, clearml_queue=name, create_queue_if_missing=True).execute({})
    assert [q.name for q in clearml.hook.queues()].count(name) == 1


@pytest.mark.parametrize("by_name", [False, True])
def test_a_template_is_cloned_with_its_hyperparameters_merged(clearml, by_name):
    template_spec = clearml.spec | {"name": f"template {clearml.key}", "project": "provider templates"}
    template = clearml.hook.run(create.create_task(TaskSpec.model_validate(template_spec), properties={}))
    source = (
        {"template": {"project": "provider templates", "name": f"template {clearml.key}"}}
        if by_name
        else {"template_task_id": template}
    )
    spec = {"name": "a clone", "hyperparams": {"General": {"nb_nodes": "4"}, "Extra": {"a": "b"}}, **source}
    task_id = operator(clearml, task_spec=spec).execute({})
    task = clearml.hook.task(task_id)
    assert task.hyperparams == {"General": {"model": "org/name", "nb_nodes": "4"}, "Extra": {"a": "b"}}
    assert (task.name, task.attempt, task.status) == ("a clone", 1, "queued")
    assert "plan" not in task.user_properties
    assert [t.id for t in clearml.of_key()] == [task_id]


def test_a_template_that_does_not_exist_is_an_error_before_anything_is_made(clearml):
    for source, words in (
        ({"template": {"project": "no such project", "name": "x"}}, "no project 'no such project'"),
        ({"template_task_id": "0" * 32}, f"no task {'0' * 32}"),
    ):
        with pytest.raises((ClearMLConfigError, ClearMLNotFoundError), match=words):
            operator(clearml, task_spec={"name": "a clone", **source}).execute({})
    assert clearml.of_key() == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"idempotency_key": ""}, "empty idempotency key"),
        ({"task_spec": {"name": "job"}}, "task_spec of enqueue is not valid"),
    ],
)
def test_wrong_arguments_are_told_when_the_task_runs(clearml, changes, words):
    with pytest.raises(ClearMLConfigError, match=words):
        operator(clearml, **changes).execute({})


def test_an_api_that_stays_away_is_given_up(clearml):
    clearml.faults.away()
    made = operator(clearml)
    made.hook.retry = RetryPolicy(budget_s=0.2, base_s=0.01)
    with pytest.raises(ClearMLUnavailableError, match="gave up after"):
        made.execute({})


def test_links_lead_to_clearmls_web_ui(clearml):
    made = operator(clearml)
    task_id = made.execute({})
    project = clearml.task().project_id
    key: Any = None  # the operator knows the task itself
    links = {link.name: link.get_link(made, ti_key=key) for link in made.operator_extra_links}
    assert links == {
        "ClearML task": f"http://web.test/projects/{project}/experiments/{task_id}/execution",
        "ClearML log": f"http://web.test/projects/{project}/experiments/{task_id}/output/log",
    }


def test_the_key_tag_is_the_one_that_the_lookup_uses(clearml):
    operator(clearml).execute({})
    found = clearml.hook.find_by_key(clearml.key)
    assert found is not None
    assert create.key_tag(clearml.key) in found.tags
