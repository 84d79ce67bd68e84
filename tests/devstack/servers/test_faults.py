"""Every fault against a real client over TCP, and that there are none unless asked for."""

from __future__ import annotations

import base64
import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError

from devstack.servers.clearml.app import create_api_app, create_files_app
from devstack.servers.fault_plan import Fault
from devstack.servers.faults import CONTROL_PATH, FaultInjector
from devstack.servers.hub.app import create_app
from tests.devstack.servers.clearml.conftest import (
    ACCESS_KEY,
    JWT_SECRET,
    SECRET_KEY,
    Api,
    log_in,
    serving,
)
from tests.devstack.servers.processes import SECRETS
from tests.devstack.servers.processes import served as services

pytestmark = pytest.mark.stack

TOKEN = "token-of-the-faults"
CONTROL = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture(scope="module")
def injector(tmp_path_factory: pytest.TempPathFactory) -> FaultInjector:
    app = create_api_app(
        tmp_path_factory.mktemp("state"), access_key=ACCESS_KEY, secret_key=SECRET_KEY, jwt_secret=JWT_SECRET
    )
    return FaultInjector(app, service="clearml_api", token=TOKEN)


@pytest.fixture(scope="module")
def served(injector: FaultInjector) -> Iterator[Api]:
    with serving(injector) as address, log_in(address) as http:
        yield Api(http)


@pytest.fixture
def api(served: Api, injector: FaultInjector) -> Api:
    """The server without faults, and with nothing seen."""
    injector.clear()
    return served


def plan(api: Api, *faults: dict[str, Any]) -> None:
    api.http.put(CONTROL_PATH, json={"faults": faults}, headers=CONTROL).raise_for_status()


def report(api: Api) -> Any:
    return api.http.get(CONTROL_PATH, headers=CONTROL).raise_for_status().json()


def tasks_called(api: Api, name: str) -> list[Any]:
    return list(api.call("tasks.get_all", name=f"^{name}$", only_fields=["id"])["tasks"])


@pytest.mark.parametrize(("kind", "made"), [("drop_before", 0), ("drop_after", 1)])
def test_a_dropped_connection_leaves_the_client_without_answer(api: Api, kind: str, made: int) -> None:
    plan(api, {"endpoint": "tasks.create", "kind": kind})
    with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
        api.post("tasks.create", name=f"lost {kind}", type="training")
    assert len(tasks_called(api, f"lost {kind}")) == made


def test_the_connection_after_a_dropped_one_works_at_once(api: Api) -> None:
    plan(api, {"endpoint": "debug.ping", "kind": "drop_before"})
    with pytest.raises(httpx.TransportError):
        api.post("debug.ping")
    assert api.post("debug.ping").status_code == 200


def test_a_cut_answer_ends_before_its_announced_length(api: Api) -> None:
    plan(api, {"endpoint": "tasks.create", "kind": "truncate"})
    with pytest.raises(httpx.RemoteProtocolError, match=r"incomplete|without sending complete"):
        api.post("tasks.create", name="cut in the middle", type="training")
    assert len(tasks_called(api, "cut in the middle")) == 1


def test_a_cut_answer_may_be_whole_http_and_broken_json(api: Api) -> None:
    plan(api, {"endpoint": "queues.get_all", "kind": "truncate", "close": False})
    response = api.post("queues.get_all")
    assert response.status_code == 200
    assert response.text.startswith('{"meta"')
    with pytest.raises(json.JSONDecodeError):
        response.json()


@pytest.mark.parametrize("status", [502, 503])
def test_a_proxys_refusal_is_html(api: Api, status: int) -> None:
    plan(api, {"endpoint": "tasks.create", "kind": "status", "status": status, "retry_after_s": 2})
    response = api.post("tasks.create", name=f"proxy {status}", type="training")
    assert response.status_code == status
    assert response.headers["content-type"] == "text/html"
    assert response.headers["retry-after"] == "2"
    assert str(status) in response.text
    assert tasks_called(api, f"proxy {status}") == []


def test_a_proxys_refusal_may_come_after_the_effect(api: Api) -> None:
    plan(api, {"endpoint": "tasks.create", "kind": "status", "status": 502, "after": True})
    assert api.post("tasks.create", name="gave up waiting", type="training").status_code == 502
    assert len(tasks_called(api, "gave up waiting")) == 1


@pytest.mark.parametrize(("status", "subcode"), [(429, 0), (500, 100)])
def test_the_servers_own_refusal_is_in_its_envelope(api: Api, status: int, subcode: int) -> None:
    plan(api, {"endpoint": "tasks.get_all", "kind": "status", "status": status, "retry_after_s": 1})
    response = api.post("tasks.get_all")
    assert (response.status_code, response.headers["retry-after"]) == (status, "1")
    meta = response.json()["meta"]
    assert (meta["result_code"], meta["result_subcode"]) == (status, subcode)
    assert meta["endpoint"]["name"] == "tasks.get_all"


