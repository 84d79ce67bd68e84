"""The pages: they show what is there, and nothing that a stranger wrote comes out as HTML."""

from __future__ import annotations

import re

import httpx
import pytest

from tests.devstack.servers.clearml.conftest import Api, Stack

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>{{7*7}}"


@pytest.fixture(scope="module")
def hostile_task(api: Api) -> str:
    """A task whose every text is an attack."""
    project = api.call("projects.create", name=f"project {HOSTILE}")["id"]
    parameter = {"section": HOSTILE, "name": HOSTILE, "value": HOSTILE}
    task = api.new_task(
        name=HOSTILE, project=project, tags=[HOSTILE], hyperparams={HOSTILE: {HOSTILE: parameter}}
    )
    api.call("tasks.started", task=task, status_message=HOSTILE, status_reason=HOSTILE)
    artifact = {"key": HOSTILE, "type": HOSTILE, "uri": "javascript:alert(1)", "hash": HOSTILE}
    api.call("tasks.add_or_update_artifacts", task=task, artifacts=[artifact], force=True)
    api.call("workers.status_report", worker=HOSTILE, task=task, timestamp=0)
    api.call("events.add", type="log", task=task, msg=HOSTILE, worker=HOSTILE)
    for iteration in (-(2**31), 1, 2):
        names = {"metric": HOSTILE, "variant": HOSTILE}
        api.call(
            "events.add",
            type="training_stats_scalar",
            task=task,
            iter=iteration,
            value=iteration / 3,
            **names,
        )
    return task


PAGES = [
    "/",
    "/projects",
    "/projects/*/experiments/{task}",
    "/projects/*/tasks/{task}",
    "/projects/*/experiments/{task}/output/log",
    "/projects/any/tasks/{task}/output/log",
    "/projects/*/experiments/{task}/info-output/metrics/scalar",
]


@pytest.mark.parametrize("page", PAGES)
def test_hostile_text_is_shown_as_text(stack: Stack, hostile_task: str, page: str) -> None:
    answer = httpx.get(stack.web_host + page.format(task=hostile_task))
    assert answer.status_code == 200
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in answer.text
    assert "<script" not in answer.text
    assert "<img" not in answer.text
    assert "49" not in answer.text.split("{{7*7}}")[0][-40:]
    assert 'href="javascript' not in answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]


def test_a_task_shows_status_parameters_values_artifacts_and_console(stack: Stack, api: Api) -> None:
    parameter = {"section": "General", "name": "learning_rate", "value": "0.125"}
    task = api.new_task(name="seen task", hyperparams={"General": {"learning_rate": parameter}})
    api.call("tasks.started", task=task)
    api.call("events.add", type="log", task=task, msg="printed line")
    for iteration, value in ((-(2**31), 0.75), (1, 1.5), (2, 2.5)):
        names = {"metric": "loss", "variant": "train"}
        api.call("events.add", type="training_stats_scalar", task=task, iter=iteration, value=value, **names)
    artifact = {"key": "results", "type": "archive", "content_size": 1_500_000}
    api.call("tasks.add_or_update_artifacts", task=task, artifacts=[artifact], force=True)
    text = httpx.get(f"{stack.web_host}/projects/*/experiments/{task}").text
    for part in (
        "seen task",
        "in_progress",
        "learning_rate",
        "0.125",
        "0.75",
        "polyline",
        "1.5 MB",
        "printed line",
    ):
        assert part in text
    log = httpx.get(f"{stack.web_host}/projects/*/experiments/{task}/output/log").text
    assert "printed line" in log
    assert "learning_rate" not in log


def test_an_unknown_task_is_a_404_with_a_page(stack: Stack) -> None:
    answer = httpx.get(f"{stack.web_host}/projects/*/experiments/<b>")
    assert answer.status_code == 404
    assert "&lt;b&gt;" in answer.text


def test_an_unknown_address_is_a_404_with_a_page(stack: Stack) -> None:
    answer = httpx.get(f"{stack.web_host}/no/such/page")

    assert answer.status_code == 404
    assert "<h1>Not here</h1>" in answer.text
    assert answer.headers["content-type"].startswith("text/html")


def test_a_task_begins_with_its_state_and_the_end_of_its_console(stack: Stack, api: Api) -> None:
    parameter = {"section": "General", "name": "model", "value": "org/m"}
    task = api.new_task(name="long console", hyperparams={"General": {"model": parameter}})
    api.call("tasks.started", task=task)
    for number in range(30):
        api.call("events.add", type="log", task=task, msg=f"line {number:02}", timestamp=1000 + number)
    text = httpx.get(f"{stack.web_host}/projects/*/experiments/{task}").text

    assert text.index("in_progress") < text.index("line 29") < text.index("Hyperparameters")
    assert "line 09" not in text
    assert "10 earlier lines are not shown here." in text
    assert re.search(r"<dt>Started</dt><dd>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC</dd>", text)
    log = httpx.get(f"{stack.web_host}/projects/*/experiments/{task}/output/log").text
    assert "line 00" in log


def test_a_project_shows_only_its_tasks(stack: Stack, api: Api) -> None:
    project = api.call("projects.create", name="only mine")["id"]
    api.new_task(name="mine 1", project=project)
    api.new_task(name="not mine")
    text = httpx.get(f"{stack.web_host}/projects/{project}/experiments").text
    assert "mine 1" in text
    assert "not mine" not in text


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_pages_are_read_only(stack: Stack, method: str) -> None:
    assert httpx.request(method, stack.web_host).status_code == 405


def test_a_foreign_name_for_this_machine_is_refused(stack: Stack) -> None:
    assert httpx.get(stack.web_host, headers={"Host": "attacker.example"}).status_code == 400
