"""What both sides share."""

from __future__ import annotations

import hashlib

import pytest
from palmares.contract import suite_hash


def test_the_hash_is_of_paths_and_bytes_in_order(tmp_path):
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "x.yaml").write_bytes(b"task: x\n")
    (tmp_path / "a.py").write_bytes(b"pass\n")
    (tmp_path / "notes.txt").write_bytes(b"ignored")
    expected = hashlib.sha256(b"a.py\0pass\n\0b/x.yaml\0task: x\n\0").hexdigest()
    assert suite_hash(tmp_path) == expected


def test_a_changed_metric_changes_the_hash(tmp_path):
    (tmp_path / "a.py").write_bytes(b"one")
    before = suite_hash(tmp_path)
    (tmp_path / "notes.txt").write_bytes(b"notes")
    assert suite_hash(tmp_path) == before
    (tmp_path / "a.py").write_bytes(b"two")
    assert suite_hash(tmp_path) != before


def test_a_folder_without_tasks_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match="no task definition"):
        suite_hash(tmp_path)
