from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest
from palmares.leaderboard.errors import ResultsFormatError, StoreError
from palmares.store import raw_outputs
from palmares.store.raw_outputs import MARKER, RawOutputs
from upath import UPath

KEY = "0" * 31 + "1"


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "results"
    (folder / "details").mkdir(parents=True)
    (folder / "manifest.json").write_text('{"schema": 1}')
    (folder / "details" / "details_community|bac-fr|0_2026-01-01T00-00-00.000000.parquet").write_bytes(
        bytes(3000)
    )
    (folder / "empty").write_bytes(b"")
    return folder


@pytest.fixture(params=["folder", "file", "memory"])
def storage_url(request, tmp_path):
    if request.param == "memory":
        yield "memory://palmares-test"
        UPath("memory://").fs.store.clear()
    else:
        path = tmp_path / "storage space"
        yield str(path) if request.param == "folder" else path.as_uri().replace("%20", " ")


@pytest.fixture
def raw(storage_url):
    return RawOutputs(storage_url)


@pytest.fixture
def disk(tmp_path):
    return RawOutputs(str(tmp_path / "storage"))


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def test_what_was_put_is_fetched(raw, folder, tmp_path):
    url = raw.put(folder, job_key=KEY, attempt=1)
    assert contents(raw.fetch(url, tmp_path / "back")) == contents(folder)


def test_the_address_names_storage_key_and_content(raw, storage_url, folder):
    url = raw.put(folder, job_key=KEY, attempt=1)
    assert url.startswith(storage_url.rstrip("/"))
    assert f"/raw/{KEY}/" in url


def test_the_same_content_has_one_address_and_is_not_written_again(disk, folder, monkeypatch):
    first = disk.put(folder, job_key=KEY, attempt=1)
    monkeypatch.setattr(raw_outputs, "_write", lambda *_: pytest.fail("written again"))
    assert disk.put(folder, job_key=KEY, attempt=2) == first


def test_other_content_has_another_address(raw, folder):
    first = raw.put(folder, job_key=KEY, attempt=1)
    (folder / "empty").write_bytes(b"x")
    assert raw.put(folder, job_key=KEY, attempt=2) != first


def test_a_renamed_file_is_other_content(raw, folder):
    first = raw.put(folder, job_key=KEY, attempt=1)
    (folder / "empty").rename(folder / "other")
    assert raw.put(folder, job_key=KEY, attempt=1) != first


def test_an_interrupted_copy_is_not_fetched_and_is_completed_by_the_next_put(
    disk, folder, tmp_path, monkeypatch
):
    written: list[str] = []
    write = raw_outputs._write

    def full_disk(target, source):
        written.append(str(target))
        if len(written) == 2:
            raise OSError(28, "No space left on device")
        write(target, source)

    with monkeypatch.context() as patch:
        patch.setattr(raw_outputs, "_write", full_disk)
        with pytest.raises(OSError, match="No space"):
            disk.put(folder, job_key=KEY, attempt=1)
    (interrupted,) = (tmp_path / "storage" / "raw" / KEY).iterdir()
    with pytest.raises(ResultsFormatError, match="missing or incomplete"):
        disk.fetch(str(interrupted), tmp_path / "back")
    url = disk.put(folder, job_key=KEY, attempt=1)
    assert contents(disk.fetch(url, tmp_path / "back")) == contents(folder)


