"""Recognises Git LFS pointers: a clone without LFS leaves them in the places of large files."""

from __future__ import annotations

from pathlib import Path

_FIRST_LINE = b"version https://git-lfs.github.com/spec/v1"
"""Of every pointer (git-lfs/docs/spec.md), or an older name of the same address."""
_OLDER = b"version https://hawser.github.com/spec/v1"
LARGEST_BYTES = 1024
"""The specification's limit; a larger file is no pointer."""


def is_lfs_pointer(path: Path) -> bool:
    """Whether *path* holds a pointer to its content instead of the content.

    Raises:
        OSError: It cannot be read.
    """
    with path.open("rb") as file:
        head = file.read(LARGEST_BYTES + 1)
    return len(head) <= LARGEST_BYTES and head.startswith((_FIRST_LINE, _OLDER))


def pointer_message(name: str) -> str:
    """What happened, and what to do."""
    return f"{name}: a Git LFS pointer: fetch the file (git lfs pull), then run again."
