"""Creating, cloning, editing, queueing, resetting and deleting tasks, as plain REST clients do."""

from __future__ import annotations

from typing import Any

import pytest

from tests.devstack.servers.clearml.conftest import Api


def task_of(api: Api, task: str) -> dict[str, Any]:
    return dict(api.call("tasks.get_by_id", task=task)["task"])


def refusal(api: Api, endpoint: str, /, **body: Any) -> tuple[int, int]:
    meta = api.post(endpoint, **body).json()["meta"]
    return meta["result_code"], meta["result_subcode"]


def section(name: str, **values: str) -> dict[str, Any]:
    return {name: {key: {"section": name, "name": key, "value": value} for key, value in values.items()}}


def test_a_clone_replaces_hyperparameters_and_takes_everything_in_one_call(api: Api) -> None:
    template = api.new_task(
        name="template", script={"diff": "print()"}, hyperparams=section("General", lr="1", n="2"), tags=["t"]
    )
    project = api.call("projects.create", name="clones")["id"]
    body = {
        "new_task_name": "the clone",
        "new_task_tags": ["key:abc"],
        "new_task_hyperparams": section("General", lr="3") | section("properties", attempt="1"),
        "new_task_parent": template,
        "new_task_project": project,
        "new_task_container": {"image": "img", "arguments": ""},
    }
    clone = task_of(api, api.call("tasks.clone", task=template, **body)["id"])
    assert (clone["name"], clone["tags"], clone["parent"], clone["project"]) == (
        "the clone",
        ["key:abc"],
        template,
        project,
    )
    assert clone["hyperparams"] == body["new_task_hyperparams"]
    assert clone["script"]["diff"] == "print()"
    assert clone["container"]["image"] == "img"


def test_a_clone_of_a_finished_task_is_a_clean_draft(api: Api, queue: str) -> None:
    task = api.task_in("completed", queue)
    api.call("tasks.edit", task=task, force=True, runtime={"a": 1})
    api.call("events.add", task=task, type="training_stats_scalar", metric="m", variant="v", value=1, iter=5)
    clone = task_of(api, api.call("tasks.clone", task=task)["id"])
    assert (clone["status"], clone["runtime"], clone["last_metrics"]) == ("created", {}, {})
    assert not {"started", "completed", "last_worker"} & clone.keys()


def test_a_clone_without_a_named_parent_has_the_sources_or_the_source(api: Api) -> None:
    template = api.new_task(tags=["t"], system_tags=["archived", "development", "kept"])
    first = task_of(api, api.call("tasks.clone", task=template, new_task_tags=[])["id"])
    second = task_of(api, api.call("tasks.clone", task=first["id"])["id"])
    assert (first["parent"], second["parent"]) == (template, template)
    assert (first["tags"], first["system_tags"]) == (["t"], ["kept"])
    api.call("tasks.delete", task=template, force=True)
    orphans = task_of(api, api.call("tasks.clone", task=first["id"])["id"])
    assert orphans["parent"] == first["id"]


def test_a_clone_into_a_named_project_creates_it_with_its_parents(api: Api) -> None:
    answer = api.call("tasks.clone", task=api.new_task(), new_project_name="above / below")
    assert answer["new_project"]["id"]
    names = {each["name"] for each in api.call("projects.get_all", name="above")["projects"]}
    assert names == {"above", "above/below"}


@pytest.mark.parametrize(("replace", "left"), [("none", 3), ("section", 2), ("all", 1)])
def test_hyperparameters_are_replaced_as_asked(api: Api, replace: str, left: int) -> None:
    task = api.new_task(hyperparams=section("General", lr="1") | section("Args", x="1"))
    new = {"section": "General", "name": "n", "value": "2"}
    api.call("tasks.edit_hyper_params", task=task, hyperparams=[new], replace_hyperparams=replace)
    params = api.call("tasks.get_hyper_params", tasks=[task])["params"]
    assert len(params[0]["hyperparams"]) == left
    assert new in params[0]["hyperparams"]


