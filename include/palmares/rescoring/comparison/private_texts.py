"""Writes the texts of changed rows, on request, where only their owner can read them."""

from __future__ import annotations

import contextlib
import json
import os
import stat
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from palmares.leaderboard.errors import ReportError

_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def write_texts(path: Path, rows: Iterable[Mapping[str, Any]]) -> int:
    """Write one JSON object a line into a file that only its owner reads; an older file is replaced at once.

    Hidden questions and answers belong here and in private details only, never in a report.

    Args:
        path: The file. Its folder is made with mode 0700; one that exists has to be as private already.
        rows: E.g. model, task, row_id, before, after, gold, prediction; consumed as they come.

    Returns:
        How many lines were written.

    Raises:
        ReportError: Others can read the folder, or the file cannot be written.
    """
    try:
        folder = _private_folder(path.parent)
        descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=folder)  # of mode 0600
    except OSError as error:
        raise ReportError(
            f"{path}: cannot be written ({error.strerror}). Choose another folder for the texts."
        ) from error
    count = 0
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            for row in rows:
                # ASCII: a generation may hold lone surrogates.
                file.write(json.dumps(dict(row)) + "\n")
                count += 1
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except OSError as error:
        raise ReportError(
            f"{path}: cannot be written ({error.strerror}). Free space or choose another folder."
        ) from error
    finally:
        with contextlib.suppress(FileNotFoundError):
            Path(temporary).unlink()
    return count


def _private_folder(folder: Path) -> Path:
    missing = [folder] if not folder.exists() else []
    while missing and not (parent := missing[-1].parent).exists():
        missing.append(parent)
    for made in reversed(missing):
        made.mkdir(mode=0o700)
    mode = stat.S_IMODE(folder.stat().st_mode)
    if mode & _OTHERS:
        raise ReportError(
            f"{folder}: others can look into it (mode {mode:04o}), and the texts are of hidden rows. "
            f"Choose a folder of your own, or run: chmod 700 {folder}"
        )
    return folder
