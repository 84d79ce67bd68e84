"""Turns what the Hub's client raises into this project's errors, without the token."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from palmares.leaderboard.errors import (
    HubError,
    HubGatedError,
    HubNotFoundError,
    HubRefusedError,
    HubUnavailableError,
    StaleCommitError,
)

BUSY_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504, 520, 522, 524})
"""Answers that say: not now."""
_CONFLICT_STATUSES = frozenset({409, 423})
"""Another operation is under way; the client itself reads the 409 of a repository that is there."""
_STORAGE_STATUSES = frozenset({402, 507})
_CONTENT_STATUSES = frozenset({400, 413, 415, 422})
_STORAGE = re.compile(r"storage|quota", re.IGNORECASE)
"""In the words of a 403: "Private repository storage limit reached", "Your storage patterns …"."""
_QUERY = re.compile(r"\?[^\s?='\"<>]+=[^\s'\"<>]*")


class HubBusyError(HubUnavailableError):
    """The Hub answered that it has no time."""


class HubUnreachableError(HubUnavailableError):
    """No answer: the connection failed, was cut, or the time was up."""


@contextmanager
def translated(subject: str) -> Iterator[None]:
    """Raise this project's error for whatever the client raises inside.

    Args:
        subject: What was asked of what, for the message: ``dataset org/name at main``.

    Raises:
        HubNotFoundError: No such repository, revision or file.
        HubGatedError: The token has no access to a gated repository.
        StaleCommitError: The branch is no longer at the commit's parent.
        HubUnavailableError: Outage, time-out, rate limit, or an answer that is not the Hub's.
        HubRefusedError: The token, its rights, the storage, or what was sent.
        HubError: Any other refusal.
    """
    import httpx2
    from huggingface_hub import errors

    try:
        yield
    # None is raised from the client's own error: that quotes the address, and those that the Hub redirects
    # to are signed. The first is a special case of the second.
    except errors.GatedRepoError:
        raise HubGatedError(
            f"{subject}: the repository is gated and our token has no access. "
            "Ask its owner for access with the account of the token in the connection huggingface_hub."
        ) from None
    except errors.RevisionNotFoundError:
        raise HubNotFoundError(f"{subject}: no such revision", what="revision") from None
    except (errors.RepositoryNotFoundError, errors.DisabledRepoError):
        raise HubNotFoundError(
            f"{subject}: no such repository, or it is private and our token may not see it", what="repository"
        ) from None
    except errors.HFValidationError as error:
        raise HubNotFoundError(f"{subject}: not a repository's name", what="repository") from error
    except errors.EntryNotFoundError:
        raise HubNotFoundError(f"{subject}: no such file", what="file") from None
    except errors.HfHubHTTPError as error:
        raise _of_status(subject, error) from None
    except httpx2.TransportError as error:
        raise HubUnreachableError(
            f"{subject}: {type(error).__name__}: {without_queries(str(error))}"
        ) from None
    except errors.OfflineModeIsEnabled as error:
        raise HubUnavailableError(
            f"{subject}: HF_HUB_OFFLINE is set in the environment. Unset it and start again."
        ) from error
    except (ValueError, KeyError) as error:
        # A proxy's log-in page, or half an answer.
        raise HubUnavailableError(
            f"{subject}: the answer is not the Hub's: {without_queries(repr(error)):.200}"
        ) from None


def without_queries(text: str) -> str:
    """*text* with the queries of the addresses in it cut off: they hold signatures and tokens."""
    return _QUERY.sub("", text)


def _of_status(subject: str, error: Exception) -> HubError:
    response = getattr(error, "response", None)
    status: int | None = getattr(response, "status_code", None)
    said = str(getattr(error, "server_message", None) or "")
    said = without_queries(said).strip()[:300]
    message = f"{subject}: HTTP {status}{': ' if said else ''}{said}"
    if status == 412:
        return StaleCommitError(f"{message}. Read the branch again and re-apply.")
    if status in BUSY_STATUSES | _CONFLICT_STATUSES:
        return HubBusyError(message, retry_after_s=None)
    if status == 401:
        return HubRefusedError(
            f"{message}. The token is not valid (any more): put a new one into the connection "
            "huggingface_hub.",
            code="token",
        )
    if status in _STORAGE_STATUSES or (status == 403 and _STORAGE.search(said)):
        return HubRefusedError(
            f"{message}. The storage is full: make room, or raise the account's plan.", code="quota"
        )
    if status == 403:
        return HubRefusedError(
            f"{message}. Check the rights of the token of the connection huggingface_hub.", code="forbidden"
        )
    if status in _CONTENT_STATUSES:
        return HubRefusedError(message, code="content")
    return HubError(message)
