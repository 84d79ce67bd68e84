"""One HTTP session for the Hub's client in which no wait is without a bound."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception_type,
    stop_after_attempt,
    stop_after_delay,
    wait_exponential_jitter,
)
from tenacity.stop import stop_base

from palmares.hub.failures import BUSY_STATUSES, HubBusyError, HubUnreachableError
from palmares.hub.private_client import prepare_request
from palmares.leaderboard.errors import HubUnavailableError

if TYPE_CHECKING:
    import httpx2

ATTEMPTS = 4
"""Tries of one call, the first included."""
BUDGET_S = 45.0
"""No further try is begun after this time."""
LONGEST_WAIT_S = 15.0
"""The longest wait that the Hub may ask for and get; beyond it, the caller hears that it is unavailable."""

_timeout_s: ContextVar[float | None] = ContextVar("palmares_hub_timeout_s", default=None)
_lock = threading.Lock()


@lru_cache(maxsize=1)
def _client_class() -> type[httpx2.Client]:
    import httpx2

    class BoundedClient(httpx2.Client):
        """Answers our own calls at once, where the Hub's client would wait.

        That client passes no time-out to most calls, and sleeps as long as a 429 says, five times. Inside
        `bounded` each request has a time-out, and a failure leaves as our error, which it does not retry.
        Calls of others in this process are left as they are.
        """

        def send(self, request: httpx2.Request, **options: Any) -> httpx2.Response:
            timeout_s = _timeout_s.get()
            if timeout_s is None:
                return super().send(request, **options)
            request.extensions["timeout"] = httpx2.Timeout(timeout_s).as_dict()
            try:
                response = super().send(request, **options)
            except httpx2.TransportError as error:
                raise HubUnreachableError(f"{_where(request)}: {type(error).__name__}: {error}") from error
            if response.status_code in BUSY_STATUSES:
                response.close()
                raise HubBusyError(
                    f"{_where(request)}: HTTP {response.status_code}", retry_after_s=_retry_after_s(response)
                )
            return response

    return BoundedClient


def _where(request: httpx2.Request) -> str:
    """Method and address, without the query: it may be signed."""
    return f"{request.method} {request.url.copy_with(query=None)}"


def _retry_after_s(response: httpx2.Response) -> float | None:
    """Read the wait from ``Retry-After``, or from ``RateLimit`` (``"api";r=0;t=120``)."""
    fields = dict(
        part.strip().split("=", 1) for part in response.headers.get("RateLimit", "").split(";") if "=" in part
    )
    for text in (response.headers.get("Retry-After", ""), fields.get("t", "")):
        if text.isascii() and text.isdigit():
            return float(text)
    return None


def _new_client() -> httpx2.Client:
    return _client_class()(
        event_hooks={"request": [prepare_request]},
        follow_redirects=True,
        timeout=None,
        # A proxy of the environment knows nothing of this machine's own services.
        mounts={"all://127.0.0.1": None, "all://localhost": None},
    )


def _prepare() -> None:
    """Make the Hub's client use our session, and keep it from calling huggingface.co on its own."""
    from huggingface_hub import constants, get_session, set_client_factory

    if isinstance(get_session(), _client_class()):
        return
    # At INFO it writes each request's whole address, and those that the Hub redirects to are signed. Airflow
    # quietens httpx by name, not this copy of it.
    logging.getLogger("httpx2").setLevel(logging.WARNING)
    # The environment variable of that name is read at import, which may be long past.
    constants.HF_HUB_DISABLE_TELEMETRY = True
    with _lock:
        if not isinstance(get_session(), _client_class()):
            set_client_factory(_new_client)


@contextmanager
def bounded(timeout_s: float) -> Iterator[None]:
    """Let no request inside wait longer than *timeout_s* for the next bytes, nor be retried unseen."""
    _prepare()
    token = _timeout_s.set(timeout_s)
    try:
        yield
    finally:
        _timeout_s.reset(token)


class _AskedTooMuch(stop_base):
    """Stops when the Hub asks for a wait that is the caller's to plan."""

    def __call__(self, retry_state: RetryCallState) -> bool:
        error = retry_state.outcome.exception() if retry_state.outcome else None
        asked_s = error.retry_after_s if isinstance(error, HubBusyError) else None
        return asked_s is not None and asked_s > LONGEST_WAIT_S


def _wait(state: RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    if isinstance(error, HubBusyError) and error.retry_after_s is not None:
        return error.retry_after_s
    return _backoff(state)


_backoff: Callable[[RetryCallState], float] = wait_exponential_jitter(multiplier=0.25, max=4, jitter=0.25)


def retrying() -> Retrying:
    """Try again while the Hub is unavailable: a few times, with bounded waits between."""
    return Retrying(
        retry=retry_if_exception_type(HubUnavailableError),
        stop=stop_after_attempt(ATTEMPTS) | stop_after_delay(BUDGET_S) | _AskedTooMuch(),
        wait=_wait,
        reraise=True,
    )
