"""The provider's one tree of errors.

ClearMLError
├── ClearMLConfigError            the connection or an argument is wrong
├── ClearMLAPIError               the server answered with an error (status, subcode)
│   ├── ClearMLAuthError              401: wrong keys
│   └── ClearMLNotFoundError          no such task, queue, project, artifact or endpoint
├── ClearMLUnavailableError       gave up: unreachable, overloaded or talking nonsense
│   └── ClearMLLostAnswerError        a call that creates may or may not have happened
├── ClearMLUnknownStatusError     a status that this version does not know
├── ClearMLPolicyError            a function that the caller passed in raised, or returned nonsense
├── ClearMLMovedError             the task moved on between reading and writing: read it again
├── ClearMLArtifactError          an artifact is missing, too large, or does not have its hash
└── ClearMLTaskFailedError        the job ended badly, and another attempt is worth it
"""

from __future__ import annotations


class ClearMLError(Exception):
    """Base of every error that this provider raises on purpose."""


class ClearMLConfigError(ClearMLError):
    """The connection or an operator's argument is wrong."""


class ClearMLAPIError(ClearMLError):
    """The server answered with an error.

    Attributes:
        status: HTTP status, equal to ``meta.result_code``.
        subcode: ``meta.result_subcode``, e.g. 706 for "already queued"; 0 when the body had none.
        endpoint: The call, e.g. ``tasks.enqueue``.
    """

    def __init__(self, message: str, *, status: int, subcode: int = 0, endpoint: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.subcode = subcode
        self.endpoint = endpoint


class ClearMLAuthError(ClearMLAPIError):
    """The keys were refused."""


class ClearMLNotFoundError(ClearMLAPIError):
    """No such task, queue, project, artifact or endpoint."""


class ClearMLUnavailableError(ClearMLError):
    """The server could not be reached, or did not answer sensibly, within the budget."""

    retry_after_s: float | None = None
    """How long the server asked to be left alone; None: it gave no time."""


class ClearMLLostAnswerError(ClearMLUnavailableError):
    """A call that creates got no answer: it may have happened. Look before trying again."""


class ClearMLUnknownStatusError(ClearMLError):
    """A task has a status that this version of the provider does not know."""


class ClearMLPolicyError(ClearMLError):
    """A function that the caller passed in raised, or returned nonsense; the job was left as it is.

    Unlike a wrong argument it may pass: the function may have asked a database that was away.
    """


class ClearMLMovedError(ClearMLError):
    """Somebody else changed the task between reading and writing; what was to be done may be done already."""


class ClearMLArtifactError(ClearMLError):
    """An artifact is missing, too large, or does not have its hash."""


class ClearMLTaskFailedError(ClearMLError):
    """The job ended badly; raised so that Airflow's retry makes the next attempt.

    Attributes:
        failure_class: The classifier's class, e.g. ``node_lost``.
    """

    def __init__(self, message: str, *, failure_class: str) -> None:
        super().__init__(message)
        self.failure_class = failure_class


def may_pass(error: Exception) -> bool:
    """Whether waiting may help: no sensible answer, or one that is a gateway's and not ClearML's."""
    if isinstance(error, ClearMLUnavailableError):
        return True
    return (
        isinstance(error, ClearMLAPIError) and not isinstance(error, ClearMLAuthError) and error.subcode == 0
    )


def concerns_request(error: Exception) -> bool:
    """Whether the server refused just this request, so that the next one may fare better at once."""
    return (
        isinstance(error, ClearMLAPIError) and not isinstance(error, ClearMLAuthError) and not may_pass(error)
    )
