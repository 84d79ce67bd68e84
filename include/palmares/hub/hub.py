"""Datasets and models on a Hub, through the real client, always at a commit."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

from palmares.hub.blobs import Blobs, BlobsInMemory, git_hash
from palmares.hub.failures import translated
from palmares.hub.model_facts import facts_of
from palmares.hub.private_client import auth_headers
from palmares.hub.session import bounded, retrying
from palmares.hub.writing import HubWriter, sha_of
from palmares.leaderboard.errors import HubNotFoundError, HubUnavailableError
from palmares.leaderboard.submissions.model_facts import ModelFacts

if TYPE_CHECKING:
    from huggingface_hub import HfApi, RepoFile

log = logging.getLogger(__name__)

_THREADS = 8

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


class Hub(HubWriter):
    """A Hub at an address. May be shared by threads.

    Args:
        endpoint: Address without path: ``https://huggingface.co``.
        token: Access token; None: anonymous, whatever the environment holds.
        timeout_s: Longest wait for the next bytes of an answer. A call is tried up to four times.
        blobs: Keeps the contents of JSON files; None: this object's memory.
    """

    def __init__(
        self, *, endpoint: str, token: str | None, timeout_s: float = 30.0, blobs: Blobs | None = None
    ) -> None:
        self._endpoint = endpoint.rstrip("/")
        self._token = token
        self._timeout_s = timeout_s
        self._blobs = BlobsInMemory() if blobs is None else blobs

    def file_url(self, repo_id: str, path: str) -> str:
        """Address of the page of a dataset's file."""
        return f"{self._endpoint}/datasets/{repo_id}/blob/main/{quote(path)}"

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

        Contents that were read before, under whatever path or commit, are not read again. A file
        of more than *max_bytes* comes back empty and marked `too_large`. With *since*, an earlier commit,
        files that were the same there are left out. What was read before an error is kept, so that a dataset
        with more files than the Hub's quota of one window is read in several calls.

        Raises:
            HubNotFoundError: No such dataset or commit.
            HubUnavailableError: Try again later.
        """
        earlier = {} if since is None else {f.path: f.blob_id for f in self._files(repo_id, commit=since)}
        everything = self._files(repo_id, commit=commit)
        listed = [
            file
            for file in everything
            if file.path.endswith(".json") and earlier.get(file.path) != file.blob_id
        ]
        wanted = {file.blob_id: file for file in listed if file.size <= max_bytes}
        contents = dict(self._blobs.contents(wanted.keys()))
        missing = [file for oid, file in wanted.items() if oid not in contents]
        new: dict[str, bytes] = {}
        try:
            with ThreadPoolExecutor(min(_THREADS, max(1, len(missing)))) as pool:
                reads = {
                    pool.submit(self._read_listed, repo_id, file, commit=commit): file for file in missing
                }
                try:
                    for done in as_completed(reads):
                        new[reads[done].blob_id] = done.result()
                except BaseException:
                    pool.shutdown(wait=False, cancel_futures=True)
                    raise
        finally:
            # Also of a reading that a quota stopped: the next one goes on from here.
            self._blobs.keep_contents(repo_id, new, listed={file.blob_id for file in everything})
        contents.update(new)
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
        commit = sha_of(info.sha, subject)
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
        if file.lfs is None and file.blob_id != git_hash(content):
            raise HubUnavailableError(
                f"{repo_id}/{file.path} at {commit}: the content is not what the listing announces "
                f"({file.blob_id}). Try again; if it stays so, look for a proxy that changes answers."
            )
        return content

    def _download(self, repo_id: str, path: str, *, commit: str, repo_type: str) -> bytes:
        from huggingface_hub import get_session, hf_hub_url, hf_raise_for_status

        def get(_api: HfApi) -> bytes:
            # Not hf_hub_download: it fills a cache of three inodes a file, and falls back to it unseen.
            url = hf_hub_url(repo_id, path, repo_type=repo_type, revision=commit, endpoint=self._endpoint)
            response = get_session().get(url, headers=auth_headers(self._token))
            hf_raise_for_status(response)
            content: bytes = response.content
            return content

        return self._call(f"{repo_type} {repo_id}, file {path} at {commit}", get)
