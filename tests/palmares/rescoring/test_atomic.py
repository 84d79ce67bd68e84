"""A file has its old content or its new one, never a part."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from palmares.rescoring import atomic


def write(path, content):
    with atomic.replacing(path) as file:
        file.write(content)


def test_new_content_takes_the_place_of_the_old_and_keeps_its_mode(tmp_path):
    path = tmp_path / "a.json"
    path.write_text("old")
    path.chmod(0o640)

    write(path, b"new")

    assert path.read_bytes() == b"new"
    assert path.stat().st_mode & 0o777 == 0o640
    assert list(tmp_path.iterdir()) == [path]


def test_a_failure_in_the_middle_leaves_the_old_content_and_nothing_else(tmp_path):
    path = tmp_path / "a.json"
    path.write_text("old")

    def fail_half_way():
        with atomic.replacing(path) as file:
            file.write(b"half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_half_way()

    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_parts_are_joined_and_go(tmp_path):
    parts = [tmp_path / f"{number}.tmp" for number in range(3)]
    for number, part in enumerate(parts):
        part.write_text(f"{number}\n")

    atomic.join(parts, tmp_path / "all")

    assert (tmp_path / "all").read_text() == "0\n1\n2\n"
    assert list(tmp_path.iterdir()) == [tmp_path / "all"]


def test_parts_go_even_when_the_whole_cannot_be_written(tmp_path):
    parts = [tmp_path / "0.tmp"]
    parts[0].write_text("0")

    with pytest.raises(OSError, match="No such file"):
        atomic.join(parts, tmp_path / "nowhere" / "all")

    assert list(tmp_path.iterdir()) == []


def test_only_what_dead_processes_left_is_removed(tmp_path):
    path = tmp_path / "a.jsonl"
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    own = atomic.temporary(path, 1)
    left = own.with_name(own.name.replace(f"-{os.getpid()}.", f"-{dead.pid}."))
    other = left.with_name(left.name.replace("a.jsonl", "b.jsonl"))
    for one in (own, left, other):
        one.touch()

    atomic.remove_stale(path)

    assert sorted(tmp_path.iterdir()) == sorted([own, other])
