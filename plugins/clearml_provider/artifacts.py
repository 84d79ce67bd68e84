"""Fetch what a task uploaded, without trusting it."""

from __future__ import annotations

import hashlib
import logging
import os
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from clearml_provider.client import ClearMLClient
from clearml_provider.exceptions import ClearMLArtifactError, ClearMLUnavailableError
from clearml_provider.models import Artifact, TaskInfo
from clearml_provider.unpacking import GIB, unpack_zip

__all__ = ["GIB", "download", "find_artifact", "unpack_zip"]

log = logging.getLogger(__name__)

_CHUNK_BYTES = 1024 * 1024
_TRIES = 4


def find_artifact(task: TaskInfo, name: str) -> Artifact:
    """The artifact called *name*.

    Raises:
        ClearMLArtifactError: There is none; the message lists those there are.
    """
    artifact = task.artifact(name)
    if artifact is None:
        raise ClearMLArtifactError(
            f"ClearML task {task.id} ({task.status}) has no artifact {name!r}, "
            f"found {sorted(a.key for a in task.artifacts)}. Look at its console for why it was not uploaded."
        )
    return artifact


def download(client: ClearMLClient, artifact: Artifact, to: Path, *, max_bytes: int = 10 * GIB) -> Path:
    """Stream *artifact* to the file *to*, which appears only when size and SHA-256 are right.

    Args:
        client: The token goes to the connection's file server only.
        artifact: As the task lists it.
        to: A file; its folder is made.
        max_bytes: Refuse more, whatever the artifact claims.

    Raises:
        ClearMLArtifactError: Elsewhere than on the file server, absent, too large, or not what was uploaded.
        ClearMLUnavailableError: The file server did not deliver after several tries.
    """
    _check_origin(artifact, client.settings.files_host)
    if artifact.size_bytes is not None and artifact.size_bytes > max_bytes:
        raise ClearMLArtifactError(_too_large(artifact, artifact.size_bytes, max_bytes))
    if artifact.sha256 is None:
        log.warning("Artifact %s carries no hash, only its size is checked", artifact.key)
    to.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{to.name}.", dir=to.parent)
    os.close(handle)
    partial = Path(name)
    try:
        _fetch(client, artifact, partial, max_bytes)
        partial.replace(to)
    finally:
        partial.unlink(missing_ok=True)
    return to


@dataclass
class _Received:
    """What of a download is on disk, and how it hashes."""

    bytes: int = 0
    digest: Any = field(default_factory=hashlib.sha256)
    etag: str | None = None


def _fetch(client: ClearMLClient, artifact: Artifact, partial: Path, max_bytes: int) -> None:
    """Fetch all of it, going on after a break where it stopped; tries in a row that bring nothing are few."""
    received, in_vain, was_short = _Received(), 0, False
    while True:
        before = received.bytes
        try:
            _receive(client, artifact, partial, max_bytes, received)
            if was_short or received.bytes >= (artifact.size_bytes or 0):
                break
            was_short = (
                True  # a proxy may have cut it and said that this was all: once more, from the beginning
            )
            received = _Received()
        except ClearMLUnavailableError as error:
            in_vain = in_vain + 1 if received.bytes <= before else 1
            if in_vain == _TRIES:
                raise ClearMLUnavailableError(
                    f"Artifact {artifact.key!r}: gave up at byte {received.bytes} after {_TRIES} tries "
                    f"({error}). Check that the file server is up, then clear this task."
                ) from error
            log.warning("Artifact %s: %s; trying again at byte %d", artifact.key, error, received.bytes)
            time.sleep(min(client.retry.cap_s, client.retry.base_s * 2**in_vain))
    if artifact.size_bytes is not None and received.bytes != artifact.size_bytes:
        raise ClearMLArtifactError(
            f"Artifact {artifact.key!r}: {received.bytes} bytes, {artifact.size_bytes} were uploaded. "
            f"Run the job again."
        )
    if artifact.sha256 is not None and received.digest.hexdigest() != artifact.sha256:
        raise ClearMLArtifactError(
            f"Artifact {artifact.key!r}: SHA-256 {received.digest.hexdigest()}, expected {artifact.sha256}: "
            f"the file server's copy is not what was uploaded. Run the job again."
        )


def _receive(
    client: ClearMLClient, artifact: Artifact, partial: Path, max_bytes: int, received: _Received
) -> None:
    """One try; *received* is carried on where the server goes on, else it starts anew."""
    try:
        with client.stream(artifact.uri, resume_at=received.bytes, tag=received.etag) as response:
            here = f"bytes {received.bytes}-"
            if response.status_code != 206 or not response.headers.get("Content-Range", "").startswith(here):
                received.bytes, received.digest = 0, hashlib.sha256()
            received.etag = response.headers.get("ETag")
            with partial.open("r+b") as file:
                file.truncate(received.bytes)
                file.seek(received.bytes)
                for chunk in response.iter_bytes(_CHUNK_BYTES):
                    received.bytes += len(chunk)
                    if received.bytes > max_bytes:
                        raise ClearMLArtifactError(_too_large(artifact, received.bytes, max_bytes))
                    received.digest.update(chunk)
                    file.write(chunk)
    except httpx.HTTPStatusError as error:
        status = error.response.status_code
        why = "it was deleted, or its upload failed" if status == 404 else "check the keys of the connection"
        raise ClearMLArtifactError(
            f"Artifact {artifact.key!r} is listed, but the file server answered HTTP {status}: {why}."
        ) from None  # httpx quotes the whole address, which may be signed


def _check_origin(artifact: Artifact, files_host: str) -> None:
    """The uploader chooses the URI: the token must not follow it to another host."""
    uri, host = urlsplit(artifact.uri), urlsplit(files_host)
    if uri.scheme not in {"http", "https"}:
        raise ClearMLArtifactError(
            f"Artifact {artifact.key!r} is stored at {uri.scheme or 'no'}://…, only ClearML's file server is "
            f"supported: leave the task's output destination at its default."
        )
    if (uri.scheme, uri.hostname, uri.port) != (host.scheme, host.hostname, host.port):
        raise ClearMLArtifactError(
            f"Artifact {artifact.key!r} is stored at {uri.scheme}://{uri.netloc.rpartition('@')[2]}, but the "
            f"connection's files_host is {files_host}. If that is the same server, set files_host to the "
            f"address that the agents use."
        )


def _too_large(artifact: Artifact, size: int, limit: int) -> str:
    return f"Artifact {artifact.key!r} has {size} bytes or more, the limit is {limit}."
