"""One commit to a dataset, which is made once however often it is sent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING
from uuid import uuid4

from include.hub.failures import translated
from include.leaderboard.errors import HubError, HubUnavailableError, StaleCommitError

if TYPE_CHECKING:
    from huggingface_hub import CommitOperationAdd, HfApi

SUMMARY_CHARACTERS = 200
DESCRIPTION_CHARACTERS = 4000


class Commit:
    """Files to write into a dataset's main branch, right after *parent_commit*.

    The description carries a mark of its own, by which a first try whose answer was lost is found: the Hub
    has no other key, and answers the second try that it came too late.
    """

    def __init__(self, *, repo_id: str, files: Mapping[str, bytes], message: str, parent_commit: str) -> None:
        self._repo_id = repo_id
        self._files = files
        self._summary, self._description = _split(message)
        self._parent_commit = parent_commit
        self._mark = f"Palmares-Commit: {uuid4().hex}"
        self._may_be_applied = False

    def send(self, api: HfApi) -> str | None:
        """Send the commit, first time or again; return its hash.

        Raises:
            StaleCommitError: The branch moved, and not by this commit.
            HubError: A path that the client does not take, or any other failure of `translated`.
        """
        operations = [_addition(path, content) for path, content in self._files.items()]
        try:
            with translated(f"commit to dataset {self._repo_id}"):
                made = api.create_commit(
                    self._repo_id,
                    operations,
                    commit_message=self._summary,
                    commit_description=f"{self._description}\n\n{self._mark}".lstrip(),
                    repo_type="dataset",
                    revision="main",
                    parent_commit=self._parent_commit,
                )
        except HubUnavailableError:
            self._may_be_applied = True
            raise
        except StaleCommitError:
            applied = self._find(api) if self._may_be_applied else None
            if applied is None:
                raise
            return applied
        oid: str = made.oid
        return oid

    def _find(self, api: HfApi) -> str | None:
        with translated(f"history of dataset {self._repo_id}"):
            commits = api.list_repo_commits(self._repo_id, repo_type="dataset", revision="main")
        return next((commit.commit_id for commit in commits if self._mark in commit.message), None)


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
    """Return an addition that is always sent.

    The client leaves out files that equal those of the branch's *newest* commit, and sends nothing if none
    is left: then nobody checks the parent, and a writer who came too late hears of success.
    """
    from huggingface_hub import CommitOperationAdd

    if path.startswith("/"):
        # The client would take the slash off.
        raise HubError(f"{path!r} cannot be written to the Hub: it is absolute")

    class Addition(CommitOperationAdd):
        @property
        def _local_oid(self) -> str | None:
            return None

    try:
        return Addition(path_in_repo=path, path_or_fileobj=content)
    except ValueError as error:
        raise HubError(f"{path!r} cannot be written to the Hub: {error}") from error
