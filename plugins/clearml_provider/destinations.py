"""Where fetched files go: a local path, or any URL of Airflow's object storage, whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from clearml_provider.exceptions import ClearMLConfigError

if TYPE_CHECKING:
    from airflow.sdk import ObjectStoragePath


def local_path(destination: str) -> Path | None:
    """The path on this machine that *destination* means, or None: it is elsewhere.

    Raises:
        ClearMLConfigError: It is empty.
    """
    if not destination:
        raise ClearMLConfigError(
            "The destination is empty: give a URL (s3://connection@bucket/key, file:///…) or a path."
        )
    if "://" not in destination:
        return Path(destination)
    parts = urlsplit(destination)
    return Path(unquote(parts.path)) if parts.scheme == "file" else None


def store_file(source: Path, destination: str) -> None:
    """Copy the file *source* to *destination*, replacing a file that is there."""
    target = local_path(destination)
    if target is None:
        remote = _remote(destination)
        remote.fs.put_file(os.fspath(source), remote.path)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    os.close(handle)
    try:
        shutil.copyfile(source, name)
        Path(name).chmod(0o644)
        Path(name).replace(target)
    finally:
        Path(name).unlink(missing_ok=True)


def store_folder(source: Path, destination: str) -> list[str]:
    """Copy all files below *source* to below *destination*; a failure takes back what is new.

    Returns:
        The files' names relative to both, sorted.

    Raises:
        ClearMLConfigError: The destination holds other files: what an earlier try left may be replaced,
            what another job put there may not be mixed with it.
    """
    names = sorted(path.relative_to(source).as_posix() for path in source.rglob("*") if path.is_file())
    there = _names_below(destination)
    strangers = sorted(there - set(names))
    if strangers:
        raise ClearMLConfigError(
            f"{destination} holds {len(strangers)} other files ({', '.join(strangers[:5])} …), nothing was "
            f"written. Give a folder of its own, e.g. with {{{{ run_id }}}} in it."
        )
    new: list[str] = []
    try:
        for name in names:
            if name not in there:
                new.append(name)
            store_file(source / name, below(destination, name))
    except BaseException:
        for name in new:
            _remove(below(destination, name))
        raise
    return names


def below(destination: str, name: str) -> str:
    """The address of the file *name* in the folder *destination*."""
    return f"{destination.rstrip('/')}/{name}"


def _names_below(destination: str) -> set[str]:
    folder = local_path(destination)
    if folder is not None:
        if folder.is_file():
            raise ClearMLConfigError(f"{destination} is a file, a folder is needed: give another name.")
        return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    remote = _remote(destination)
    if not remote.fs.exists(remote.path):
        return set()
    root = remote.path.rstrip("/") + "/"
    found = (str(path) for path in remote.fs.find(remote.path))
    return {path.lstrip("/").removeprefix(root.lstrip("/")) for path in found}


def _remove(destination: str) -> None:
    path = local_path(destination)
    if path is not None:
        path.unlink(missing_ok=True)
        return
    remote = _remote(destination)
    if remote.fs.exists(remote.path):
        remote.fs.rm_file(remote.path)


def _remote(destination: str) -> ObjectStoragePath:
    from airflow.sdk import ObjectStoragePath

    try:
        path = ObjectStoragePath(destination)
        path.fs  # noqa: B018 - says here what is wrong with it
    except (ValueError, ImportError) as error:
        raise ClearMLConfigError(
            f"The destination {destination!r} cannot be opened ({error}). Install the Airflow provider "
            f"of that storage, or give a URL of another."
        ) from error
    return path
