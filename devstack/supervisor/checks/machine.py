"""Checks of the machine: Python, disk, Docker."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from devstack.install import check_python
from devstack.supervisor.checks.finding import Finding, broken, fine, warning
from devstack.supervisor.paths import StackPaths

MIN_FREE_VARIABLE = "PALMARES_MIN_FREE_BYTES"
MIN_FREE_BYTES = 1_000_000_000
"""A demo's state is 200 MB; PostgreSQL and SQLite stop in unpleasant ways on a full disk."""


def python_version(version: tuple[int, ...] = sys.version_info[:2]) -> Finding:
    """Whether this Python can run the locked packages."""
    name = "python"
    if problem := check_python(version):
        message, _, fix = problem.partition(". ")
        return broken(name, f"{message}.", fix)
    return fine(name, f"Python {'.'.join(map(str, version[:2]))}")


def disk(paths: StackPaths) -> Finding:
    """Whether the state folder's file system has room."""
    name = "disk"
    try:
        least = int(os.environ.get(MIN_FREE_VARIABLE) or MIN_FREE_BYTES)
    except ValueError:
        value = os.environ[MIN_FREE_VARIABLE]
        return broken(
            name, f"{MIN_FREE_VARIABLE}={value!r} is not a number of bytes.", "Correct or unset it."
        )
    folder = existing_parent(paths.home)
    free = shutil.disk_usage(folder).free
    if free < least:
        return broken(
            name,
            f"{folder}: {free / 1e6:.0f} MB free, {least / 1e6:.0f} MB needed.",
            f"Free some space, or point PALMARES_HOME at another disk (limit: {MIN_FREE_VARIABLE}).",
        )
    return fine(name, f"{free / 1e9:.1f} GB free at {folder}")


def docker() -> Finding:
    """Whether Docker is there, for docker-compose.yaml only."""
    name = "docker"
    found = shutil.which("docker")
    if found is None:
        return fine(name, "Docker is not installed; only docker-compose.yaml needs it")
    if not os.access("/var/run/docker.sock", os.W_OK):
        return warning(
            name,
            "Docker is installed, but its engine is not within reach; only docker-compose.yaml needs it.",
            "Start the engine, or join the group docker.",
        )
    return fine(name, found)


def existing_parent(folder: Path) -> Path:
    """The nearest folder above that exists, *folder* itself included."""
    while not folder.exists():
        folder = folder.parent
    return folder
