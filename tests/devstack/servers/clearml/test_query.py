"""Filters, order, pages and the fields asked for, in listings of tasks and queues."""

from __future__ import annotations

from typing import Any

import pytest

from tests.devstack.servers.clearml.conftest import Api


@pytest.fixture(scope="module")
def project(api: Api) -> str:
    """A project with four tasks: names alpha, beta, gamma, delta."""
    project = str(api.call("projects.create", name="queries")["id"])
    for name, tags, k in (
        ("alpha", ["a"], "1"),
        ("beta", ["a", "b"], "2"),
        ("gamma", ["b"], "2"),
        ("delta", [], "é"),
    ):
        item = {"section": "properties", "name": "k", "value": k}
        api.new_task(name=name, tags=tags, project=project, hyperparams={"properties": {"k": item}})
    return project


def names(api: Api, project: str, **query: Any) -> list[str]:
    rows = api.call("tasks.get_all", project=[project], only_fields=["name"], **query)["tasks"]
    return [row["name"] for row in rows]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, ["alpha", "beta", "gamma", "delta"]),
        ({"name": "^b"}, ["beta"]),
        ({"name": "ALPHA$"}, []),
        ({"id": []}, ["alpha", "beta", "gamma", "delta"]),
        ({"_any_": {"pattern": "^ALPHA$", "fields": ["name"]}}, ["alpha"]),
        ({"name": "ta$"}, ["beta", "delta"]),
        ({"tags": ["a"]}, ["alpha", "beta"]),
        ({"tags": ["a", "b"]}, ["alpha", "beta", "gamma"]),
        ({"tags": ["__$all", "a", "b"]}, ["beta"]),
        ({"tags": ["a", "-b"]}, ["alpha"]),
        ({"tags": ["-b"]}, ["alpha", "delta"]),
        ({"tags": ["__$not", "b", "__$not", "a"]}, ["delta"]),
        ({"tags": [None]}, ["delta"]),
        ({"hyperparams.properties.k.value": "2"}, ["beta", "gamma"]),
        ({"hyperparams.properties.k.value": "é"}, ["delta"]),
        ({"hyperparams.properties.k.value": "2", "tags": ["a"]}, ["beta"]),
        ({"hyperparams.properties.absent.value": "2"}, []),
        ({"status": ["created"], "type": ["training"]}, ["alpha", "beta", "gamma", "delta"]),
        ({"status": ["-created"]}, []),
        ({"order_by": ["name"]}, ["alpha", "beta", "delta", "gamma"]),
        ({"order_by": ["-name"]}, ["gamma", "delta", "beta", "alpha"]),
        ({"order_by": ["-hyperparams.properties.k.value", "name"]}, ["delta", "beta", "gamma", "alpha"]),
        ({"page": 1, "page_size": 3}, ["delta"]),
        ({"page": 0, "page_size": 2, "order_by": "name"}, ["alpha", "beta"]),
        ({"page": 9, "page_size": 2}, []),
        ({"_any_": {"pattern": "^(alpha|gamma)$", "fields": ["name"]}}, ["alpha", "gamma"]),
        ({"last_update": [">=2000-01-01T00:00:00"]}, ["alpha", "beta", "gamma", "delta"]),
        ({"last_update": "<2000-01-01T00:00:00"}, []),
        ({"created": ["2000-01-01T00:00:00", None]}, ["alpha", "beta", "gamma", "delta"]),
        ({"created": [None, "2000-01-01T00:00:00"]}, []),
        ({"hyperparams.properties.k.value": ["2", "1"]}, ["alpha", "beta", "gamma"]),
    ],
)
def test_a_filter_selects_in_order(
    api: Api, project: str, query: dict[str, Any], expected: list[str]
) -> None:
    assert names(api, project, **query) == expected


@pytest.mark.parametrize(
    ("query", "error"),
    [
        ({"name": "("}, (400, 21)),
        ({"page": -1}, (400, 12)),
        ({"page": 10**30}, (400, 12)),
        ({"tags": ["__$what"]}, (400, 12)),
        ({"created": [">=2000-01-01T00:00:00"]}, (400, 12)),
        ({"created": ["yesterday", None]}, (400, 12)),
        ({"tags": 5}, (400, 12)),
        ({"only_fields": ["nothing"]}, (400, 14)),
        ({"only_fields": ["execution.nothing"]}, (400, 14)),
        ({"only_fields": ["project.name"]}, (400, 14)),
        ({"order_by": ["-nothing"]}, (400, 14)),
    ],
)
def test_a_filter_that_makes_no_sense_is_refused(
    api: Api, project: str, query: dict[str, Any], error: tuple[int, int]
) -> None:
    meta = api.post("tasks.get_all", project=[project], **query).json()["meta"]
    assert (meta["result_code"], meta["result_subcode"]) == error


