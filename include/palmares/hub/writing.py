"""What writing to a dataset needs: what its files are now, one commit on top, and whether it was made."""

from __future__ import annotations

import hashlib
import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

from palmares.hub.blobs import git_hash
from palmares.hub.commit import Commit, find_commit
from palmares.hub.failures import without_queries
from palmares.leaderboard.errors import HubNotFoundError, HubRefusedError, HubUnavailableError

if TYPE_CHECKING:
    from huggingface_hub import HfApi

log = logging.getLogger(__name__)

_THREADS = 8
_PATHS_A_CALL = 200

T = TypeVar("T")


class HubWriter(ABC):
    """The writing half of `Hub`."""

    _endpoint: str
    _timeout_s: float

    @abstractmethod
    def _call(self, subject: str, call: Callable[[HfApi], T]) -> T: ...

    @abstractmethod
    def read_file(self, repo_id: str, path: str, *, commit: str) -> bytes | None: ...

    @property
    def endpoint(self) -> str:
        """The address, without path and without a trailing slash."""
        return self._endpoint

    def head(self, repo_id: str) -> str:
        """Return the newest commit of a dataset's main branch.

        Raises:
            HubNotFoundError: No such dataset.
            HubUnavailableError: Try again later.
        """
        info = self._call(
            f"dataset {repo_id}",
            lambda api: api.dataset_info(repo_id, revision="main", expand=["sha"], timeout=self._timeout_s),
        )
        if isinstance(info.id, str) and info.id.casefold() != repo_id.casefold():
            log.warning(
                "dataset %s is called %s now: the Hub passes us on; name the new one in leaderboard.yaml",
                repo_id,
                without_queries(info.id),
            )
        return sha_of(info.sha, f"dataset {repo_id}")

    def content_ids(self, repo_id: str, paths: Sequence[str], *, commit: str) -> dict[str, str]:
        """Return what the files at *paths* hold, as `content_id` says it; missing ones are left out.

        Raises:
            HubNotFoundError: No such dataset or commit.
            HubUnavailableError: Try again later.
        """
        from huggingface_hub import RepoFile

        found: dict[str, str] = {}
        for start in range(0, len(paths), _PATHS_A_CALL):
            some = list(paths[start : start + _PATHS_A_CALL])
            for entry in self._call(
                f"{len(some)} files of dataset {repo_id} at {commit}",
                lambda api, some=some: api.get_paths_info(  # type: ignore[misc]
                    repo_id, some, revision=commit, repo_type="dataset"
                ),
            ):
                if isinstance(entry, RepoFile):
                    large = entry.lfs.sha256 if entry.lfs is not None else None
                    found[entry.path] = f"sha256:{large}" if large else f"git:{entry.blob_id}"
        return found

    def read_files(self, repo_id: str, paths: Sequence[str], *, commit: str) -> dict[str, bytes]:
        """Return the contents of *paths*, read side by side; missing ones are left out.

        Raises:
            HubNotFoundError: No such dataset or commit.
            HubUnavailableError: Try again later.
        """
        with ThreadPoolExecutor(min(_THREADS, max(1, len(paths)))) as pool:
            try:
                contents = pool.map(lambda path: self.read_file(repo_id, path, commit=commit), paths)
                return {
                    path: content
                    for path, content in zip(paths, contents, strict=True)
                    if content is not None
                }
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise

    def commit_files(
        self,
        repo_id: str,
        files: Mapping[str, bytes],
        *,
        message: str,
        parent_commit: str,
        idempotency_key: str | None = None,
    ) -> str:
        """Write files into a dataset, in one commit right after *parent_commit*; return its hash.

        If an answer is lost, it is tried again, and what the first try did is found: there is one commit.

        Args:
            idempotency_key: A name that no other commit has, to find it by later; None: one is made up.

        Raises:
            StaleCommitError: The dataset's main branch is no longer at *parent_commit*.
            HubRefusedError: The token may not write, the storage is full, or a path is not taken.
            HubUnavailableError: Try again later; the commit may have been made.
        """
        subject = f"commit to dataset {repo_id}"
        commit = Commit(
            repo_id=repo_id,
            files=files,
            message=message,
            parent_commit=parent_commit,
            idempotency_key=idempotency_key,
        )
        return sha_of(self._call(subject, commit.send), subject)

    def find_commit(self, repo_id: str, idempotency_key: str, *, since: str) -> str | None:
        """Return the commit that carries *idempotency_key*, if it was made after the commit *since*.

        Raises:
            HubNotFoundError: No such dataset.
            HubUnavailableError: Try again later.
        """
        return self._call(
            f"history of dataset {repo_id}",
            lambda api: find_commit(api, repo_id, idempotency_key, since=since),
        )

    def ensure_dataset(self, repo_id: str, *, private: bool) -> None:
        """Create the dataset if it is missing.

        Raises:
            HubRefusedError: It is there and public, and *private* was asked for; or we may not create it.
            HubUnavailableError: Try again later.
        """
        subject = f"dataset {repo_id}"
        try:
            info = self._call(subject, lambda api: api.dataset_info(repo_id, timeout=self._timeout_s))
        except HubNotFoundError as error:
            if error.what != "repository":
                raise
            self._call(
                subject,
                lambda api: api.create_repo(repo_id, repo_type="dataset", private=private, exist_ok=True),
            )
            log.info("created %s, private: %s", subject, private)
            return
        if private and not info.private:
            raise HubRefusedError(
                f"{subject} is public, but private files are to be written into it. "
                "Make it private in its settings, or name another one in leaderboard.yaml.",
                code="public",
            )


def content_id(content: bytes, *, like: str) -> str:
    """Name a content as `HubWriter.content_ids` does: git's hash, or SHA-256 where *like* is one (LFS)."""
    if like.startswith("sha256:"):
        return f"sha256:{hashlib.sha256(content).hexdigest()}"
    return f"git:{git_hash(content)}"


def sha_of(sha: str | None, subject: str) -> str:
    """Return *sha* if it is a commit's."""
    if sha is None or len(sha) != 40:
        raise HubUnavailableError(f"{subject}: the Hub named no commit, but {sha!r}")
    return sha
