"""How ClearML's API is spoken: steps that flows yield, the envelope of answers, and when to try again.

A *flow* is a generator that yields steps and returns its result. It holds what is sent and in which order;
the two transports of `clearml_provider.client` only carry it, one blocking, one awaiting.
"""

from __future__ import annotations

import random
import ssl
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, TypeVar

from clearml_provider.exceptions import (
    ClearMLAPIError,
    ClearMLAuthError,
    ClearMLConfigError,
    ClearMLError,
    ClearMLLostAnswerError,
    ClearMLNotFoundError,
    ClearMLUnavailableError,
)
from clearml_provider.redaction import shown_url

if TYPE_CHECKING:
    import httpx
    from tenacity import RetryCallState


T = TypeVar("T")
API_PREFIX = "/v2.23"
"""API version that the answers' shapes were checked against (server 2.3 accepts any up to its own 2.34)."""
SUBCODE_INVALID_TASK_ID = 101
SUBCODE_INVALID_TASK_STATUS = 110
SUBCODE_LOST_RACE = 121
SUBCODE_INVALID_QUEUE_ID = 701
SUBCODE_NOT_IN_QUEUE = 703
SUBCODE_ALREADY_QUEUED = 706
RACES = {SUBCODE_INVALID_TASK_STATUS, SUBCODE_LOST_RACE}
"""The task moved between reading and writing."""
_NOT_FOUND_SUBCODES = {
    SUBCODE_INVALID_TASK_ID,
    201,
    401,
    SUBCODE_INVALID_QUEUE_ID,
}  # task, model, project, queue
_RETRIED_STATUSES = {429, 500, 502, 503, 504, 509}
_NEVER_HAPPENED_STATUSES = {429}
_NO_TLS = {"WRONG_VERSION_NUMBER", "UNSUPPORTED_PROTOCOL", "TLSV1_ALERT_PROTOCOL_VERSION"}


@dataclass(frozen=True, slots=True)
class Call:
    """One request: *endpoint* with a JSON *payload*.

    ``creates`` marks a call that makes something new each time: it is sent again only when it certainly
    did not happen, else `ClearMLLostAnswerError` is raised, for the flow to read the task and decide.
    """

    endpoint: str
    payload: Mapping[str, Any] = field(default_factory=dict)
    creates: bool = False


@dataclass(frozen=True, slots=True)
class Pause:
    """Let *seconds* go by (blocking or awaiting, as the transport does)."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Answer:
    """``data`` of the envelope, and the server's clock when it answered."""

    data: Mapping[str, Any]
    server_time: datetime
    """From the Date header (whole seconds), so that ages are measured on one clock; else our own clock."""


Flow = Generator[Call | Pause, Any, T]


def call(endpoint: str, payload: Mapping[str, Any] | None = None, *, creates: bool = False) -> Flow[Answer]:
    """Make one call inside a flow: ``answer = yield from call("tasks.get_all", {…})``."""
    answer: Answer = yield Call(endpoint, payload or {}, creates)
    return answer


class RetryableError(Exception):
    """Inside the transports only: worth another try; *cause* is what the caller sees at the end.

    ``happened`` is False when the server certainly did nothing.
    """

    def __init__(self, cause: Exception, *, happened: bool, retry_after_s: float | None = None) -> None:
        super().__init__(str(cause))
        self.cause = cause
        self.happened = happened
        self.retry_after_s = retry_after_s


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """Exponential back-off with full jitter, never past *budget_s*; an explicit Retry-After is honoured."""

    budget_s: float = 60.0
    """Wall time for one call with all its tries; 0 means one try."""
    base_s: float = 0.25
    cap_s: float = 10.0

    def wait(self, state: RetryCallState) -> float:
        """Seconds before the next try; tenacity's ``wait``."""
        backoff = random.uniform(0, min(self.cap_s, self.base_s * 2**state.attempt_number))  # noqa: S311 - jitter, not a secret
        error = state.outcome.exception() if state.outcome else None
        asked = error.retry_after_s if isinstance(error, RetryableError) else None
        return backoff if asked is None else asked + backoff * 0.1

    def is_over(self, state: RetryCallState) -> bool:
        """Whether the next wait would pass the budget; tenacity's ``stop``."""
        elapsed = state.seconds_since_start or 0.0
        return elapsed + state.upcoming_sleep > self.budget_s

    def timeout_s(self, longest_s: float, *, spent_s: float) -> float:
        """How long the next try may wait: never past the budget, but for a second to send anything at all."""
        return longest_s if self.budget_s <= 0 else max(1.0, min(longest_s, self.budget_s - spent_s))


def is_retryable(error: BaseException, request: Call) -> bool:
    """Whether *request* may be sent again after *error*."""
    return isinstance(error, RetryableError) and not (request.creates and error.happened)