def test_an_expired_token_is_refused_as_the_server_does(api: Api) -> None:
    plan(api, {"endpoint": "tasks.get_all", "kind": "expired_token"})
    response = api.post("tasks.get_all")
    meta = response.json()["meta"]
    assert (response.status_code, meta["result_code"], meta["result_subcode"]) == (401, 401, 30)
    assert api.post("tasks.get_all").status_code == 200


def test_a_late_answer_comes_in_the_end(api: Api) -> None:
    plan(api, {"endpoint": "debug.ping", "kind": "latency", "seconds": 0.3})
    started = time.monotonic()
    assert api.post("debug.ping").status_code == 200
    assert time.monotonic() - started >= 0.3


def test_a_client_that_does_not_wait_for_a_late_answer_may_still_have_had_its_effect(api: Api) -> None:
    plan(api, {"endpoint": "tasks.create", "kind": "latency", "seconds": 0.5})
    body = {"name": "not waited for", "type": "training"}
    with pytest.raises(httpx.ReadTimeout):
        api.http.post("/tasks.create", json=body, timeout=0.1)
    deadline = time.monotonic() + 10
    while not tasks_called(api, "not waited for"):
        assert time.monotonic() < deadline


def test_a_fault_lets_calls_through_first_and_stops_after_its_count(api: Api) -> None:
    plan(api, {"endpoint": "debug.*", "kind": "status", "skip": 1, "count": 2})
    assert [api.post("debug.ping").status_code for _ in range(5)] == [200, 503, 503, 200, 200]


def test_a_fault_without_count_lasts_until_it_is_cleared(api: Api) -> None:
    plan(api, {"endpoint": "*", "kind": "status", "count": None})
    assert {api.post(name).status_code for name in ("debug.ping", "tasks.get_all", "auth.login")} == {503}
    assert report(api)["faults"][0]["left"] is None
    cleared = api.http.delete(CONTROL_PATH, headers=CONTROL).json()
    assert cleared == {"faults": [], "injected": [], "seen": {}}
    assert api.post("debug.ping").status_code == 200


def test_faults_of_one_endpoint_come_one_after_the_other(api: Api) -> None:
    plan(
        api,
        {"endpoint": "debug.ping", "kind": "status", "status": 502},
        {"endpoint": "debug.ping", "kind": "status", "status": 429},
    )
    assert [api.post("debug.ping").status_code for _ in range(3)] == [502, 429, 200]


def test_the_report_tells_what_was_left_injected_and_seen(api: Api) -> None:
    plan(api, {"endpoint": "tasks.get_all", "kind": "status", "count": 3})
    api.post("tasks.get_all")
    api.post("debug.ping")
    told = report(api)
    assert [(each["endpoint"], each["left"]) for each in told["faults"]] == [("tasks.get_all", 2)]
    assert [(each["endpoint"], each["kind"]) for each in told["injected"]] == [("tasks.get_all", "status")]
    assert told["seen"] == {"tasks.get_all": 1, "debug.ping": 1}


@pytest.mark.parametrize("authorization", [None, "Bearer wrong", TOKEN])
def test_only_who_has_the_token_controls_the_faults(api: Api, authorization: str | None) -> None:
    headers = {"Authorization": authorization} if authorization else {}
    body = {"faults": [{"endpoint": "*", "kind": "drop_before"}]}
    anonymous = httpx.Client(base_url=api.http.base_url)
    for method in ("GET", "PUT", "DELETE"):
        response = anonymous.request(method, CONTROL_PATH, json=body, headers=headers)
        assert response.status_code == 401
    assert api.post("debug.ping").status_code == 200


@pytest.mark.parametrize(
    ("fault", "word"),
    [
        ({"endpoint": "*", "kind": "explode"}, "kind"),
        ({"endpoint": "*", "kind": "status", "status": 200}, "200"),
        ({"endpoint": "*", "kind": "status", "typo": 1}, "typo"),
        ({"endpoint": "*", "kind": "status", "count": 0}, "count"),
    ],
)
def test_a_plan_that_makes_no_sense_is_refused_and_the_one_before_stays(
    api: Api, fault: dict[str, Any], word: str
) -> None:
    plan(api, {"endpoint": "debug.ping", "kind": "status"})
    response = api.http.put(CONTROL_PATH, json={"faults": [fault]}, headers=CONTROL)
    assert response.status_code == 400
    assert word in response.json()["error"]
    assert len(report(api)["faults"]) == 1


