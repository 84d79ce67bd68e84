"""Checks of the machine, each provoked."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from devstack.supervisor.checks.machine import MIN_FREE_VARIABLE, disk, docker, python_version
from devstack.supervisor.paths import StackPaths


@pytest.mark.parametrize(
    ("version", "word"), [((3, 9), "too old"), ((3, 10), "too old"), ((3, 14), "too new")]
)
def test_a_python_that_the_locks_do_not_know_is_an_error(version, word):
    finding = python_version(version)
    assert finding.level == "error"
    assert word in finding.message
    assert "make setup PYTHON=" in finding.fix


def test_this_python_will_do():
    assert python_version().level == "ok"


@pytest.fixture
def tiny_disk(tmp_path) -> Iterator[Path]:
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "palmares", str(tmp_path)], capture_output=True
    )
    if mounted.returncode != 0:
        pytest.skip("needs root that may mount")
    yield tmp_path
    subprocess.run(["umount", str(tmp_path)], check=True)


def test_a_disk_that_is_really_small_is_an_error_with_the_figures(tiny_disk):
    finding = disk(StackPaths.locate(tiny_disk / "state"))
    assert finding.level == "error"
    assert str(tiny_disk) in finding.message
    assert "1000 MB needed" in finding.message
    assert "PALMARES_HOME" in finding.fix


def test_the_limit_is_a_setting(paths, monkeypatch):
    free = shutil.disk_usage(paths.home.parent).free
    monkeypatch.setenv(MIN_FREE_VARIABLE, str(2 * free))
    assert disk(paths).level == "error"
    monkeypatch.setenv(MIN_FREE_VARIABLE, "1")
    assert disk(paths).level == "ok"
    monkeypatch.setenv(MIN_FREE_VARIABLE, "plenty")
    assert "not a number" in disk(paths).message


def test_docker_is_optional(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert docker().level == "ok"
    (tmp_path / "docker").write_text("#!/bin/sh\n")
    (tmp_path / "docker").chmod(0o755)
    if not os.access("/var/run/docker.sock", os.W_OK):
        assert docker().level == "warning"
