"""What both sides share."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from palmares.contract import files_sha256, suite_hash


def test_a_hash_of_files_is_of_names_and_bytes_in_order(tmp_path: Path):
    first, second = tmp_path / "a.py", tmp_path / "x.yaml"
    first.write_bytes(b"pass\n")
    second.write_bytes(b"task: x\n")
    expected = hashlib.sha256(b"a.py\0pass\n\0b/x.yaml\0task: x\n\0").hexdigest()

    assert files_sha256({"b/x.yaml": second, "a.py": first}) == expected
    second.write_bytes(b"task: y\n")
    assert files_sha256({"b/x.yaml": second, "a.py": first}) != expected


def test_a_suite_hash_is_of_its_tasks_in_whatever_order():
    assert suite_hash({"a": "1", "b": "2"}) == suite_hash({"b": "2", "a": "1"})
    assert suite_hash({"a": "1", "b": "2"}) != suite_hash({"a": "1", "b": "3"})
    assert suite_hash({"a": "1", "b": "2"}) != suite_hash({"a": "1"})


def test_a_suite_without_a_task_has_no_hash():
    with pytest.raises(ValueError, match="without a task"):
        suite_hash({})
