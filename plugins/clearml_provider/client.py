"""Two transports, one blocking and one awaiting, that carry flows."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx
from tenacity import AsyncRetrying, RetryCallState, Retrying

from clearml_provider.connection import ClearMLSettings
from clearml_provider.exceptions import ClearMLAuthError, ClearMLUnavailableError
from clearml_provider.redaction import shown_url
from clearml_provider.transport import (
    API_PREFIX,
    Answer,
    Call,
    Flow,
    Pause,
    RetryableError,
    RetryPolicy,
    give_up,
    is_retryable,
    read_answer,
    transport_error,
)

T = TypeVar("T")

_LOGIN = Call("auth.login")


class _Transport:
    """What both transports share: requests, and the token they carry."""

    def __init__(self, settings: ClearMLSettings, *, retry: RetryPolicy | None = None) -> None:
        self.settings = settings
        self.retry = retry or RetryPolicy(budget_s=settings.retry_budget_s)
        self._token: str | None = None

    def _url(self, request: Call) -> str:
        return f"{self.settings.api_host}{API_PREFIX}/{request.endpoint}"

    def _options(self, request: Call, *, spent_s: float) -> dict[str, Any]:
        """What httpx is given: keys at log-in, the token elsewhere, and what is left of the budget."""
        options: dict[str, Any] = {
            "url": self._url(request),
            "json": dict(request.payload),
            "timeout": self.retry.timeout_s(self.settings.timeout_s, spent_s=spent_s),
        }
        if request is _LOGIN:
            return options | {"auth": httpx.BasicAuth(self.settings.access_key, self.settings.secret_key)}
        return options | {"headers": {"Authorization": f"Bearer {self._token}"}}

    def _client_options(self) -> dict[str, Any]:
        # Reading the system's authorities takes 30 ms: not where nothing is encrypted.
        hosts = (self.settings.api_host, self.settings.files_host)
        encrypted = any(host.startswith("https:") for host in hosts)
        verify = self.settings.ssl_verify() if encrypted else False
        return {"timeout": self.settings.timeout_s, "verify": verify}

    def _retry_options(self, request: Call) -> dict[str, Any]:
        def last_word(state: RetryCallState) -> Any:
            error = state.outcome.exception() if state.outcome else None
            if isinstance(error, RetryableError):
                tries = state.attempt_number
                shown = give_up(
                    error, request, url=self.settings.api_host, tries=tries, budget_s=self.retry.budget_s
                )
                raise shown from error.cause
            raise error or RuntimeError("tenacity stopped without an outcome")

        return {
            "wait": self.retry.wait,
            "stop": lambda state: not _again(state, request) or self.retry.is_over(state),
            "retry": lambda state: isinstance(
                state.outcome.exception() if state.outcome else None, RetryableError
            ),
            "retry_error_callback": last_word,
        }


def _again(state: RetryCallState, request: Call) -> bool:
    error = state.outcome.exception() if state.outcome else None
    return error is not None and is_retryable(error, request)


class ClearMLClient(_Transport):
    """Blocking client, for hooks and operators: ``client.run(api.get_task(task_id))``.

    Args:
        settings: Addresses and keys.
        retry: How long to keep trying; the default gives up after 60 s.
        transport: httpx transport, for tests of the wire itself.
    """

    def __init__(
        self,
        settings: ClearMLSettings,
        *,
        retry: RetryPolicy | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        super().__init__(settings, retry=retry)
        self._http = httpx.Client(transport=transport, **self._client_options())
        self._login_lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    def run(self, flow: Flow[T]) -> T:
        """Carry *flow* to its end and return its result.

        Raises:
            ClearMLError: What the flow did not handle.
        """
        try:
            step = next(flow)
            while True:
                try:
                    result = self._perform(step)
                except Exception as error:  # noqa: BLE001 - handed to the flow, which raises it or handles it
                    step = flow.throw(error)
                else:
                    step = flow.send(result)
        except StopIteration as end:
            value: T = end.value
            return value

    def _perform(self, step: Call | Pause) -> Answer | None:
        if isinstance(step, Pause):
            time.sleep(step.seconds)
            return None
        token = self._login(stale=None)
        try:
            return self._send(step)
        except ClearMLAuthError:  # the token ran out, or the server forgot it
            self._login(stale=token)
            return self._send(step)

    def _login(self, *, stale: str | None) -> str:
        """The current token, fetched once however many threads ask; *stale* is one that was refused."""
        with self._login_lock:
            if self._token is None or self._token == stale:
                self._token = str(self._send(_LOGIN).data["token"])
            return self._token

    def _send(self, request: Call) -> Answer:
        started = time.monotonic()

        def once() -> Answer:
            options = self._options(request, spent_s=time.monotonic() - started)
            try:
                response = self._http.post(**options)
            except httpx.TransportError as error:
                raise transport_error(error, url=self.settings.api_host) from error
            return read_answer(response, request)

        answer: Answer = Retrying(**self._retry_options(request))(once)
        return answer

    @contextmanager
    def stream(self, url: str, *, resume_at: int = 0, tag: str | None = None) -> Iterator[httpx.Response]:
        """Open a download from the file server, with the token; to any other host nothing is sent.

        Args:
            url: On the file server.
            resume_at: Bytes that are here already: HTTP 206 goes on there, HTTP 200 starts again.
            tag: ETag of the answer that brought those, so that two versions are never mixed.

        Raises:
            ClearMLUnavailableError: The server did not answer, or with a status that may pass.
            httpx.HTTPStatusError: It refused.
        """
        stale = None
        for last in (False, True):
            token = stale = self._login(stale=stale)
            headers = {"Authorization": f"Bearer {token}", "Accept-Encoding": "identity"}
            if resume_at and tag:
                headers |= {"Range": f"bytes={resume_at}-", "If-Range": tag}
            try:
                with self._http.stream("GET", url, headers=headers) as response:
                    if response.status_code in {401, 403} and not last:
                        continue
                    if response.status_code >= 500 or response.status_code == 429:
                        raise ClearMLUnavailableError(f"{shown_url(url)}: HTTP {response.status_code}")
                    response.raise_for_status()
                    yield response
                    return
            except httpx.TransportError as error:
                raise ClearMLUnavailableError(f"{shown_url(url)}: {type(error).__name__}: {error}") from error


class AsyncClearMLClient(_Transport):
    """Awaiting client, for triggers: the same flows, ``await client.run(api.get_task(task_id))``."""

    def __init__(
        self,
        settings: ClearMLSettings,
        *,
        retry: RetryPolicy | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        super().__init__(settings, retry=retry)
        self._http = httpx.AsyncClient(transport=transport, **self._client_options())
        self._login_lock = asyncio.Lock()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        await self._http.aclose()

    async def run(self, flow: Flow[T]) -> T:
        """Carry *flow* to its end and return its result; see `ClearMLClient.run`."""
        try:
            step = next(flow)
            while True:
                try:
                    result = await self._perform(step)
                except Exception as error:  # noqa: BLE001 - handed to the flow, which raises it or handles it
                    step = flow.throw(error)
                else:
                    step = flow.send(result)
        except StopIteration as end:
            value: T = end.value
            return value

    async def _perform(self, step: Call | Pause) -> Answer | None:
        if isinstance(step, Pause):
            await asyncio.sleep(step.seconds)
            return None
        token = await self._login(stale=None)
        try:
            return await self._send(step)
        except ClearMLAuthError:
            await self._login(stale=token)
            return await self._send(step)

    async def _login(self, *, stale: str | None) -> str:
        """The current token, fetched once however many triggers ask; *stale* is one that was refused."""
        async with self._login_lock:
            if self._token is None or self._token == stale:
                self._token = str((await self._send(_LOGIN)).data["token"])
            return self._token

    async def _send(self, request: Call) -> Answer:
        started = time.monotonic()

        async def once() -> Answer:
            options = self._options(request, spent_s=time.monotonic() - started)
            try:
                response = await self._http.post(**options)
            except httpx.TransportError as error:
                raise transport_error(error, url=self.settings.api_host) from error
            return read_answer(response, request)

        answer: Answer = await AsyncRetrying(**self._retry_options(request))(once)
        return answer