@pytest.mark.parametrize("status", ["completed", "failed", "stopped", "queued", "in_progress"])
def test_user_properties_may_be_edited_in_any_status_and_others_not(
    api: Api, queue: str, status: str
) -> None:
    task = api.task_in(status, queue)
    own = {"section": "properties", "name": "attempt", "value": "2"}
    other = {"section": "General", "name": "lr", "value": "2"}
    assert api.call("tasks.edit_hyper_params", task=task, hyperparams=[own])["updated"] == 1
    assert refusal(api, "tasks.edit_hyper_params", task=task, hyperparams=[other, own]) == (400, 110)
    assert refusal(api, "tasks.edit", task=task, comment="c") == (400, 110)
    assert api.call("tasks.edit", task=task, comment="c", force=True)["updated"] == 1


def test_an_edit_of_tags_is_no_sign_of_life(api: Api) -> None:
    task = api.new_task()
    before = task_of(api, task)["last_update"]
    assert "last_update" not in api.call("tasks.edit", task=task, tags=["x"])["fields"]
    assert task_of(api, task)["last_update"] == before


def test_a_mistyped_queue_name_creates_that_queue_and_says_that_nobody_watches(api: Api) -> None:
    task = api.new_task()
    answer = api.call("tasks.enqueue", task=task, queue_name="mistpyed", verify_watched_queue=True)
    assert answer["queue_watched"] is False
    found = api.call("queues.get_all", name="^mistpyed$")["queues"][0]
    assert [entry["task"] for entry in found["entries"]] == [task]


def test_a_queue_is_watched_while_a_worker_serves_it(api: Api) -> None:
    queue = api.new_queue("watched queue")
    api.call("workers.register", worker="watcher", queues=[queue])
    answer = api.call("tasks.enqueue", task=api.new_task(), queue=queue, verify_watched_queue=True)
    assert answer["queue_watched"] is True
    api.call("workers.unregister", worker="watcher")
    answer = api.call("tasks.enqueue", task=api.new_task(), queue=queue, verify_watched_queue=True)
    assert answer["queue_watched"] is False


def test_a_refused_enqueue_leaves_status_and_queue(api: Api, queue: str) -> None:
    task = api.task_in("queued", queue)
    before = task_of(api, task)
    assert refusal(api, "tasks.enqueue", task=task, queue="0" * 32) == (400, 701)
    assert task_of(api, task) == before
    assert refusal(api, "tasks.enqueue", task=task, queue=queue) == (400, 706)
    renewed = {"status_reason", "status_changed", "last_update", "last_change"}
    assert {key for key, value in task_of(api, task).items() if value != before[key]} == renewed
    completed = api.task_in("completed", queue)
    assert refusal(api, "tasks.enqueue", task=completed, queue_name="never made") == (400, 110)
    assert api.call("queues.get_all", name="never made")["queues"] == []


def test_a_task_moves_to_the_other_queue(api: Api, queue: str) -> None:
    task, other = api.task_in("queued", queue), api.new_queue("the other queue")
    api.call("tasks.enqueue", task=task, queue=other)
    holding = [each["id"] for each in api.call("queues.get_all")["queues"] if task in str(each["entries"])]
    assert holding == [other]


def test_a_failed_task_runs_again_with_its_metrics_and_artifacts(api: Api, queue: str) -> None:
    task = api.task_in("in_progress", queue)
    artifact = {"key": "results", "type": "archive", "uri": "http://127.0.0.1/x"}
    api.call("tasks.add_or_update_artifacts", task=task, artifacts=[artifact], force=True)
    api.call("tasks.failed", task=task)
    api.call("tasks.enqueue", task=task, queue=queue)
    assert task_of(api, task)["execution"]["artifacts"][0]["key"] == "results"