def test_a_failed_write_leaves_no_partial_file(disk, folder, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(OSError, match="No space"):
        disk.put(folder, job_key=KEY, attempt=1)
    assert contents(tmp_path / "storage") == {}


@pytest.mark.parametrize("name", ["manifest.json", "empty"])
def test_an_altered_copy_is_refused_and_not_left_behind(raw, folder, tmp_path, name):
    url = raw.put(folder, job_key=KEY, attempt=1)
    (UPath(url) / name).write_bytes(b"altered")
    with pytest.raises(ResultsFormatError, match="altered after it was stored"):
        raw.fetch(url, tmp_path / "back")
    assert name not in contents(tmp_path / "back")


def test_a_file_that_is_gone_is_named(raw, folder, tmp_path):
    url = raw.put(folder, job_key=KEY, attempt=1)
    (UPath(url) / "manifest.json").unlink()
    with pytest.raises(ResultsFormatError, match=r"manifest\.json is gone"):
        raw.fetch(url, tmp_path / "back")


def test_a_marker_that_names_other_files_is_refused(raw, folder, tmp_path):
    url = raw.put(folder, job_key=KEY, attempt=1)
    marker = json.loads((UPath(url) / MARKER).read_text())
    marker["files"]["../../outside"] = marker["files"].pop("empty")
    (UPath(url) / MARKER).write_text(json.dumps(marker))
    with pytest.raises(ResultsFormatError, match="was altered"):
        raw.fetch(url, tmp_path / "back")
    (UPath(url) / MARKER).write_text("{}")
    with pytest.raises(ResultsFormatError, match="is malformed"):
        raw.fetch(url, tmp_path / "back")


@pytest.mark.parametrize("url", ["file:///etc/passwd", "", "s3://b/raw/key", f"file:///raw/../{'a' * 64}"])
def test_an_address_that_put_did_not_give_is_refused(disk, tmp_path, url):
    with pytest.raises(StoreError, match="no address of raw outputs"):
        disk.fetch(url, tmp_path / "back")


def test_addresses_outlive_a_move_of_the_storage(disk, folder, tmp_path):
    url = disk.put(folder, job_key=KEY, attempt=1)
    (tmp_path / "storage").rename(tmp_path / "moved")
    moved = RawOutputs(str(tmp_path / "moved"))
    assert contents(moved.fetch(url, tmp_path / "back")) == contents(folder)


def test_a_link_in_untrusted_results_is_refused(disk, folder):
    (folder / "link").symlink_to("/etc/passwd")
    with pytest.raises(ResultsFormatError, match="'link' is no plain file"):
        disk.put(folder, job_key=KEY, attempt=1)


def test_an_empty_folder_is_refused(disk, tmp_path):
    (tmp_path / "nothing").mkdir()
    with pytest.raises(ResultsFormatError, match="nothing to store"):
        disk.put(tmp_path / "nothing", job_key=KEY, attempt=1)


@pytest.mark.parametrize("key", ["", "..", "a/b", "../x", ".hidden"])
def test_a_key_that_leads_elsewhere_is_refused(disk, folder, key):
    with pytest.raises(StoreError, match="no job key"):
        disk.put(folder, job_key=key, attempt=1)


def test_eight_copies_at_once_leave_one_whole_copy(disk, folder, tmp_path):
    barrier = Barrier(8)

    def put(number):
        barrier.wait(20)
        return disk.put(folder, job_key=KEY, attempt=number)

    with ThreadPoolExecutor(8) as pool:
        urls = set(pool.map(put, range(1, 9)))
    assert len(urls) == 1
    assert contents(disk.fetch(urls.pop(), tmp_path / "back")) == contents(folder)


def test_derived_files_lie_beside_the_raw_ones_and_may_be_replaced(raw, folder, tmp_path):
    url = raw.put(folder, job_key=KEY, attempt=1)
    derived = raw.put_derived(url, "bac-fr-v1/graded.jsonl", b"one")
    assert derived.endswith(f"/graded/{KEY}/bac-fr-v1/graded.jsonl")
    assert raw.put_derived(url, "bac-fr-v1/graded.jsonl", b"two") == derived
    assert raw.read_derived(url, "bac-fr-v1/graded.jsonl") == b"two"
    assert raw.read_derived(url, "bac-fr-v2/graded.jsonl") is None
    assert contents(raw.fetch(url, tmp_path / "back")) == contents(folder)


def test_a_derived_name_that_leads_elsewhere_is_refused(disk, folder):
    url = disk.put(folder, job_key=KEY, attempt=1)
    with pytest.raises(ResultsFormatError, match="no plain relative path"):
        disk.put_derived(url, "../../raw/x", b"")
