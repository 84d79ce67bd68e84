"""Atomic writes."""

from __future__ import annotations

import os

import pytest

from devstack.supervisor.files import write_atomically


def test_the_new_text_replaces_the_old_with_the_mode_asked_for(tmp_path):
    file = tmp_path / "sub" / "file"
    write_atomically(file, "old", mode=0o600)
    write_atomically(file, "new", mode=0o644)
    assert file.read_text() == "new"
    assert file.stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, OSError])
def test_an_interruption_leaves_the_old_file_and_no_other(tmp_path, monkeypatch, interruption):
    file = tmp_path / "file"
    write_atomically(file, "old")

    def interrupted(_descriptor):
        raise interruption

    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(interruption):
        write_atomically(file, "new")
    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]
