"""Datasets and models on a Hub, through the real client, always at a commit."""

from __future__ import annotations

import hashlib
import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from include.hub.commit import Commit
from include.hub.failures import translated
from include.hub.model_facts import facts_of
from include.hub.session import bounded, retrying
from include.leaderboard.errors import HubError, HubNotFoundError, HubUnavailableError
from include.leaderboard.submissions.model_facts import ModelFacts

if TYPE_CHECKING:
    from huggingface_hub import HfApi, RepoFile

log = logging.getLogger(__name__)

_THREADS = 8
_KEPT_BYTES = 64 * 1024 * 1024

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class HubFile:
    """One file of a dataset at one commit."""

    path: str
    oid: str
    """Git's hash of the content: the same content has the same one, at every commit."""
    content: bytes
    """Empty if `too_large`."""
    too_large: bool = False
    """The file has more bytes than the reader wanted, and was not downloaded."""


class Hub:
    """A Hub at an address. May be shared by threads.

    Args:
        endpoint: Address without path: ``https://huggingface.co``.
        token: Access token; None: anonymous, whatever the environment holds.
        timeout_s: Longest wait for the next bytes of an answer. A call is tried up to four times.
    """

    def __init__(self, *, endpoint: str, token: str | None, timeout_s: float = 30.0) -> None:
        self._endpoint = endpoint.rstrip("/")
        self._token = token
        self._timeout_s = timeout_s
        self._kept: OrderedDict[str, bytes] = OrderedDict()
        self._kept_bytes = 0
        self._kept_lock = threading.Lock()

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
        return _sha(info.sha, f"dataset {repo_id}")

    def list_paths(self, repo_id: str, *, commit: str, prefix: str = "") -> list[str]:
        """Return the dataset's paths at *commit* that begin with *prefix*, sorted.

        Raises:
            HubNotFoundError: No such dataset or commit.
            HubUnavailableError: Try again later.
        """
        return [file.path for file in self._files(repo_id, commit=commit, prefix=prefix)]

    def read_json_files(
        self, repo_id: str, *, commit: str, since: str | None = None, max_bytes: int = 1_000_000
    ) -> list[HubFile]:
        """Return all ``*.json`` files of a dataset at *commit*, sorted by path.

        Contents that this object has read before, under whatever path or commit, are not read again. A file
        of more than *max_bytes* comes back empty and marked `too_large`. With *since*, an earlier commit,
        files that were the same there are left out.

        Raises:
            HubNotFoundError: No such dataset or commit.
            HubUnavailableError: Try again later.
        """
        earlier = {} if since is None else {f.path: f.blob_id for f in self._files(repo_id, commit=since)}
        listed = [
            file
            for file in self._files(repo_id, commit=commit)
            if file.path.endswith(".json") and earlier.get(file.path) != file.blob_id
        ]
        wanted = {file.blob_id: file for file in listed if file.size <= max_bytes}
        with self._kept_lock:
            contents = {oid: self._kept[oid] for oid in wanted if oid in self._kept}
        missing = [file for oid, file in wanted.items() if oid not in contents]
        with ThreadPoolExecutor(min(_THREADS, max(1, len(missing)))) as pool:
            try:
                read = pool.map(lambda file: self._read_listed(repo_id, file, commit=commit), missing)
                contents.update(zip((file.blob_id for file in missing), read, strict=True))
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        self._keep(contents)
        log.info(
            "%s files of %s at %s, %s of them downloaded", len(listed), repo_id, commit[:10], len(missing)
        )
        return [
            HubFile(
                path=file.path,
                oid=file.blob_id,
                content=contents.get(file.blob_id, b""),
                too_large=file.blob_id not in contents,
            )
            for file in listed
        ]

    def read_file(self, repo_id: str, path: str, *, commit: str) -> bytes | None:
        """Return one file of a dataset at *commit*; None: there is no such file.

        Raises:
            HubNotFoundError: No such dataset or commit.
            HubUnavailableError: Try again later.
        """
        try:
            return self._download(repo_id, path, commit=commit, repo_type="dataset")
        except HubNotFoundError as error:
            if error.what == "file":
                return None
            raise

    def commit_files(
        self, repo_id: str, files: Mapping[str, bytes], *, message: str, parent_commit: str
    ) -> str:
        """Write files into a dataset, in one commit right after *parent_commit*; return its hash.

        If an answer is lost, it is tried again, and what the first try did is found: there is one commit.

        Raises:
            StaleCommitError: The dataset's main branch is no longer at *parent_commit*.
            HubError: A path that the Hub does not take, or the token may not write.
            HubUnavailableError: Try again later; the commit may have been made.
        """
        subject = f"commit to dataset {repo_id}"
        commit = Commit(repo_id=repo_id, files=files, message=message, parent_commit=parent_commit)
        return _sha(self._call(subject, commit.send), subject)

    def ensure_dataset(self, repo_id: str, *, private: bool) -> None:
        """Create the dataset if it is missing.

        Raises:
            HubError: It is there and public, and *private* was asked for.
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
            raise HubError(
                f"{subject} is public, but private files are to be written into it. "
                "Make it private in its settings, or name another one in leaderboard.yaml."
            )

    def model_facts(self, model_id: str, revision: str) -> ModelFacts:
        """Return what is known of a model, at the commit that *revision* names now.

        Raises:
            HubNotFoundError: No such model or revision.
            HubGatedError: The model is gated and the token has no access.
            HubUnavailableError: Try again later.
        """
        subject = f"model {model_id} at {revision}"
        info = self._call(
            subject,
            lambda api: api.model_info(
                model_id, revision=revision, files_metadata=True, timeout=self._timeout_s
            ),
        )
        commit = _sha(info.sha, subject)
        if info.gated:
            self._call(subject, lambda api: api.auth_check(model_id))
        return facts_of(
            info, read=lambda path: self._download(model_id, path, commit=commit, repo_type="model")
        )

    def _call(self, subject: str, call: Callable[[HfApi], T]) -> T:
        from huggingface_hub import HfApi

        # False, not None: None would send whatever token the environment has to this endpoint.
        api = HfApi(endpoint=self._endpoint, token=self._token or False)
        for attempt in retrying():
            with attempt, bounded(self._timeout_s), translated(subject):
                return call(api)
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _files(self, repo_id: str, *, commit: str, prefix: str = "") -> list[RepoFile]:
        from huggingface_hub import RepoFile

        folder = prefix.rpartition("/")[0]

        def listing(api: HfApi) -> Iterable[Any]:
            return list(
                api.list_repo_tree(
                    repo_id, folder or None, recursive=True, revision=commit, repo_type="dataset"
                )
            )

        try:
            entries = self._call(f"files of dataset {repo_id} at {commit}", listing)
        except HubNotFoundError as error:
            if folder and error.what == "file":
                return []
            raise
        files = [entry for entry in entries if isinstance(entry, RepoFile) and entry.path.startswith(prefix)]
        return sorted(files, key=lambda file: file.path)

    def _read_listed(self, repo_id: str, file: RepoFile, *, commit: str) -> bytes:
        content = self._download(repo_id, file.path, commit=commit, repo_type="dataset")
        # A large file's hash is not its content's.
        if file.lfs is None and file.blob_id != _git_hash(content):
            raise HubUnavailableError(
                f"{repo_id}/{file.path} at {commit}: the content is not what the listing announces "
                f"({file.blob_id}). Try again; if it stays so, look for a proxy that changes answers."
            )
        return content

    def _download(self, repo_id: str, path: str, *, commit: str, repo_type: str) -> bytes:
        from huggingface_hub import get_session, hf_hub_url
        from huggingface_hub.utils._headers import build_hf_headers
        from huggingface_hub.utils._http import hf_raise_for_status

        def get(_api: HfApi) -> bytes:
            # Not hf_hub_download: it fills a cache of three inodes a file, and falls back to it unseen.
            url = hf_hub_url(repo_id, path, repo_type=repo_type, revision=commit, endpoint=self._endpoint)
            response = get_session().get(url, headers=build_hf_headers(token=self._token or False))
            hf_raise_for_status(response)
            content: bytes = response.content
            return content

        return self._call(f"{repo_type} {repo_id}, file {path} at {commit}", get)

    def _keep(self, contents: Mapping[str, bytes]) -> None:
        with self._kept_lock:
            for oid, content in contents.items():
                self._kept_bytes += len(content) - len(self._kept.pop(oid, b""))
                self._kept[oid] = content
            while self._kept_bytes > _KEPT_BYTES:
                _, dropped = self._kept.popitem(last=False)
                self._kept_bytes -= len(dropped)


def _git_hash(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0%s" % (len(content), content), usedforsecurity=False).hexdigest()


def _sha(sha: str | None, subject: str) -> str:
    if sha is None or len(sha) != 40:
        raise HubUnavailableError(f"{subject}: the Hub named no commit, but {sha!r}")
    return sha
