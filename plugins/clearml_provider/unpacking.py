"""Unpack a zip file from somebody else: no path escapes, no links, no bombs."""

from __future__ import annotations

import os
import shutil
import stat
import struct
import tempfile
import zipfile
import zlib
from pathlib import Path

from clearml_provider.exceptions import ClearMLArtifactError

GIB = 1024**3
_CHUNK_BYTES = 1024 * 1024
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
        archive: A zip file from somebody else.
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
    """Refuse a list of members that would fill the memory before its length could be looked at.

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
