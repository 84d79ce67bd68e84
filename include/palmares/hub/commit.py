"""One commit to a dataset, which is made once however often it is sent."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import TYPE_CHECKING
from uuid import uuid4

from palmares.hub.failures import translated
from palmares.hub.private_client import always_sent, pages
from palmares.leaderboard.errors import HubRefusedError, HubUnavailableError, StaleCommitError

if TYPE_CHECKING:
    from huggingface_hub import CommitOperationAdd, HfApi

KEY_PREFIX = "Palmares-Commit: "
SUMMARY_CHARACTERS = 200
DESCRIPTION_CHARACTERS = 4000
_COMMITS_LOOKED_AT = 2000
"""How far back a lost commit is looked for, when the one before it is not met."""


class Commit:
    """Files to write into a dataset's main branch, right after *parent_commit*.

    The description carries an idempotency key, by which a first try whose answer was lost is found: the Hub
    has no other, and answers the second try that it came too late.

    Args:
        idempotency_key: Known to the caller, who can look for it after a crash; None: made up here.
    """

    def __init__(
        self,
        *,
        repo_id: str,
        files: Mapping[str, bytes],
        message: str,
        parent_commit: str,
        idempotency_key: str | None = None,
    ) -> None:
        self._repo_id = repo_id
        self._files = files
        self._summary, self._description = _split(message)
        self._parent_commit = parent_commit
        self._idempotency_key = idempotency_key or uuid4().hex
        self._may_be_applied = False

    def send(self, api: HfApi) -> str | None:
        """Send the commit, first time or again; return its hash.

        Raises:
            StaleCommitError: The branch moved, and not by this commit.
            HubRefusedError: A path that the client does not take.
            HubError: Any other failure of `translated`.
        """
        operations = [_addition(path, content) for path, content in self._files.items()]
        try:
            with translated(f"commit to dataset {self._repo_id}"):
                made = api.create_commit(
                    self._repo_id,
                    operations,
                    commit_message=self._summary,
                    commit_description=f"{self._description}\n\n{KEY_PREFIX}{self._idempotency_key}".lstrip(),
                    repo_type="dataset",
                    revision="main",
                    parent_commit=self._parent_commit,
                )
        except HubUnavailableError:
            self._may_be_applied = True
            raise
        except StaleCommitError:
            applied = self._applied(api) if self._may_be_applied else None
            if applied is None:
                raise
            return applied
        oid: str = made.oid
        return oid

    def _applied(self, api: HfApi) -> str | None:
        with translated(f"history of dataset {self._repo_id}"):
            return find_commit(api, self._repo_id, self._idempotency_key, since=self._parent_commit)


def find_commit(api: HfApi, repo_id: str, idempotency_key: str, *, since: str) -> str | None:
    """Return the commit of a dataset's main branch that carries *idempotency_key* and came after *since*.

    Not `list_repo_commits`, which reads the whole history, and that may be long.
    """
    address = f"{api.endpoint}/api/datasets/{repo_id}/commits/main"
    for commit in islice(pages(address, token=api.token), _COMMITS_LOOKED_AT):
        if commit["id"] == since:
            return None
        if f"{KEY_PREFIX}{idempotency_key}" in f"{commit['title']}\n{commit['message']}":
            return str(commit["id"])
    return None


def _split(message: str) -> tuple[str, str]:
    """A message's first line, and what it says beyond: the Hub refuses long summaries.

    Both are cut; whoever wants to know all looks at the files.
    """
    summary, _, rest = message.partition("\n")
    if len(summary) > SUMMARY_CHARACTERS:
        summary = summary[: SUMMARY_CHARACTERS - 1] + "…"
    rest = rest.strip()
    if len(rest) > DESCRIPTION_CHARACTERS:
        rest = rest[: DESCRIPTION_CHARACTERS - 1].rpartition("\n")[0] + "\n…"
    return summary, rest


def _addition(path: str, content: bytes) -> CommitOperationAdd:
    if path.startswith("/"):
        # The client would take the slash off.
        raise HubRefusedError(f"{path!r} cannot be written to the Hub: it is absolute", code="content")
    try:
        return always_sent(path, content)
    except ValueError as error:
        raise HubRefusedError(f"{path!r} cannot be written to the Hub: {error}", code="content") from error
