"""The two transports: log-in, retries within a budget, and never a blind retry of a call that creates."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import httpx
import pytest
from clearml_provider import api
from clearml_provider.exceptions import (
    ClearMLAPIError,
    ClearMLAuthError,
    ClearMLLostAnswerError,
    ClearMLNotFoundError,
    ClearMLUnavailableError,
    ClearMLUnknownStatusError,
)
from clearml_provider.transport import Flow, RetryPolicy, call

from tests.plugins.clearml_provider.wire_script import QUICK, WireScript, ok, refusal

Run = Callable[..., Any]

INFO = ok({"version": "2.3.0"})


@pytest.fixture(params=["blocking", "awaiting"])
def run(request: pytest.FixtureRequest) -> Run:
    """Carry a flow through one of the two transports."""

    def blocking(script: WireScript, flow: Flow[Any], retry: RetryPolicy = QUICK) -> Any:
        with script.client(retry) as client:
            return client.run(flow)

    def awaiting(script: WireScript, flow: Flow[Any], retry: RetryPolicy = QUICK) -> Any:
        async def main() -> Any:
            async with script.async_client(retry) as client:
                return await client.run(flow)

        return asyncio.run(main())

    return blocking if request.param == "blocking" else awaiting


def test_it_logs_in_once_with_the_keys_and_then_carries_the_token(run):
    def twice() -> Flow[None]:
        yield from api.server_info()
        yield from api.server_info()

    script = WireScript(server__info=INFO)
    run(script, twice())
    assert script.count("auth.login") == 1
    (_, _, login), (_, _, first), (_, _, second) = script.requests
    assert login["Authorization"].startswith("Basic ")
    assert first["Authorization"] == second["Authorization"] == "Bearer token-1"


def test_an_expired_token_is_renewed_and_the_call_sent_again(run):
    script = WireScript(server__info=[refusal(401, 30, "token expired"), INFO])
    assert run(script, api.server_info()) == {"version": "2.3.0"}
    assert script.count("auth.login") == 2
    assert script.requests[-1][2]["Authorization"] == "Bearer token-2"


def test_a_call_that_creates_is_sent_again_after_an_expired_token(run):
    script = WireScript(tasks__create=[refusal(401, 30), ok({"id": "t"})])
    assert run(script, call("tasks.create", {}, creates=True)).data == {"id": "t"}


def test_wrong_keys_are_told_at_once_with_the_next_step(run):
    script = WireScript(auth__login=refusal(401, 22, "Unauthorized (invalid credentials)"))
    with pytest.raises(ClearMLAuthError, match="Check the access key"):
        run(script, api.server_info())
    assert script.count("auth.login") == 1


AMBIGUOUS = {
    "no answer in time": httpx.ReadTimeout("slow"),
    "connection dropped": httpx.RemoteProtocolError("dropped"),
    "bad gateway": refusal(502),
    "bad gateway of a proxy": httpx.Response(502, text="<html>Bad gateway</html>"),
    "unavailable": refusal(503),
    "cut answer": httpx.Response(200, text='{"meta": {"result_'),
}
CERTAINLY_NOTHING = {"refused": httpx.ConnectError("refused"), "too many": refusal(429)}
PASSING = {**AMBIGUOUS, **CERTAINLY_NOTHING, "server error": refusal(500)}


@pytest.mark.parametrize("trouble", PASSING.values(), ids=PASSING)
def test_passing_trouble_is_tried_again(run, trouble):
    script = WireScript(server__info=[trouble, trouble, INFO])
    assert run(script, api.server_info()) == {"version": "2.3.0"}
    assert script.count("server.info") == 3


@pytest.mark.parametrize("trouble", AMBIGUOUS.values(), ids=AMBIGUOUS)
def test_a_call_that_creates_is_never_repeated_blindly(run, trouble):
    script = WireScript(tasks__create=trouble)
    with pytest.raises(ClearMLLostAnswerError, match="may have happened"):
        run(script, call("tasks.create", {}, creates=True))
    assert script.count("tasks.create") == 1


@pytest.mark.parametrize("trouble", CERTAINLY_NOTHING.values(), ids=CERTAINLY_NOTHING)
def test_a_call_that_creates_is_repeated_when_it_certainly_did_not_happen(run, trouble):
    script = WireScript(tasks__create=[trouble, ok({"id": "t"})])
    assert run(script, call("tasks.create", {}, creates=True)).data == {"id": "t"}


def test_it_gives_up_within_the_budget_and_says_so(run):
    script = WireScript(server__info=refusal(503, message="overloaded"))
    started = time.monotonic()
    with pytest.raises(
        ClearMLUnavailableError, match=r"server\.info at http://api\.test:8008: gave up.*overl"
    ):
        run(script, api.server_info(), RetryPolicy(budget_s=0.2, base_s=0.01, cap_s=0.05))
    assert time.monotonic() - started < 5
    assert script.count("server.info") >= 2


def test_retry_after_is_waited_for(run):
    script = WireScript(server__info=[refusal(429, headers={"Retry-After": "0.15"}), INFO])
    started = time.monotonic()
    run(script, api.server_info())
    assert time.monotonic() - started >= 0.15


@pytest.mark.parametrize("as_date", [False, True])
def test_a_retry_after_beyond_the_budget_ends_the_tries_without_waiting(run, as_date):
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=120), usegmt=True) if as_date else "120"
    script = WireScript(server__info=refusal(503, headers={"Retry-After": later}))
    started = time.monotonic()
    words = r"gave up after 1 try .*asks to come back in 1[12]\d s, the connection's retry budget is 60 s"
    with pytest.raises(ClearMLUnavailableError, match=words) as caught:
        run(script, api.server_info(), RetryPolicy(budget_s=60))
    assert caught.value.retry_after_s == pytest.approx(120, abs=5)
    assert time.monotonic() - started < 5
    assert script.count("server.info") == 1


def test_a_request_may_not_wait_longer_than_what_is_left_of_the_budget(run):
    seen: list[float] = []

    def slow(request: httpx.Request) -> httpx.Response:
        seen.append(request.extensions["timeout"]["read"])
        raise httpx.ReadTimeout("slow")

    script = WireScript(server__info=slow)
    with pytest.raises(ClearMLUnavailableError):
        run(script, api.server_info(), RetryPolicy(budget_s=1.5, base_s=0.4, cap_s=0.4))
    assert seen[0] == pytest.approx(1.5, abs=0.1)
    assert all(later < seen[0] for later in seen[1:])
    assert len(seen) > 1


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (httpx.Response(405, text="<html>nginx"), "HTTP 405.*not ClearML's.*not the web UI"),
        (httpx.Response(404, text="no such page"), "HTTP 404.*not ClearML's"),
        (
            httpx.Response(301, headers={"Location": "https://api.test/v2.23/server.info"}),
            r"redirected to https://api\.test",
        ),
    ],
)
def test_a_host_that_is_not_the_api_server_is_told_and_is_no_missing_task(run, answer, words):
    with pytest.raises(ClearMLAPIError, match=words) as caught:
        run(WireScript(server__info=answer), api.server_info())
    assert not isinstance(caught.value, ClearMLNotFoundError)


def test_a_refusal_is_not_tried_again_and_keeps_the_servers_words(run):
    script = WireScript(tasks__reset=refusal(400, 110, "Invalid task status: current=queued"))
    with pytest.raises(ClearMLAPIError, match=r"tasks\.reset: HTTP 400/110: Invalid task status") as caught:
        run(script, api.reset("t"))
    assert (caught.value.status, caught.value.subcode) == (400, 110)
    assert script.count("tasks.reset") == 1


def _rows(request: httpx.Request, *, without: str = "") -> httpx.Response:
    import json

    ids = json.loads(request.content)["id"]
    assert len(ids) <= 500
    return ok({"tasks": [{"id": i, "name": i, "status": "queued"} for i in ids if i != without]})


def test_many_tasks_are_asked_for_500_at_a_time_and_come_back_in_order(run):
    ids = [f"t{i}" for i in range(1234)]
    script = WireScript(tasks__get_all=_rows)
    assert list(run(script, api.get_tasks(ids))) == ids
    assert [len(body["id"]) for name, body, _ in script.requests if name == "tasks.get_all"] == [
        500,
        500,
        234,
    ]


def test_a_task_that_did_not_come_back_is_named(run):
    script = WireScript(tasks__get_all=lambda request: _rows(request, without="t700"))
    with pytest.raises(ClearMLNotFoundError, match=r"no task t700 \(1 of 1000 asked for\)"):
        run(script, api.get_tasks([f"t{i}" for i in range(1000)]))


def test_an_unknown_status_is_an_error_that_says_so(run):
    script = WireScript(tasks__get_all=ok({"tasks": [{"id": "t", "name": "t", "status": "hibernating"}]}))
    with pytest.raises(ClearMLUnknownStatusError, match="ClearML task t: unknown status 'hibernating'"):
        run(script, api.get_task("t"))


def test_ages_are_measured_on_the_servers_clock(run):
    row = {"id": "t", "name": "t", "status": "in_progress", "last_update": "2026-11-20T23:00:00+00:00"}
    row["last_worker_report"] = "2026-11-20T23:01:00.000000+00:00"
    script = WireScript(tasks__get_all=ok({"tasks": [row]}, {"Date": "Fri, 20 Nov 2026 23:05:00 GMT"}))
    assert run(script, api.get_task("t")).silent_s == pytest.approx(240)


def test_many_threads_that_find_the_token_expired_log_in_once():
    from concurrent.futures import ThreadPoolExecutor

    def only_live(request: httpx.Request) -> httpx.Response:
        accepted = request.headers["Authorization"] == "Bearer token-2"
        return ok({"version": "2.3.0"}) if accepted else refusal(401, 30)

    script = WireScript(server__info=only_live)
    with script.client() as client, ThreadPoolExecutor(16) as pool:
        assert all(pool.map(lambda _: client.run(api.server_info()), range(64)))
    assert script.count("auth.login") == 2


def test_many_triggers_that_find_the_token_expired_log_in_once():
    live = "token-2"

    def only_live(request: httpx.Request) -> httpx.Response:
        return INFO if request.headers["Authorization"] == f"Bearer {live}" else refusal(401, 30)

    script = WireScript(server__info=only_live)

    async def main() -> None:
        async with script.async_client() as client:
            await asyncio.gather(*(client.run(api.server_info()) for _ in range(50)))

    asyncio.run(main())
    assert script.count("auth.login") == 2
