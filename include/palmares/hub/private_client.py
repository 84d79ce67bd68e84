"""The parts of huggingface_hub that it does not export, and that we use: all of them are here.

They may change with any release, without a word. A test names the release in which they were read.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import httpx2
    from huggingface_hub import CommitOperationAdd

READ_IN = "2.4.0"
"""Release of huggingface_hub; with another, read these parts again, then name that one here."""


def auth_headers(token: str | bool | None) -> dict[str, str]:
    """Make a request's headers; None or False: anonymous, whatever token the environment holds."""
    from huggingface_hub.utils._headers import build_hf_headers

    headers: dict[str, str] = build_hf_headers(token=token or False)
    return headers


def pages(address: str, *, token: str | bool | None) -> Iterator[dict[str, Any]]:
    """Read the items of a paged listing, one request a page, as far as they are asked for."""
    from huggingface_hub.utils._pagination import paginate

    yield from paginate(address, params={}, headers=auth_headers(token))


def prepare_request(request: httpx2.Request) -> None:
    """Do what the client's own session does with each request before it is sent."""
    from huggingface_hub.utils._http import hf_request_event_hook

    hf_request_event_hook(request)


def always_sent(path: str, content: bytes) -> CommitOperationAdd:
    """Return an addition that is always sent.

    The client leaves out files that equal those of the branch's *newest* commit, and sends nothing if none
    is left: then nobody checks the parent, and a writer who came too late hears of success.

    Raises:
        ValueError: The Hub takes no such path.
    """
    from huggingface_hub import CommitOperationAdd

    class Addition(CommitOperationAdd):
        @property
        def _local_oid(self) -> str | None:
            return None

    return Addition(path_in_repo=path, path_or_fileobj=content)