def test_a_reset_empties_what_the_run_left(api: Api, queue: str) -> None:
    task = api.task_in("in_progress", queue)
    api.call("workers.status_report", worker="w", task=task, timestamp=0)
    api.call("events.add", task=task, type="training_stats_scalar", metric="m", variant="v", value=1, iter=5)
    api.call("tasks.add_or_update_artifacts", task=task, force=True, artifacts=[{"key": "a", "type": "x"}])
    api.call("tasks.completed", task=task)
    assert api.call("tasks.reset", task=task)["fields"]["status"] == "created"
    left = task_of(api, task)
    assert (left["execution"]["artifacts"], left["last_metrics"], left["last_iteration"]) == ([], {}, 0)
    assert not {"started", "completed", "last_worker"} & left.keys()
    assert api.call("events.scalar_metrics_iter_histogram", task=task) == {}


def test_a_running_task_is_told_to_stop_and_renewed(api: Api, queue: str) -> None:
    task = api.task_in("in_progress", queue)
    api.call("workers.status_report", worker="w", task=task, timestamp=0)
    before = task_of(api, task)["last_update"]
    fields = api.call("tasks.stop", task=task)["fields"]
    assert (fields["status"], fields["status_message"]) == ("in_progress", "stopping")
    assert fields["last_update"] > before
    assert api.call("tasks.stopped", task=task, force=True)["fields"]["status"] == "stopped"


@pytest.mark.parametrize("fields", [{}, {"system_tags": ["development"]}])
def test_a_task_without_a_worker_stops_at_once(api: Api, fields: dict[str, Any]) -> None:
    task = api.new_task(**fields)
    api.call("tasks.started", task=task)
    if fields:
        api.call("workers.status_report", worker="w", task=task, timestamp=0)
    assert api.call("tasks.stop", task=task)["fields"]["status"] == "stopped"


def test_of_many_the_refused_ones_leave_the_others_alone(api: Api, queue: str) -> None:
    good, bad = api.new_task(), api.task_in("completed", queue)
    answer = api.call("tasks.enqueue_many", ids=[good, bad, "nope"], queue=queue)
    assert [each["id"] for each in answer["succeeded"]] == [good]
    assert [each["error"]["codes"] for each in answer["failed"]] == [[400, 110], [400, 101]]
    assert api.call("tasks.stop_many", ids=[good])["succeeded"][0]["fields"]["status"] == "stopped"


def test_only_drafts_are_deleted_without_force_and_children_remember(api: Api, queue: str) -> None:
    parent = api.task_in("completed", queue)
    child = api.call("tasks.clone", task=parent, new_task_parent=parent)["id"]
    assert refusal(api, "tasks.delete", task=parent) == (400, 123)
    answer = api.call("tasks.delete_many", ids=[parent], force=True)
    assert answer["succeeded"][0]["updated_children"] == 1
    assert task_of(api, child)["parent"] == f"__DELETED__{parent}"
    assert refusal(api, "tasks.get_by_id", task=parent) == (400, 101)


def test_a_deletion_tells_which_files_nobody_refers_to_any_more(api: Api, queue: str) -> None:
    task = api.task_in("in_progress", queue)
    artifact = {"key": "results", "type": "archive", "uri": "http://127.0.0.1/x"}
    api.call("tasks.add_or_update_artifacts", task=task, artifacts=[artifact], force=True)
    answer = api.call("tasks.delete", task=task, force=True, return_file_urls=True)
    assert answer["urls"] == {"model_urls": [], "event_urls": [], "artifact_urls": ["http://127.0.0.1/x"]}
    assert api.call("tasks.delete", task=api.new_task())["urls"] is None


def test_a_task_with_published_children_is_deleted_with_force_only(api: Api, queue: str) -> None:
    parent, child = api.new_task(), api.task_in("published", queue)
    api.call("tasks.edit", task=child, parent=parent, force=True)
    assert refusal(api, "tasks.delete", task=parent) == (400, 123)
    assert api.call("tasks.delete", task=parent, force=True)["updated_children"] == 1