def test_an_injector_without_a_token_is_refused() -> None:
    with pytest.raises(ValueError, match="PALMARES_FAULTS_TOKEN"):
        FaultInjector(lambda *_: None, service="hub", token="")  # type: ignore[arg-type,return-value]


def test_a_download_is_cut_and_an_upload_refused_on_the_file_server(tmp_path: Path, api: Api) -> None:
    headers = {"Authorization": api.http.headers["authorization"]}
    app = create_files_app(tmp_path, jwt_secret=JWT_SECRET)
    injector = FaultInjector(app, service="clearml_files", token=TOKEN)
    with serving(injector) as address, httpx.Client(base_url=address, headers=headers) as http:
        injector.replace(
            [
                Fault(endpoint="POST /", kind="status", status=413),
                Fault(endpoint="GET /a/*", kind="truncate", close=False),
                Fault(endpoint="GET /a/*", kind="truncate"),
                Fault(endpoint="GET /a/*", kind="expired_token"),
            ]
        )
        content = b"0123456789" * 100
        assert http.post("/", files={"a/b c": ("a/b c", content)}).status_code == 413
        assert http.post("/", files={"a/b c": ("a/b c", content)}).status_code == 200
        assert http.get("/a/b%20c").content == content[:500]
        with pytest.raises(httpx.RemoteProtocolError):
            http.get("/a/b%20c")
        assert http.get("/a/b%20c").status_code == 401
        assert http.get("/a/b%20c").content == content
    assert injector.report()["seen"] == {"POST /": 2, "GET /a/b c": 4}


def test_the_hubs_client_sees_the_hubs_refusals(tmp_path: Path) -> None:
    injector = FaultInjector(create_app(tmp_path, tokens={"hf_x": "someone"}), service="hub", token=TOKEN)
    with serving(injector) as address:
        hub = HfApi(endpoint=address, token="hf_x")
        for kind, status in (("expired_token", 401), ("status", 500)):
            injector.replace([Fault(endpoint="GET /api/whoami*", kind=kind, status=500)])  # type: ignore[arg-type]
            with pytest.raises(HfHubHTTPError) as caught:
                hub.whoami()
            assert caught.value.response.status_code == status
        assert hub.whoami()["name"] == "someone"


@contextmanager
def crashing(state: Path, **environment: str) -> Iterator[tuple[subprocess.Popen[str], Api]]:
    """The services in a process of their own, and calls to their ClearML API."""
    keys = f"{SECRETS['PALMARES_CLEARML_ACCESS_KEY']}:{SECRETS['PALMARES_CLEARML_SECRET_KEY']}"
    headers = {"Authorization": f"Basic {base64.b64encode(keys.encode()).decode()}"}
    with services(state, **environment) as stack:
        address = f"http://127.0.0.1:{stack.ports['clearml-api']}"
        with httpx.Client(base_url=address, headers=headers) as http:
            yield stack.process, Api(http)


@pytest.mark.parametrize(("kind", "made"), [("crash_before", 0), ("crash_after", 1)])
def test_a_crash_ends_the_process_before_or_after_the_effect(tmp_path: Path, kind: str, made: int) -> None:
    with crashing(tmp_path, PALMARES_FAULTS_TOKEN=TOKEN) as (process, api):
        plan(api, {"endpoint": "tasks.create", "kind": kind})
        with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
            api.post("tasks.create", name="crashed", type="training")
        assert process.wait(timeout=10) == 137
    with crashing(tmp_path, PALMARES_FAULTS_TOKEN=TOKEN) as (_, api):
        assert report(api)["faults"] == []
        assert len(tasks_called(api, "crashed")) == made


def test_without_a_token_in_the_environment_there_is_no_control_path(tmp_path: Path) -> None:
    with crashing(tmp_path) as (_, api):
        response = api.http.put(CONTROL_PATH, json={"faults": []}, headers=CONTROL)
        assert response.json()["meta"]["result_msg"] == f"Invalid request path {CONTROL_PATH}"


def test_the_hubs_words_and_the_wait_it_asks_for_are_the_plans(tmp_path: Path) -> None:
    injector = FaultInjector(create_app(tmp_path, tokens={"hf_x": "someone"}), service="hub", token=TOKEN)
    with serving(injector) as address:
        hub = HfApi(endpoint=address, token="hf_x")
        injector.replace(
            [Fault(endpoint="*", kind="status", status=403, message="Storage limit reached", rate_limit_s=7)]
        )
        with pytest.raises(HfHubHTTPError, match="Storage limit reached") as refused:
            hub.whoami()
        assert refused.value.response.headers["RateLimit"] == '"api";r=0;t=7'
