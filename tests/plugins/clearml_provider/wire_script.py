"""A scripted far end for tests of the wire itself: what HTTP does before ClearML is even heard."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import httpx
from clearml_provider.client import AsyncClearMLClient, ClearMLClient
from clearml_provider.connection import ClearMLSettings
from clearml_provider.transport import RetryPolicy

Reply = httpx.Response | Exception | Callable[[httpx.Request], httpx.Response]

SETTINGS = ClearMLSettings(
    api_host="http://api.test:8008",
    files_host="http://files.test:8081",
    web_host="http://web.test:8080",
    access_key="key",
    secret_key="secret",
)
QUICK = RetryPolicy(budget_s=5.0, base_s=0.001, cap_s=0.002)


def ok(data: dict[str, Any] | None = None, headers: dict[str, str] | None = None) -> httpx.Response:
    meta = {"result_code": 200, "result_subcode": 0, "result_msg": "OK"}
    return httpx.Response(200, json={"meta": meta, "data": data or {}}, headers=headers)


def refusal(
    status: int, subcode: int = 0, message: str = "no", headers: dict[str, str] | None = None
) -> httpx.Response:
    meta = {"result_code": status, "result_subcode": subcode, "result_msg": message}
    return httpx.Response(status, json={"meta": meta, "data": {}}, headers=headers)


class WireScript:
    """Answers each endpoint with its replies in turn, the last one for ever; log-in always works."""

    def __init__(self, **replies: Reply | Sequence[Reply]) -> None:
        self.replies = {
            k.replace("__", "."): list(v) if isinstance(v, Sequence) else [v] for k, v in replies.items()
        }
        self.requests: list[tuple[str, dict[str, Any], httpx.Headers]] = []
        self._turn: dict[str, int] = defaultdict(int)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        endpoint = request.url.path.rpartition("/")[2]
        body = json.loads(request.content or b"{}")
        self.requests.append((endpoint, body, request.headers))
        replies = self.replies.get(endpoint)
        if replies is None:
            assert endpoint == "auth.login", f"unexpected call of {endpoint}"
            return ok({"token": f"token-{self.count('auth.login')}"})
        reply = replies[min(self._turn[endpoint], len(replies) - 1)]
        self._turn[endpoint] += 1
        if isinstance(reply, Exception):
            raise reply
        if isinstance(reply, httpx.Response):
            return httpx.Response(reply.status_code, content=reply.content, headers=reply.headers)
        return reply(request)

    def count(self, endpoint: str) -> int:
        return sum(1 for name, _, _ in self.requests if name == endpoint)

    def client(self, retry: RetryPolicy = QUICK) -> ClearMLClient:
        return ClearMLClient(SETTINGS, retry=retry, transport=httpx.MockTransport(self))

    def async_client(self, retry: RetryPolicy = QUICK) -> AsyncClearMLClient:
        return AsyncClearMLClient(SETTINGS, retry=retry, transport=httpx.MockTransport(self))