def test_archiving_takes_a_task_out_of_its_queue_and_ends_a_running_one(api: Api, queue: str) -> None:
    waiting, running = api.task_in("queued", queue), api.task_in("in_progress", queue)
    assert api.call("tasks.archive", tasks=[waiting, running]) == {"archived": 2}
    assert (api.status(waiting), api.status(running)) == ("created", "stopped")
    assert waiting not in str(api.call("queues.get_by_id", queue=queue)["queue"]["entries"])
    assert "archived" in task_of(api, running)["system_tags"]
    answer = api.call("tasks.unarchive_many", ids=[running, "nope"])
    assert answer["succeeded"] == [{"id": running, "unarchived": True}]
    assert [each["error"]["codes"] for each in answer["failed"]] == [[400, 101]]
    assert "archived" not in task_of(api, running)["system_tags"]


@pytest.mark.parametrize("status", ["created", "queued", "in_progress", "stopped", "failed", "completed"])
def test_with_force_a_task_is_completed_whatever_it_was(api: Api, queue: str, status: str) -> None:
    task = api.task_in(status, queue)
    answer = api.call("tasks.completed", task=task, force=True, status_reason="results found")
    assert (answer["updated"], answer["published"]) == (1, 0)
    assert task_of(api, task)["status_reason"] == "results found"
    assert api.status(task) == "completed"


def test_a_task_whose_agent_died_before_it_started_is_queued_in_no_queue_until_enqueued_again(
    api: Api,
) -> None:
    queue = api.new_queue("of a dying agent")
    task = api.task_in("queued", queue)
    assert api.call("queues.get_next_task", queue=queue)["entry"]["task"] == task
    assert api.status(task) == "queued"
    assert task_of(api, task)["execution"]["queue"] == queue
    holding = [each for each in api.call("queues.get_all")["queues"] if task in str(each["entries"])]
    assert holding == []
    assert api.call("tasks.enqueue", task=task, queue=queue)["queued"] == 1
    assert refusal(api, "tasks.enqueue", task=task, queue=queue) == (400, 706)
    assert [each["task"] for each in api.call("queues.get_by_id", queue=queue)["queue"]["entries"]] == [task]


def test_the_nodes_of_a_job_are_found_stopped_and_deleted_without_their_master(api: Api, queue: str) -> None:
    master = api.task_in("in_progress", queue)
    nodes = []
    for _ in range(2):
        node = api.call("tasks.clone", task=master, new_task_parent=master)["id"]
        tags = [*task_of(api, node)["system_tags"], "multi_node_instance"]
        api.call("tasks.edit", task=node, system_tags=tags, runtime={"launch_multi_node/node_rank": 1})
        api.call("tasks.enqueue", task=node, queue=queue)
        nodes.append(node)
    other = api.call("tasks.clone", task=master, new_task_parent=master)["id"]

    def children(*system_tags: str) -> set[str]:
        found = api.call("tasks.get_all", parent=master, system_tags=system_tags, only_fields=["id"])
        return {each["id"] for each in found["tasks"]}

    assert children("__$all", "multi_node_instance") == set(nodes)
    assert children("-multi_node_instance") == {other}
    api.call("tasks.stop", task=master)
    assert {api.status(node) for node in nodes} == {"queued"}  # nobody but us stops them
    stopped = api.call("tasks.stop_many", ids=nodes)["succeeded"]
    assert [each["fields"]["status"] for each in stopped] == ["stopped"] * 2
    deleted = api.call("tasks.delete_many", ids=nodes, force=True)["succeeded"]
    assert [each["deleted"] for each in deleted] == [True, True]
    assert children("__$all", "multi_node_instance") == set()


@pytest.mark.parametrize("name", ["projects.create", "queues.create"])
def test_a_name_taken_is_refused(api: Api, name: str) -> None:
    api.call(name, name="taken")
    assert refusal(api, name, name="taken") == (400, 801)


def test_a_queue_with_entries_is_deleted_with_force_only(api: Api) -> None:
    queue = api.new_queue("to be deleted")
    task = api.task_in("queued", queue)
    assert refusal(api, "queues.delete", queue=queue) == (400, 702)
    assert refusal(api, "queues.remove_task", queue=queue, task="nope") == (400, 703)
    assert api.call("queues.remove_task", queue=queue, task=task) == {"removed": 1}
    assert api.call("queues.delete", queue=queue) == {"deleted": 1}
