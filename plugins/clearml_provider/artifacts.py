"""Fetch what a task uploaded, without trusting it."""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import stat
import struct
import tempfile
import time
import zipfile
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from clearml_provider.client import ClearMLClient
from clearml_provider.exceptions import ClearMLArtifactError, ClearMLUnavailableError
from clearml_provider.models import Artifact, TaskInfo

log = logging.getLogger(__name__)

GIB = 1024**3
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
                True  # a proxy may have cut it and reported a whole file: once more, from the beginning
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


_LISTING_BYTES_PER_FILE = 4096
"""46 bytes, name, extra field and comment; ordinary archives need about 100."""
_NAME_BYTES = 1024
_UNSOUND = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    NotImplementedError,  # a compression that zipfile does not know
    RuntimeError,  # encrypted
    FileExistsError,  # two members of one name
    NotADirectoryError,  # a member below another member that is a file
    IsADirectoryError,
    UnicodeError,
    struct.error,
    ValueError,  # a NUL in a name
)


def unpack_zip(archive: Path, to: Path, *, max_bytes: int = 20 * GIB, max_files: int = 10_000) -> list[Path]:
    """Unpack *archive* into the new folder *to*, all of it or nothing.

    Args:
        archive: A zip file from an untrusted source.
        to: Must not exist, or be empty.
        max_bytes: Limit on the unpacked bytes as written, not as declared.
        max_files: Limit on the number of files.

    Returns:
        The files, sorted.

    Raises:
        ClearMLArtifactError: Not a zip, damaged, too large, or with a path or a link that leads elsewhere.
    """
    if to.exists() and any(to.iterdir()):
        raise ClearMLArtifactError(f"{to} is not empty: nothing was unpacked into it.")
    to.parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=f".{to.name}.", dir=to.parent))
    try:
        _check_listing(archive, max_files)
        with zipfile.ZipFile(archive) as zipped:
            members = [m for m in zipped.infolist() if not m.is_dir()]
            if len(members) > max_files:
                raise ClearMLArtifactError(f"{archive.name}: {len(members)} files, the limit is {max_files}.")
            left = max_bytes
            for member in members:
                left -= _extract(zipped, member, staging, left, archive.name)
        if to.exists():
            to.rmdir()
        staging.chmod(0o755)
        staging.rename(to)
    except _UNSOUND as error:
        raise ClearMLArtifactError(
            f"{archive.name} is not a sound zip file ({error}), nothing was unpacked. "
            f"Upload a folder or a zip."
        ) from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return sorted(path for path in to.rglob("*") if path.is_file())


def _extract(zipped: zipfile.ZipFile, member: zipfile.ZipInfo, root: Path, left: int, name: str) -> int:
    """Write one member below *root* and return its bytes."""
    kind = stat.S_IFMT(member.external_attr >> 16)
    if kind not in {0, stat.S_IFREG}:
        raise ClearMLArtifactError(
            f"{name}: {member.filename!r} is a link or a device, only files are unpacked."
        )
    parts = member.filename.replace("\\", "/").split("/")
    if member.filename.startswith("/") or ":" in parts[0] or any(p in {"", ".", ".."} for p in parts):
        raise ClearMLArtifactError(
            f"{name}: {member.filename!r} leads out of the folder, nothing was unpacked."
        )
    if len(os.fsencode(member.filename)) > _NAME_BYTES or any(len(os.fsencode(p)) > 255 for p in parts):
        raise ClearMLArtifactError(f"{name}: {member.filename[:80]!r}… is too long a name for a file.")
    target = root.joinpath(*parts)
    target.parent.mkdir(parents=True, exist_ok=True)
    size = 0
    with zipped.open(member) as source, target.open("xb") as file:
        while chunk := source.read(_CHUNK_BYTES):
            size += len(chunk)
            if size > left:
                raise ClearMLArtifactError(
                    f"{name}: unpacks to more than the limit allows, stopped in {member.filename!r}. "
                    f"Raise the limit if this is no bomb."
                )
            file.write(chunk)
    return size


def _check_listing(archive: Path, max_files: int) -> None:
    """Refuse a list of members that would fill the memory before its length could be checked.

    Sizes are those of the end-of-central-directory record (APPNOTE.TXT 4.3.14 to 4.3.16), 64-bit or not.
    """
    size = archive.stat().st_size
    with archive.open("rb") as file:
        tail_at = max(0, size - (22 + 65_535 + 20))
        file.seek(tail_at)
        tail = file.read()
        at = tail.rfind(b"PK\x05\x06")
        if at < 0:
            raise zipfile.BadZipFile("it has no list of members")
        (listing_bytes,) = struct.unpack_from("<L", tail, at + 12)
        if tail[at - 20 : at - 16] == b"PK\x06\x07" and at >= 20:
            (record_at,) = struct.unpack_from("<Q", tail, at - 20 + 8)
            file.seek(min(record_at, size))
            (listing_bytes,) = struct.unpack_from("<Q", file.read(56), 40)
    limit = (max_files + 1) * _LISTING_BYTES_PER_FILE
    if listing_bytes > limit:
        raise ClearMLArtifactError(
            f"{archive.name}: its list of members has {listing_bytes} bytes, "
            f"{limit} are enough for the {max_files} files allowed. Raise the limit if this is no bomb."
        )
