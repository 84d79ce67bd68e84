"""Raw outputs of evaluations: immutable, content-addressed copies under one storage URL."""

from __future__ import annotations

import hashlib
import io
import json
import logging
import os
import re
import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import IO, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from upath import UPath

from palmares.leaderboard.errors import ResultsFormatError, StoreError

log = logging.getLogger(__name__)

MARKER = "_complete.json"
"""Written last: a folder without it is an interrupted copy."""

_CHUNK_BYTES = 1 << 20
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_RAW_TAIL = re.compile(rf"(?:^|/)raw/({_NAME.pattern})/([0-9a-f]{{64}})/?$")


class _StoredFile(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    bytes: int


class _Marker(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    job_key: str
    attempt: int
    files: dict[str, _StoredFile]


class RawOutputs:
    """Copies at ``<storage_url>/raw/<job key>/<digest>/…``.

    The digest is over the sorted relative paths and the files' hashes, so the same content has one place,
    whoever stores it and however often.
    """

    def __init__(self, storage_url: str, storage_options: Mapping[str, Any] | None = None) -> None:
        """Args: storage_url: any fsspec URL, or a folder. storage_options: credentials for its filesystem."""
        root = UPath(storage_url, **dict(storage_options or {}))
        self._root = root.absolute() if _is_local(root) else root

    def put(self, folder: Path, *, job_key: str, attempt: int) -> str:
        """Store a copy of *folder*; what is there already is not written again.

        Args:
            folder: Plain files and folders only.
            attempt: Kept beside the copy; the first one, if the same content comes again.

        Returns:
            URL of the copy, for `fetch`.

        Raises:
            ResultsFormatError: *folder* is empty, or holds a link or a device: it came from an untrusted job.
        """
        _check_name(job_key, what="job key")
        files = {
            name: _StoredFile(sha256=_sha256(path), bytes=path.stat().st_size) for name, path in _walk(folder)
        }
        if not files:
            raise ResultsFormatError(f"{folder}: nothing to store. Run the evaluation again.")
        target = self._root / "raw" / job_key / _digest(files)
        if (target / MARKER).exists():
            log.info("raw outputs of %s are at %s already", job_key, target)
            return str(target)
        for name in files:
            with (folder / name).open("rb") as source:
                _write(target / name, source)
        marker = _Marker(job_key=job_key, attempt=attempt, files=files)
        _write_bytes(target / MARKER, marker.model_dump_json(indent=1).encode())
        log.info("raw outputs of %s stored at %s", job_key, target)
        return str(target)

    def fetch(self, url: str, to: Path) -> Path:
        """Copy what `put` stored into the folder *to*, every byte verified.

        The copy is looked up under this storage, by its job key and digest: URLs outlive a move of the
        storage, and cannot lead elsewhere.

        Raises:
            ResultsFormatError: The copy is missing, incomplete or altered.
        """
        job_key, digest = _parse(url)
        source = self._root / "raw" / job_key / digest
        files = self._files(source, digest)
        for name, expected in files.items():
            path = to / name
            path.parent.mkdir(parents=True, exist_ok=True)
            partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
            try:
                with partial.open("wb") as output:
                    found = _copy_from(source / name, output)
                if found != expected.sha256:
                    raise ResultsFormatError(
                        f"{source / name}: sha256 is {found}, not {expected.sha256}: it was altered after "
                        "it was stored. Restore it from a backup, or evaluate again with force."
                    )
                partial.replace(path)
            finally:
                partial.unlink(missing_ok=True)
        return to

    def put_derived(self, url: str, name: str, content: bytes) -> str:
        """Store something computed from raw outputs, beside them; a newer computation replaces it.

        Args:
            url: What `put` gave.
            name: ``<scorer>/<file>``, under ``graded/<job key>/``.

        Returns:
            URL for `read_derived`.
        """
        job_key, _ = _parse(url)
        target = self._root / "graded" / job_key / _relative(name)
        _write_bytes(target, content)
        return str(target)

    def read_derived(self, url: str, name: str) -> bytes | None:
        """What `put_derived` stored for these raw outputs under *name*; None if nothing was."""
        job_key, _ = _parse(url)
        try:
            return bytes((self._root / "graded" / job_key / _relative(name)).read_bytes())
        except FileNotFoundError:
            return None

    @staticmethod
    def _files(source: UPath, digest: str) -> dict[str, _StoredFile]:
        try:
            marker = _Marker.model_validate_json((source / MARKER).read_bytes())
        except FileNotFoundError as error:
            raise ResultsFormatError(
                f"{source} is missing or incomplete. Clear fetch_results to store it again."
            ) from error
        except ValidationError as error:
            raise ResultsFormatError(f"{source / MARKER} is malformed: {error}") from error
        if _digest(marker.files) != digest:
            raise ResultsFormatError(
                f"{source / MARKER} was altered: its files do not have the folder's digest."
            )
        return {_relative(name): file for name, file in marker.files.items()}


def _walk(folder: Path) -> Iterator[tuple[str, Path]]:
    """Files under *folder* with their relative POSIX paths, sorted."""
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            raise ResultsFormatError(
                f"{folder}: {name!r} is no plain file. Leave links and devices out of results."
            )
        if path.is_file():
            if name == MARKER:
                raise ResultsFormatError(
                    f"{folder}: the name {MARKER} is taken by the store. Rename the file."
                )
            yield name, path


def _digest(files: Mapping[str, _StoredFile]) -> str:
    listing = json.dumps([[name, files[name].sha256] for name in sorted(files)], separators=(",", ":"))
    return hashlib.sha256(listing.encode()).hexdigest()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _copy_from(source: UPath, output: IO[bytes]) -> str:
    """Copy *source* into *output*, and return its SHA-256."""
    digest = hashlib.sha256()
    try:
        with source.open("rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                digest.update(chunk)
                output.write(chunk)
    except FileNotFoundError as error:
        raise ResultsFormatError(f"{source} is gone. Restore it from a backup, or evaluate again.") from error
    return digest.hexdigest()


def _write(target: UPath, source: IO[bytes]) -> None:
    """Write a file that is either whole or not there: by renaming on disks, by itself in object stores."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if not _is_local(target):
        with target.open("wb") as output:
            while chunk := source.read(_CHUNK_BYTES):
                output.write(chunk)
        return
    final = Path(target.path)
    partial = final.with_name(f".{final.name}.{secrets.token_hex(4)}.partial")
    try:
        with partial.open("wb") as output:
            while chunk := source.read(_CHUNK_BYTES):
                output.write(chunk)
            output.flush()
            os.fsync(output.fileno())
        partial.replace(final)
    finally:
        partial.unlink(missing_ok=True)


def _write_bytes(target: UPath, content: bytes) -> None:
    _write(target, io.BytesIO(content))


def _is_local(path: UPath) -> bool:
    return path.protocol in {"", "file", "local"}


def _parse(url: str) -> tuple[str, str]:
    """Job key and digest of a URL that `put` gave."""
    match = _RAW_TAIL.search(url)
    if match is None:
        raise StoreError(f"{url!r} is no address of raw outputs. Pass what RawOutputs.put returned.")
    return match[1], match[2]


def _check_name(name: str, *, what: str) -> None:
    if not _NAME.fullmatch(name):
        raise StoreError(f"{name!r} is no {what}: only letters, digits, '.', '_' and '-'.")


def _relative(name: str) -> str:
    parts = PurePosixPath(name).parts
    if not parts or name != "/".join(parts) or ".." in parts or "\0" in name:
        raise ResultsFormatError(f"{name!r} is no plain relative path.")
    return name
