"""Faults on request around an embedded server: late, lost, cut and refused answers, and sudden deaths."""

from __future__ import annotations

import asyncio
import hmac
import json
import logging
import os
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Literal

from pydantic import ValidationError
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from devstack.servers.clearml.documents import stamp
from devstack.servers.clearml.protocol import ApiError, InternalError, envelope
from devstack.servers.fault_plan import Armed, Fault, Plan

TOKEN_VARIABLE = "PALMARES_FAULTS_TOKEN"  # noqa: S105 - its name, not its value
"""The environment variable without which the served applications have no faults and no control path."""

CONTROL_PATH = "/_faults"

_KILLED = 137
"""What a shell says of a process that SIGKILL ended."""
_MAX_INJECTED = 10_000
_PROXYS_OWN = frozenset({413, 502, 503, 504})
"""What the proxy in front of a server answers by itself, in HTML."""

Service = Literal["clearml_api", "clearml_files", "hub"]
__all__ = ["CONTROL_PATH", "TOKEN_VARIABLE", "Fault", "FaultInjector", "Service"]

log = logging.getLogger("palmares.embedded.faults")


class FaultInjector:
    """An ASGI application around another one, to be served by uvicorn.

    ``PUT /_faults`` with ``{"faults": [...]}`` replaces the plan, ``GET`` tells it with what was injected
    and how often each endpoint was called, ``DELETE`` clears all three. The plan lives in the process: a
    server that ``crash_*`` ended starts again without faults.

    A call is hit by the first fault of the plan that takes it, and by every ``latency`` before that one.
    """

    def __init__(self, app: ASGIApp, *, service: Service, token: str) -> None:
        """Wrap *app*.

        Args:
            service: Decides what an endpoint's name is and how a refusal looks.
            token: Bearer token of the control path; not empty.

        Raises:
            ValueError: *token* is empty.
        """
        if not token:
            raise ValueError(f"The fault injector of {service} needs a token. Set {TOKEN_VARIABLE}.")
        self._app = app
        self._service = service
        self._token = token
        self._armed: list[Armed] = []
        self._injected: deque[dict[str, str]] = deque(maxlen=_MAX_INJECTED)
        self._seen: Counter[str] = Counter()

    def replace(self, faults: Sequence[Fault]) -> None:
        """Make *faults* the plan; what was injected and seen is kept."""
        self._armed = [Armed(fault, fault.skip, fault.count) for fault in faults]

    def clear(self) -> None:
        """Forget the plan, what was injected, and what was seen."""
        self._armed = []
        self._injected.clear()
        self._seen.clear()

    def report(self) -> dict[str, Any]:
        """The answer of ``GET /_faults``; ``left`` of a fault is null while it has no end."""
        faults = [armed.fault.model_dump() | {"left": armed.left} for armed in self._armed]
        return {"faults": faults, "injected": list(self._injected), "seen": dict(self._seen)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif scope["path"] == CONTROL_PATH:
            await self._control(scope, receive, send)
        else:
            await self._serve(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        endpoint = path.rpartition("/")[2] if self._service == "clearml_api" else f"{scope['method']} {path}"
        self._seen[endpoint] += 1
        # Chosen before any waiting, so that calls are counted in the order in which they came.
        delay_s, fault = 0.0, None
        for armed in self._armed:
            if armed.takes(endpoint):
                self._injected.append({"endpoint": endpoint, "kind": armed.fault.kind, "at": stamp()})
                log.warning("%s: %s on %s", self._service, armed.fault.kind, endpoint)
                if armed.fault.kind != "latency":
                    fault = armed.fault
                    break
                delay_s += armed.fault.seconds
        if delay_s:
            # Read before the wait: a client that hangs up meanwhile has sent its request all the same.
            receive = _replay(await _read(receive), receive)
            await asyncio.sleep(delay_s)
        if fault is None:
            await self._app(scope, receive, send)
        else:
            await self._inject(fault, endpoint, scope, receive, send)

    async def _inject(self, fault: Fault, endpoint: str, scope: Scope, receive: Receive, send: Send) -> None:
        kept: list[Message] = []
        if fault.kind in ("drop_after", "truncate", "crash_after") or (
            fault.kind == "status" and fault.after
        ):

            async def keep(message: Message) -> None:
                kept.append(message)

            await self._app(scope, receive, keep)
        elif fault.kind in ("status", "expired_token"):
            await _read(receive)  # a client still sending would see a broken connection instead
        match fault.kind:
            case "crash_before" | "crash_after":
                os._exit(_KILLED)
            case "drop_before" | "drop_after":
                await _cut(send, receive, at_once=True)
            case "truncate":
                await _send_half(kept, send, receive, close=fault.close)
            case "expired_token":
                await self._refuse(401, endpoint, {}, send)
            case _:
                retry = {} if fault.retry_after_s is None else {"retry-after": str(fault.retry_after_s)}
                if fault.rate_limit_s is not None:
                    retry["ratelimit"] = f'"api";r=0;t={fault.rate_limit_s}'
                await self._refuse(fault.status, endpoint, retry, send, said=fault.message)

    async def _refuse(
        self, status: int, endpoint: str, headers: Mapping[str, str], send: Send, *, said: str | None = None
    ) -> None:
        phrase = said or HTTPStatus(status).phrase
        if status in _PROXYS_OWN:
            title = f"{status} {phrase}"
            html = (
                f"<html>\r\n<head><title>{title}</title></head>\r\n<body><h1>{title}</h1></body>\r\n</html>"
            )
            kind, body = "text/html", html
        elif self._service == "clearml_api":
            kind, body = "application/json", json.dumps(_clearml_refusal(status, phrase, endpoint))
        elif self._service == "hub":
            words = "Invalid credentials in Authorization header" if status == 401 else phrase
            headers = {**headers, "x-error-message": words}
            kind, body = "application/json", json.dumps({"error": words})
        else:
            kind, body = "text/plain; charset=utf-8", f"{phrase}\n"
        await _answer(send, status, body.encode(), {"content-type": kind, **headers})

    async def _control(self, scope: Scope, receive: Receive, send: Send) -> None:
        status, content = await self._controlled(scope, receive)
        body = json.dumps(content).encode()
        await _answer(send, status, body, {"content-type": "application/json"})

    async def _controlled(self, scope: Scope, receive: Receive) -> tuple[int, dict[str, Any]]:
        shown = dict(scope["headers"]).get(b"authorization", b"")
        if not hmac.compare_digest(shown, f"Bearer {self._token}".encode()):
            return 401, {"error": f"Send 'Authorization: Bearer' with the value of {TOKEN_VARIABLE}."}
        if scope["method"] == "PUT":
            try:
                self.replace(Plan.model_validate_json(await _read(receive)).faults)
            except ValidationError as e:
                errors = e.errors(include_url=False, include_input=False, include_context=False)[:5]
                why = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in errors)
                return 400, {"error": f"The plan cannot be used, the one before stays: {why}"}
        elif scope["method"] == "DELETE":
            self.clear()
        elif scope["method"] != "GET":
            return 405, {"error": f"{CONTROL_PATH} knows GET, PUT and DELETE, not {scope['method']}."}
        return 200, self.report()


def _clearml_refusal(status: int, phrase: str, endpoint: str) -> dict[str, Any]:
    error: ApiError = InternalError(phrase) if status != 401 else ApiError(401, 30, "Signature has expired")
    error.code = status
    if status not in (401, 500):
        error.subcode = 0
    return envelope(name=endpoint, version=None, error=error)


async def _answer(send: Send, status: int, body: bytes, headers: Mapping[str, str]) -> None:
    pairs = [*headers.items(), ("content-length", str(len(body)))]
    raw = [(name.encode(), value.encode()) for name, value in pairs]
    await send({"type": "http.response.start", "status": status, "headers": raw})
    await send({"type": "http.response.body", "body": body})


async def _read(receive: Receive) -> bytes:
    """The request's whole body."""
    body, more = bytearray(), True
    while more:
        message = await receive()
        more = message["type"] == "http.request" and message.get("more_body", False)
        body += message.get("body", b"")
    return bytes(body)


def _replay(body: bytes, receive: Receive) -> Receive:
    """A `receive` that gives *body* before what is still to come."""
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Message:
        return waiting.pop() if waiting else await receive()

    return again


async def _cut(send: Send, receive: Receive, *, at_once: bool) -> None:
    """End the TCP connection; what was written before is sent unless *at_once*."""
    # ASGI has no message for this: the way to the socket is the object that uvicorn's `send` belongs to.
    transport = getattr(getattr(send, "__self__", None), "transport", None)
    if transport is None:
        raise TypeError(
            f"No connection to cut behind {send!r}: serve the FaultInjector as the outermost application, "
            "by uvicorn."
        )
    if at_once:
        transport.abort()
    else:
        transport.close()
    while (await receive())["type"] != "http.disconnect":
        pass


async def _send_half(kept: Sequence[Message], send: Send, receive: Receive, *, close: bool) -> None:
    start = next(message for message in kept if message["type"] == "http.response.start")
    body = b"".join(m.get("body", b"") for m in kept if m["type"] == "http.response.body")
    half = body[: len(body) // 2]
    framing = (b"content-length", b"transfer-encoding")
    headers = [(name, value) for name, value in start["headers"] if name.lower() not in framing]
    headers.append((b"content-length", b"%d" % len(body if close else half)))
    await send({**start, "headers": headers})
    await send({"type": "http.response.body", "body": half, "more_body": close})
    if close:
        await _cut(send, receive, at_once=False)
