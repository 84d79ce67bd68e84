from __future__ import annotations

import json
import os
import stat

import pytest
from palmares.leaderboard.errors import ReportError
from palmares.rescoring.comparison import write_texts

ROW = {"model": "m", "task": "bac-fr", "row_id": "a", "gold": "12", "prediction": "\ud800 treize\x00"}


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_texts_are_for_their_owner_only(tmp_path):
    path = tmp_path / "one" / "two" / "flips.jsonl"
    old = os.umask(0)
    try:
        count = write_texts(path, iter([ROW, ROW]))
    finally:
        os.umask(old)

    assert count == 2
    assert (mode(path), mode(path.parent), mode(path.parent.parent)) == (0o600, 0o700, 0o700)
    assert [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] == [ROW, ROW]


def test_a_folder_that_others_can_look_into_is_refused(tmp_path):
    folder = tmp_path / "shared"
    folder.mkdir()
    folder.chmod(0o755)

    with pytest.raises(ReportError, match=r"mode 0755.*chmod 700"):
        write_texts(folder / "flips.jsonl", [ROW])
    assert list(folder.iterdir()) == []


def test_a_link_is_replaced_and_not_followed(tmp_path):
    folder = tmp_path / "mine"
    folder.mkdir(mode=0o700)
    elsewhere = tmp_path / "public.txt"
    elsewhere.write_text("kept", encoding="utf-8")
    (folder / "flips.jsonl").symlink_to(elsewhere)

    write_texts(folder / "flips.jsonl", [ROW])

    assert elsewhere.read_text(encoding="utf-8") == "kept"
    assert not (folder / "flips.jsonl").is_symlink()
    assert mode(folder / "flips.jsonl") == 0o600


def test_a_failure_half_way_leaves_the_older_file_and_no_other(tmp_path):
    path = tmp_path / "mine" / "flips.jsonl"
    write_texts(path, [ROW])

    def rows():
        yield {**ROW, "row_id": "b"}
        raise KeyError("a reader's mistake")

    with pytest.raises(KeyError):
        write_texts(path, rows())
    assert json.loads(path.read_text(encoding="utf-8"))["row_id"] == "a"
    assert list(path.parent.iterdir()) == [path]


def test_a_path_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").write_text("", encoding="utf-8")

    with pytest.raises(ReportError, match="cannot be written"):
        write_texts(tmp_path / "file" / "folder" / "flips.jsonl", [ROW])
