"""What the adapter makes of outages: a named error, soon, and never the token."""

from __future__ import annotations

import logging
import socket
import time
import traceback

import pytest
from palmares.hub import Hub, session
from palmares.hub.failures import translated
from palmares.leaderboard.errors import (
    HubError,
    HubGatedError,
    HubNotFoundError,
    HubRefusedError,
    HubUnavailableError,
)

_TOKEN = "hf_secret_of_the_test"

_CALLS = {
    "head": lambda hub: hub.head("demo/a"),
    "list": lambda hub: hub.list_paths("demo/a", commit="a" * 40),
    "json": lambda hub: hub.read_json_files("demo/a", commit="a" * 40),
    "file": lambda hub: hub.read_file("demo/a", "x", commit="a" * 40),
    "commit": lambda hub: hub.commit_files("demo/a", {"x": b"1"}, message="m", parent_commit="a" * 40),
    "ensure": lambda hub: hub.ensure_dataset("demo/a", private=False),
    "model": lambda hub: hub.model_facts("demo/a", "main"),
}


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch):
    monkeypatch.setattr(session, "_backoff", lambda state: 0.01)


@pytest.mark.parametrize("call", _CALLS.values(), ids=_CALLS.keys())
@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_hub_is_asked_a_few_times_and_then_unavailable(failing, call, status):
    failing.status = status
    with pytest.raises(HubUnavailableError, match=str(status)):
        call(Hub(endpoint=failing.endpoint, token=_TOKEN))
    assert len(failing.requests) == session.ATTEMPTS


@pytest.mark.parametrize(
    "headers",
    [{"Retry-After": "3600"}, {"RateLimit": '"api";r=0;t=3600', "RateLimit-Policy": '"api";q=1;w=300'}],
)
@pytest.mark.parametrize("call", _CALLS.values(), ids=_CALLS.keys())
def test_a_long_wait_that_the_hub_asks_for_is_left_to_the_caller(failing, call, headers):
    failing.status, failing.headers = 429, headers
    started = time.monotonic()
    with pytest.raises(HubUnavailableError):
        call(Hub(endpoint=failing.endpoint, token=_TOKEN))
    assert time.monotonic() - started < 2
    assert len(failing.requests) == 1


def test_a_short_wait_that_the_hub_asks_for_is_kept(failing):
    failing.status, failing.headers = 503, {"Retry-After": "0"}
    with pytest.raises(HubUnavailableError):
        Hub(endpoint=failing.endpoint, token=_TOKEN).head("demo/a")
    assert len(failing.requests) == session.ATTEMPTS


@pytest.mark.parametrize("call", _CALLS.values(), ids=_CALLS.keys())
def test_a_hub_that_never_answers_is_unavailable_in_time(failing, call):
    failing.status = None
    started = time.monotonic()
    with pytest.raises(HubUnavailableError, match="Timeout"):
        call(Hub(endpoint=failing.endpoint, token=_TOKEN, timeout_s=0.1))
    assert time.monotonic() - started < 3


@pytest.mark.parametrize("call", _CALLS.values(), ids=_CALLS.keys())
def test_a_hub_that_is_not_there_is_unavailable(call):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{unused.getsockname()[1]}"
        with pytest.raises(HubUnavailableError, match="Connect"):
            call(Hub(endpoint=endpoint, token=_TOKEN))


def test_an_answer_that_is_not_the_hub_s_is_unavailable(failing):
    failing.status, failing.body = 200, b"<html>please log in</html>"
    for call in (_CALLS["head"], _CALLS["list"], _CALLS["model"]):
        with pytest.raises(HubUnavailableError):
            call(Hub(endpoint=failing.endpoint, token=_TOKEN))


@pytest.mark.parametrize(
    ("status", "headers", "expected", "what"),
    [
        (404, {"X-Error-Code": "RepoNotFound"}, HubNotFoundError, "repository"),
        (404, {"X-Error-Code": "RevisionNotFound"}, HubNotFoundError, "revision"),
        (403, {"X-Error-Code": "GatedRepo"}, HubGatedError, None),
        (401, {"X-Error-Message": "Invalid credentials"}, HubRefusedError, "token"),
        (400, {"X-Error-Message": "Bad"}, HubRefusedError, "content"),
        (413, {}, HubRefusedError, "content"),
        (403, {"X-Error-Message": "You have no write access"}, HubRefusedError, "forbidden"),
        (403, {"X-Error-Message": "Private repository storage limit reached"}, HubRefusedError, "quota"),
        (402, {}, HubRefusedError, "quota"),
        (404, {}, HubError, None),
    ],
)
def test_refusals_are_not_tried_again(failing, status, headers, expected, what):
    failing.status, failing.headers = status, headers
    with pytest.raises(expected) as raised:
        Hub(endpoint=failing.endpoint, token=_TOKEN).head("demo/a")
    assert type(raised.value) is expected
    assert getattr(raised.value, "what", getattr(raised.value, "code", None)) == what
    assert len(failing.requests) == 1


@pytest.mark.parametrize("status", [401, 403, 404, 412, 429, 500])
def test_the_token_is_in_no_message_and_no_log(failing, status, caplog):
    caplog.set_level(logging.DEBUG)
    failing.status = status
    with pytest.raises(HubError) as raised:
        _CALLS["commit"](Hub(endpoint=failing.endpoint, token=_TOKEN))
    assert _TOKEN not in "".join(traceback.format_exception(raised.value))
    assert _TOKEN not in caplog.text


@pytest.mark.parametrize("status", [400, 401, 403, 404, 412, 451])
@pytest.mark.parametrize("code", [None, "RepoNotFound", "RevisionNotFound", "EntryNotFound", "GatedRepo"])
def test_no_signed_address_is_in_an_error_or_its_traceback(failing, status, code):
    """The Hub redirects downloads to signed addresses, and its client quotes them."""
    failing.status = status
    failing.headers = {"X-Error-Message": "No: https://cdn.test/a?X-Amz-Signature=hidden&b=1 (sorry)"}
    failing.headers |= {"X-Error-Code": code} if code else {}
    with pytest.raises(HubError) as raised, translated("file x"):
        _ask(f"{failing.endpoint}/cdn/a?X-Amz-Signature=hidden&b=1")
    shown = "".join(traceback.format_exception(raised.value))
    assert "hidden" not in shown
    assert shown.count("HTTP") == 0 or "No: https://cdn.test/a (sorry)" in shown


def _ask(url: str) -> None:
    """What the Hub's client does with an answer."""
    import httpx2
    from huggingface_hub import hf_raise_for_status

    hf_raise_for_status(httpx2.get(url))


def test_a_signed_address_is_in_no_other_error_either():
    import httpx2

    address = "https://cdn.test/a?X-Amz-Signature=hidden"
    for error in (httpx2.ConnectError(f"cannot reach {address}"), ValueError(f"{address} is not JSON")):
        with (
            pytest.raises(HubUnavailableError, match=r"https://cdn\.test/a\b") as raised,
            translated("file x"),
        ):
            raise error
        assert "hidden" not in "".join(traceback.format_exception(raised.value))


def test_other_users_of_the_client_keep_their_own_behaviour(failing):
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError

    with pytest.raises(HubUnavailableError):
        Hub(endpoint=failing.endpoint, token=_TOKEN).head("demo/a")
    with pytest.raises(HfHubHTTPError):
        HfApi(endpoint=failing.endpoint, token=False).dataset_info("demo/a")