def test_hidden_tasks_are_found_by_id_or_when_asked_for(api: Api) -> None:
    task = api.new_task(name="hidden one", system_tags=["hidden"])
    assert api.call("tasks.get_all", name="^hidden one$")["tasks"] == []
    assert len(api.call("tasks.get_all", name="^hidden one$", search_hidden=True)["tasks"]) == 1
    assert len(api.call("tasks.get_all", id=[task])["tasks"]) == 1


def test_listings_are_silently_cut_at_500_rows(api: Api) -> None:
    project = api.call("projects.create", name="many tasks")["id"]
    ids = [api.new_task(project=project) for _ in range(502)]
    query: dict[str, Any] = {"project": [project], "only_fields": ["id"]}
    assert [row["id"] for row in api.call("tasks.get_all", **query)["tasks"]] == ids[:500]
    assert len(api.call("tasks.get_all", **query, page_size=1000)["tasks"]) == 500
    assert len(api.call("tasks.get_all", **query, page=1, page_size=500)["tasks"]) == 2
    assert len(api.call("tasks.get_all", id=ids, only_fields=["id"])["tasks"]) == 500


def test_a_deleted_task_is_just_absent(api: Api) -> None:
    kept, gone = api.new_task(), api.new_task()
    api.call("tasks.delete", task=gone)
    assert [row["id"] for row in api.call("tasks.get_all", id=[gone, kept])["tasks"]] == [kept]


def test_only_fields_are_dotted_and_absent_ones_left_out(api: Api) -> None:
    task = api.new_task(runtime={"a": {"b": 1, "c": 2}, "d": 3})
    rows = api.call(
        "tasks.get_all", id=[task], only_fields=["runtime.a.b", "runtime.x", "execution.queue", "status"]
    )
    assert rows["tasks"] == [{"runtime": {"a": {"b": 1}}, "execution": {}, "status": "created"}]


def test_a_queue_is_found_by_name_pattern_and_id(api: Api) -> None:
    queue = api.new_queue("pattern.queue")
    by_name = api.call("queues.get_all", name="^pattern\\.queue$", only_fields=["id", "name"])["queues"]
    assert by_name == [{"id": queue, "name": "pattern.queue"}]
    assert api.call("queues.get_all", id=[queue])["queues"][0]["entries"] == []


def test_tasks_are_found_by_the_queue_they_were_sent_to(api: Api) -> None:
    queue = api.new_queue("asked for")
    task = api.task_in("queued", queue)
    query: dict[str, Any] = {"execution.queue": queue}
    rows = api.call("tasks.get_all", **query)["tasks"]
    assert [row["id"] for row in rows] == [task]


@pytest.mark.parametrize(
    ("endpoint", "fields"),
    [
        ("tasks.get_all", ["hyperparams.properties", "hyperparams"]),
        ("tasks.get_all", ["id", "runtime", "runtime.a.b"]),
        ("queues.get_all", ["entries", "entries.task"]),
    ],
)
def test_a_field_together_with_its_own_sub_field_is_refused_as_mongodb_refuses_it(
    api: Api, endpoint: str, fields: list[str]
) -> None:
    response = api.post(endpoint, only_fields=fields)
    meta = response.json()["meta"]
    assert (response.status_code, meta["result_code"], meta["result_subcode"]) == (500, 500, 1)
    assert "Path collision at" in meta["result_msg"]


def test_get_all_ex_takes_a_field_together_with_its_own_sub_field(api: Api, project: str) -> None:
    fields = ["hyperparams", "hyperparams.properties"]
    rows = api.call("tasks.get_all_ex", project=[project], only_fields=fields)
    assert all(set(row) == {"hyperparams"} for row in rows["tasks"])


def test_a_field_that_is_not_wanted_is_left_out(api: Api) -> None:
    task = api.new_task(runtime={"a": 1, "b": 2})
    (row,) = api.call("tasks.get_all", id=[task], only_fields=["-runtime.a", "-script"])["tasks"]
    assert row["runtime"] == {"b": 2}
    assert "script" not in row
    assert row["id"] == task


def test_a_listing_scrolls_to_its_end(api: Api, project: str) -> None:
    found, scroll = [], None
    while True:
        page = api.call("tasks.get_all", project=[project], size=3, scroll_id=scroll, only_fields=["name"])
        if not page["tasks"]:
            break
        found += [row["name"] for row in page["tasks"]]
        scroll = page["scroll_id"]
    assert found == ["alpha", "beta", "gamma", "delta"]