def give_up(error: RetryableError, request: Call, *, url: str, tries: int, budget_s: float) -> ClearMLError:
    """What the caller sees when no further try is made."""
    if request.creates and error.happened:
        return ClearMLLostAnswerError(
            f"{request.endpoint} at {url}: no usable answer ({error.cause}); it may have happened. "
            f"Look the object up before creating it again."
        )
    count = "1 try" if tries == 1 else f"{tries} tries"
    asked = error.retry_after_s
    if asked is not None and asked > budget_s:
        late = ClearMLUnavailableError(
            f"{request.endpoint} at {url}: gave up after {count} ({error.cause}): the server asks to come "
            f"back in {asked:.0f} s, the connection's retry budget is {budget_s:g} s. Try again then, "
            f"or raise the budget."
        )
        late.retry_after_s = asked
        return late
    return ClearMLUnavailableError(
        f"{request.endpoint} at {url}: gave up after {count} ({error.cause}). "
        f"Check that the ClearML server is up and that the connection's host is its API server."
    )


def transport_error(error: httpx.TransportError, *, url: str) -> RetryableError | ClearMLConfigError:
    """A request that got no answer; a refused connection certainly changed nothing.

    A certificate that is not accepted, or a port that speaks no TLS, will not pass: no other try is made.
    """
    import httpx

    refusal = _tls_refusal(error)
    if isinstance(refusal, ssl.SSLCertVerificationError):
        return ClearMLConfigError(
            f"The TLS certificate of {url} is not accepted ({refusal.verify_message}). Set the connection's "
            f"ca_file to a PEM file of the authority that signed it, or correct the host's name."
        )
    if refusal is not None:
        return ClearMLConfigError(
            f"{url} does not speak TLS as expected ({refusal.reason or refusal}). "
            f"Check scheme and port of the connection's host: http:// or https://."
        )
    happened = not isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout)
    message = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return RetryableError(ConnectionError(message), happened=happened)


def _tls_refusal(error: BaseException) -> ssl.SSLError | None:
    """The handshake's own error below *error*, if it is one that repeating cannot mend."""
    below: BaseException | None = error
    while below is not None:
        if isinstance(below, ssl.SSLCertVerificationError):
            return below
        if isinstance(below, ssl.SSLError) and below.reason in _NO_TLS:
            return below
        below = below.__cause__ or below.__context__
    return None


def read_answer(response: httpx.Response, request: Call) -> Answer:
    """Take the data out of the envelope.

    Raises:
        RetryableError: Overload, gateway trouble, or a body that is not the envelope.
        ClearMLAPIError: The server refused; its message is kept.
    """
    try:
        body = response.json()
        meta = body["meta"]
        data = body["data"] or {}
    except (ValueError, KeyError, TypeError):
        meta, data = None, {}
    status = response.status_code
    subcode = int((meta or {}).get("result_subcode") or 0)
    message = str((meta or {}).get("result_msg") or response.reason_phrase or "no message")
    error = ClearMLAPIError(
        f"{request.endpoint}: HTTP {status}/{subcode}: {message}",
        status=status,
        subcode=subcode,
        endpoint=request.endpoint,
    )
    if status in _RETRIED_STATUSES:
        happened = status not in _NEVER_HAPPENED_STATUSES
        raise RetryableError(error, happened=happened, retry_after_s=_retry_after_s(response))
    if meta is None and 200 <= status < 300:
        raise RetryableError(ValueError(f"HTTP {status} whose body is not ClearML's envelope"), happened=True)
    if 200 <= status < 300:
        return Answer(data, _server_time(response))
    if status == 401:
        raise ClearMLAuthError(
            f"{error} Check the access key (login) and secret key (password) of the ClearML connection.",
            status=status,
            subcode=subcode,
            endpoint=request.endpoint,
        )
    if meta is None:  # a proxy, the web UI, another program: its "not found" is not about tasks
        location = response.headers.get("Location")
        redirected = f" (redirected to {shown_url(location)})" if location else ""
        raise ClearMLAPIError(
            f"{error}, and the answer is not ClearML's{redirected}. "
            f"Check that the connection's host is the API server (http://…:8008, https://api.…), "
            f"not the web UI or the file server.",
            status=status,
            endpoint=request.endpoint,
        )
    if status == 404 or (status == 400 and subcode in _NOT_FOUND_SUBCODES):
        raise ClearMLNotFoundError(str(error), status=status, subcode=subcode, endpoint=request.endpoint)
    raise error


def _retry_after_s(response: httpx.Response) -> float | None:
    value = response.headers.get("Retry-After")
    if not value:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        until = parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(0.0, (until - datetime.now(UTC)).total_seconds())


def _server_time(response: httpx.Response) -> datetime:
    try:
        return parsedate_to_datetime(response.headers["Date"]).astimezone(UTC)
    except (KeyError, ValueError):
        return datetime.now(UTC)
