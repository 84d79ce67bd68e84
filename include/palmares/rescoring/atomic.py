"""Puts a file in its place in one step, so that a reader or a crash meets the old content or the new."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

_COPY_BYTES = 1 << 20


def temporary(path: Path, part: int = 0) -> Path:
    """A name beside *path* for its coming content: hidden, and of this process only."""
    return path.with_name(f".{path.name}.{_host()}-{os.getpid()}.{part:05d}.tmp")


def remove_stale(path: Path) -> None:
    """Remove what a process of this machine that is no more left of *path*'s coming content."""
    pattern = re.compile(rf"\.{re.escape(path.name)}\.{re.escape(_host())}-(\d+)\.\d+\.tmp")
    with contextlib.suppress(OSError):
        for entry in os.scandir(path.parent):
            match = pattern.fullmatch(entry.name)
            if match and not _runs(int(match[1])):
                Path(entry.path).unlink()


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Write the coming content of *path*: it is there when the block ends, and not at all if it fails.

    Raises:
        OSError: The folder cannot be written; *path* is as it was.
    """
    own = temporary(path)
    try:
        with own.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if path.exists():
            shutil.copymode(path, own)
        own.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            own.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def join(parts: list[Path], path: Path) -> None:
    """Make *path* of the contents of *parts*, which go.

    Raises:
        OSError: As :func:`replacing`; the parts are gone then, too.
    """
    try:
        with replacing(path) as file:
            for part in parts:
                with part.open("rb") as source:
                    shutil.copyfileobj(source, file, _COPY_BYTES)
    finally:
        for part in parts:
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    """Make the new name last through a loss of power; some file systems refuse, and need no such thing."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _host() -> str:
    return re.sub(r"[^\w.-]", "_", socket.gethostname())
