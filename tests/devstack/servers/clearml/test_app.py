"""What every endpoint has in common: log-in, versions, refusals, bad input, and the watchdog."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from devstack.servers.clearml.app import ENDPOINTS, create_api_app
from tests.devstack.servers.clearml.conftest import (
    ACCESS_KEY,
    JWT_SECRET,
    SECRET_KEY,
    Api,
    Stack,
    log_in,
    serving,
    wait_for,
)


def code(response: httpx.Response) -> tuple[int, int]:
    meta = response.json()["meta"]
    assert meta["result_code"] == response.status_code
    return response.status_code, meta["result_subcode"]


def test_the_token_has_the_claims_that_clients_read(stack: Stack) -> None:
    token = stack.api.http.headers["authorization"].removeprefix("Bearer ")
    claims = jwt.decode(token, JWT_SECRET, algorithms=["HS256"])
    assert claims.keys() >= {"exp", "iat", "identity", "api_version", "server_version", "feature_set"}
    assert claims["identity"].keys() >= {"user", "company"}


def test_log_in_sets_a_cookie(stack: Stack) -> None:
    answer = httpx.post(f"{stack.api_host}/auth.login", auth=(ACCESS_KEY, SECRET_KEY))
    assert answer.json()["data"]["token"] in answer.headers["set-cookie"]


def test_the_cookie_alone_opens_nothing(stack: Stack) -> None:
    """Otherwise any page in the same browser could act on the server."""
    token = stack.api.http.headers["authorization"].removeprefix("Bearer ")
    answer = httpx.post(f"{stack.api_host}/tasks.get_all", headers={"Cookie": f"clearml_token_basic={token}"})
    assert code(answer) == (401, 20)


@pytest.mark.parametrize(
    ("header", "subcode"),
    [
        ({}, 20),
        ({"Authorization": "Bearer nonsense"}, 30),
        ({"Authorization": "Bearer " + jwt.encode({"exp": 1, "iat": 0}, JWT_SECRET)}, 30),
        ({"Authorization": "Bearer " + jwt.encode({"exp": 2**40, "iat": 0}, "x" * 32)}, 30),
        ({"Authorization": "Basic !!"}, 22),
        ({"Authorization": "Other thing"}, 10),
        ({"Authorization": "Basic bm86Ym9keQ=="}, 22),
    ],
)
def test_a_stranger_is_refused(stack: Stack, header: dict[str, str], subcode: int) -> None:
    assert code(httpx.post(f"{stack.api_host}/tasks.get_all", headers=header)) == (401, subcode)


@pytest.mark.parametrize("prefix", ["", "/v2.8", "/v2.34", "/v999.0"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_any_version_prefix_and_both_methods_answer(api: Api, prefix: str, method: str) -> None:
    answer = api.http.request(method, f"{prefix}/server.info", content=b"{}")
    assert answer.json()["data"]["api_version"] == "2.34"


@pytest.mark.parametrize(
    ("body", "subcode"),
    [
        (b"{", 0),
        (b"[1]", 12),
        (b'"text"', 12),
        (b"\xff", 0),
        (b'{"task": NaN}', 0),
        (b'{"a": 1e999}', 0),
        (b"[" * 100_000, 0),
        (b"9" * 5000, 0),
        (b'{"task": {"$ne": ""}}', 12),
    ],
)
def test_a_body_that_makes_no_sense_is_refused(api: Api, body: bytes, subcode: int) -> None:
    answer = api.http.post("/tasks.get_by_id", content=body)
    assert code(answer) == (400, subcode)
    assert "Traceback" not in answer.text


@pytest.mark.parametrize(
    ("endpoint", "subcode"), [("tasks.create", 800), ("projects.create", 12), ("queues.create", 800)]
)
def test_names_shorter_than_three_characters_are_refused(api: Api, endpoint: str, subcode: int) -> None:
    assert code(api.post(endpoint, name=" ab ", type="training")) == (400, subcode)


def test_a_hyperparameter_that_is_not_a_string_is_refused_and_changes_nothing(api: Api) -> None:
    task = api.new_task()
    before = api.call("tasks.get_by_id", task=task)
    parameter = {"section": "General", "name": "lr", "value": 0.5}
    answer = api.post("tasks.edit_hyper_params", task=task, hyperparams=[parameter])
    assert code(answer) == (400, 12)
    assert api.call("tasks.get_by_id", task=task) == before


@pytest.mark.parametrize("field", ["project", "parent"])
def test_a_reference_to_nothing_is_refused(api: Api, field: str) -> None:
    assert code(api.post("tasks.create", name="a task", type="training", **{field: "0" * 32})) == (400, 16)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
SOUND: dict[str, Any] = {
    "name": "a name",
    "type": "training",
    "worker": "w",
    "force": True,
    "requirements": {},
    "artifacts": [{"key": "a", "type": "dict"}],
    "hyperparams": [{"section": "a", "name": "b", "value": "c"}],
    "configuration": [{"name": "a", "value": "b"}],
}
"""What some endpoint needs; random values then replace some of it."""
OTHER_KEYS = [
    "queue_name",
    "tags",
    "system_tags",
    "only_fields",
    "order_by",
    "page",
    "page_size",
    "id",
    "status",
]
OTHER_KEYS += [
    "execution",
    "script",
    "container",
    "runtime",
    "models",
    "new_task_hyperparams",
    "project",
    "queues",
]
OTHER_KEYS += [
    "last_seen",
    "event_type",
    "batch_size",
    "from_timestamp",
    "order",
    "scroll_id",
    "samples",
    "key",
]
OTHER_KEYS += [
    "iters",
    "metrics",
    "_any_",
    "last_update",
    "hyperparams.a.b.value",
    "execution.queue",
    "items",
]
OTHER_KEYS += ["timestamp", "iter", "metric", "variant", "value", "msg", "execution_overrides", "output_dest"]


@settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    endpoint=st.sampled_from(sorted(ENDPOINTS)),
    random=st.dictionaries(st.sampled_from([*SOUND, *OTHER_KEYS]), JSON, max_size=4),
)
def test_no_body_makes_the_server_stumble(
    stack: Stack, queue: str, endpoint: str, random: dict[str, Any]
) -> None:
    """Neither a traceback nor damage: whatever was taken in can be read again."""
    api = stack.api
    task = api.new_task(script={"diff": "1"})
    ids = {"task": task, "tasks": [task], "ids": [task], "queue": queue if "delete" not in endpoint else "x"}
    if endpoint.startswith("events.add"):
        random = {"type": "log"} | random
    answer = api.http.post(f"/{endpoint}", json=SOUND | random | ids)
    collides = "Path collision" in answer.text
    assert answer.status_code in (200, 400) or collides, answer.text
    assert answer.json()["meta"]["result_code"] == answer.status_code
    rows = api.call("tasks.get_all", order_by=["-created"], page_size=5)["tasks"]
    api.call("tasks.get_all_ex", order_by=["-created"], page_size=5)
    for row in rows[:2]:
        api.call("tasks.clone", task=row["id"])
        api.call("tasks.reset", task=row["id"], force=True)
        page = httpx.get(f"{stack.web_host}/projects/*/experiments/{row['id']}")
        assert page.status_code == 200


def test_the_fields_of_a_change_say_what_is_stored(api: Api) -> None:
    task = api.new_task()
    fields = api.call("tasks.started", task=task, status_message="m", status_reason="r")["fields"]
    stored = api.call("tasks.get_by_id", task=task)["task"]
    assert {key: stored[key] for key in fields} == fields


@pytest.mark.parametrize("version", ["2.8", "2.23"])
def test_old_clients_find_the_image_where_they_know_it(api: Api, version: str) -> None:
    task = api.new_task(container={"image": "py", "arguments": "-x"})
    execution = api.call("tasks.get_by_id", version, task=task)["task"]["execution"]
    assert execution.get("docker_cmd") == ("py -x" if version == "2.8" else None)


def test_a_silent_task_is_stopped_and_a_pinged_one_is_not(tmp_path: Path) -> None:
    app = create_api_app(
        tmp_path,
        access_key=ACCESS_KEY,
        secret_key=SECRET_KEY,
        jwt_secret=JWT_SECRET,
        non_responsive_after=timedelta(seconds=1),
    )
    with serving(app) as address, log_in(address) as http:
        api = Api(http)
        silent, alive = api.task_in("in_progress", ""), api.task_in("in_progress", "")

        def stopped() -> bool:
            api.call("tasks.ping", task=alive)
            return api.status(silent) == "stopped"

        wait_for(stopped, "the watchdog looks")
        assert api.status(alive) == "in_progress"
        task = api.call("tasks.get_by_id", task=silent)["task"]
        assert task["status_reason"] == "Forced stop (non-responsive)"


def test_several_agents_pull_each_task_once(api: Api) -> None:
    queue = api.new_queue("pulled by many")
    tasks = [api.task_in("created", queue) for _ in range(30)]
    for task in tasks:
        api.call("tasks.enqueue", task=task, queue=queue)

    def pull(_: int) -> list[str]:
        found = []
        while entry := api.call("queues.get_next_task", queue=queue).get("entry"):
            found.append(entry["task"])
        return found

    with ThreadPoolExecutor(6) as pool:
        pulled = [task for found in pool.map(pull, range(6)) for task in found]
    assert sorted(pulled) == sorted(tasks)


def test_of_several_callers_who_enqueue_a_task_one_succeeds(api: Api, queue: str) -> None:
    task = api.new_task()
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: code(api.post("tasks.enqueue", task=task, queue=queue)), range(6)))
    assert sorted(answers) == [(200, 0)] + [(400, 706)] * 5


def test_the_same_state_cannot_be_used_by_a_newer_schema(tmp_path: Path) -> None:
    import sqlite3

    from palmares.leaderboard.errors import StackError

    database = sqlite3.connect(tmp_path / "clearml.sqlite")
    database.execute("PRAGMA user_version=99")
    database.commit()
    with pytest.raises(StackError, match="schema 99"):
        create_api_app(tmp_path, access_key="a", secret_key="b", jwt_secret=JWT_SECRET)


def test_readiness_needs_no_log_in(tmp_path: Path) -> None:
    app = create_api_app(tmp_path, access_key="a", secret_key="b", jwt_secret=JWT_SECRET)
    assert TestClient(app).get("/debug.ping").json()["data"] == {"msg": "ClearML server"}
