"""Fetching and unpacking what somebody else uploaded."""

from __future__ import annotations

import hashlib
import stat
import struct
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from clearml_provider.artifacts import download, unpack_zip
from clearml_provider.exceptions import ClearMLArtifactError, ClearMLUnavailableError
from clearml_provider.models import Artifact

from tests.plugins.clearml_provider.wire_script import WireScript

CONTENT = b"scores" * 1000


def artifact(**changes: object) -> Artifact:
    fields = {
        "key": "results",
        "uri": "http://files.test:8081/p/results.zip",
        "size_bytes": len(CONTENT),
        "sha256": hashlib.sha256(CONTENT).hexdigest(),
    }
    return Artifact(**(fields | changes))  # type: ignore[arg-type]


def served(*replies: httpx.Response | Exception) -> WireScript:
    return WireScript(results__zip=list(replies))


def test_a_sound_artifact_arrives_with_the_token_sent_along(tmp_path):
    script = served(httpx.Response(200, content=CONTENT))
    with script.client() as client:
        found = download(client, artifact(), tmp_path / "new" / "results.zip")
    assert found.read_bytes() == CONTENT
    assert script.requests[-1][2]["Authorization"] == "Bearer token-1"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"sha256": "0" * 64}, "SHA-256 .* expected 000"),
        ({"size_bytes": 5}, "6000 bytes, 5 were uploaded"),
        ({"uri": "http://elsewhere.test/results.zip"}, "set files_host"),
        ({"uri": "http://files.test:9999/results.zip"}, "set files_host"),
        ({"uri": "s3://bucket/results.zip"}, "stored at s3://"),
        ({"uri": "file:///etc/passwd"}, "stored at file://"),
    ],
)
def test_a_wrong_artifact_is_refused_and_leaves_no_file(tmp_path, changes, words):
    with (
        served(httpx.Response(200, content=CONTENT)).client() as client,
        pytest.raises(ClearMLArtifactError, match=words),
    ):
        download(client, artifact(**changes), tmp_path / "results.zip")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("told", [len(CONTENT), None])
def test_one_that_is_too_large_is_refused_whatever_it_claims(tmp_path, told):
    with (
        served(httpx.Response(200, content=CONTENT)).client() as client,
        pytest.raises(ClearMLArtifactError, match="limit is 100"),
    ):
        download(client, artifact(size_bytes=told), tmp_path / "results.zip", max_bytes=100)
    assert list(tmp_path.iterdir()) == []


def test_a_listed_artifact_that_is_gone_says_so(tmp_path):
    with (
        served(httpx.Response(404)).client() as client,
        pytest.raises(ClearMLArtifactError, match="listed, but the file server answered HTTP 404"),
    ):
        download(client, artifact(), tmp_path / "results.zip")


def test_passing_trouble_is_tried_again(tmp_path):
    script = served(
        httpx.Response(401),
        httpx.Response(503),
        httpx.ReadError("dropped"),
        httpx.Response(200, content=CONTENT),
    )
    with script.client() as client:
        assert download(client, artifact(), tmp_path / "results.zip").read_bytes() == CONTENT


def test_lasting_trouble_is_given_up_and_leaves_no_file(tmp_path):
    with (
        served(httpx.Response(503)).client() as client,
        pytest.raises(ClearMLUnavailableError, match="gave up at byte 0 after 4 tries"),
    ):
        download(client, artifact(), tmp_path / "results.zip")
    assert list(tmp_path.iterdir()) == []


class _Breaking(httpx.SyncByteStream):
    """Some bytes, and then the connection drops."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def __iter__(self) -> Iterator[bytes]:
        yield self._content
        raise httpx.ReadError("dropped")


@pytest.mark.parametrize("server", ["goes on", "starts again", "has another version"])
def test_a_download_that_breaks_goes_on_where_it_stopped_if_the_server_does(tmp_path, monkeypatch, server):
    monkeypatch.setattr("clearml_provider.artifacts._CHUNK_BYTES", 100)
    asked: list[str | None] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.headers.get("Range"))
        headers = {"ETag": '"one"'}
        if len(asked) == 1:
            return httpx.Response(200, headers=headers, stream=_Breaking(CONTENT[:2500]))
        assert request.headers["If-Range"] == '"one"'
        if server == "goes on":
            headers["Content-Range"] = f"bytes 2500-{len(CONTENT) - 1}/{len(CONTENT)}"
            return httpx.Response(206, headers=headers, content=CONTENT[2500:])
        return httpx.Response(200, headers=headers, content=CONTENT)

    with WireScript(results__zip=answer).client() as client:
        assert download(client, artifact(), tmp_path / "results.zip").read_bytes() == CONTENT
    assert asked == [None, "bytes=2500-"]


def test_a_download_that_always_breaks_but_gets_on_is_not_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr("clearml_provider.artifacts._CHUNK_BYTES", 100)

    def answer(request: httpx.Request) -> httpx.Response:
        start = int(request.headers.get("Range", "bytes=0-").removeprefix("bytes=").rstrip("-"))
        headers = {"ETag": '"one"', "Content-Range": f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}"}
        part = CONTENT[start : start + 700]
        last = start + len(part) == len(CONTENT)
        return httpx.Response(
            206 if start else 200, headers=headers, stream=httpx.ByteStream(part) if last else _Breaking(part)
        )

    with WireScript(results__zip=answer).client() as client:
        assert download(client, artifact(), tmp_path / "results.zip").read_bytes() == CONTENT


def a_zip(path: Path, **members: Any) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as zipped:
        for name, content in members.items():
            zipped.writestr(name, content)
    return path


def test_a_sound_zip_is_unpacked(tmp_path):
    archive = a_zip(tmp_path / "a.zip", **{"manifest.json": "{}", "details/x.parquet": b"PAR1"})
    files = unpack_zip(archive, tmp_path / "out")
    assert [str(f.relative_to(tmp_path / "out")) for f in files] == ["details/x.parquet", "manifest.json"]


@pytest.mark.parametrize(
    "name", ["../evil", "a/../../evil", "/etc/evil", "..\\evil", "C:\\evil", "a//b", "./a/./b"]
)
def test_a_path_that_escapes_is_refused_and_nothing_is_unpacked(tmp_path, name):
    archive = a_zip(tmp_path / "a.zip", **{name: "y", "good": "x"})
    with pytest.raises(ClearMLArtifactError, match="leads out of the folder"):
        unpack_zip(archive, tmp_path / "out")
    assert [p.name for p in tmp_path.iterdir()] == ["a.zip"]


def test_a_symbolic_link_is_refused(tmp_path):
    link = zipfile.ZipInfo("link")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as zipped:
        zipped.writestr(link, "/etc/passwd")
    with pytest.raises(ClearMLArtifactError, match="is a link"):
        unpack_zip(tmp_path / "a.zip", tmp_path / "out")


def test_a_bomb_is_stopped_while_it_is_written(tmp_path):
    archive = a_zip(tmp_path / "a.zip", zeros=b"\0" * 10_000_000)
    assert archive.stat().st_size < 20_000
    with pytest.raises(ClearMLArtifactError, match="more than the limit"):
        unpack_zip(archive, tmp_path / "out", max_bytes=1_000_000)
    assert [p.name for p in tmp_path.iterdir()] == ["a.zip"]


def test_too_many_files_are_refused(tmp_path):
    archive = a_zip(tmp_path / "a.zip", **{f"f{i}": "" for i in range(11)})
    with pytest.raises(ClearMLArtifactError, match="11 files, the limit is 10"):
        unpack_zip(archive, tmp_path / "out", max_files=10)


@pytest.mark.parametrize("name", ["n" * 256, "/".join(["d"] * 600)], ids=["long", "deep"])
def test_a_name_that_is_too_long_is_refused(tmp_path, name):
    archive = a_zip(tmp_path / "a.zip", **{name: "x"})
    with pytest.raises(ClearMLArtifactError, match="too long a name"):
        unpack_zip(archive, tmp_path / "out")
    assert [p.name for p in tmp_path.iterdir()] == ["a.zip"]


@pytest.mark.parametrize("zip64", [False, True])
def test_a_list_of_members_that_would_fill_the_memory_is_refused_unread(tmp_path, zip64):
    """The archive claims a list of 3 GB: were it read, this would take long, or fail otherwise."""
    archive = tmp_path / "a.zip"
    huge = 3_000_000_000
    record = struct.pack("<4sQHHLLQQQQ", b"PK\x06\x06", 44, 45, 45, 0, 0, 1, 1, huge, 0)
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, 0, 1)
    small = 0xFFFFFFFF if zip64 else huge
    end = struct.pack("<4sHHHHLLH", b"PK\x05\x06", 0, 0, 1, 1, small, 0, 0)
    archive.write_bytes((record + locator if zip64 else b"") + end)
    with pytest.raises(ClearMLArtifactError, match=f"list of members has {huge} bytes"):
        unpack_zip(archive, tmp_path / "out")


def test_an_encrypted_zip_is_refused(tmp_path):
    archive = a_zip(tmp_path / "a.zip", data="x")
    content = bytearray(archive.read_bytes())
    content[6] |= 1  # the flag in the member's own header and in the list
    content[content.index(b"PK\x01\x02") + 8] |= 1
    archive.write_bytes(content)
    with pytest.raises(ClearMLArtifactError, match=r"not a sound zip .*encrypted"):
        unpack_zip(archive, tmp_path / "out")


@pytest.mark.parametrize("damage", ["not a zip", "cut", "flipped"])
def test_a_damaged_zip_is_refused(tmp_path, damage):
    archive = a_zip(tmp_path / "a.zip", data=bytes(range(256)) * 100)
    content = bytearray(archive.read_bytes())
    if damage == "not a zip":
        content = bytearray(b"<html>")
    elif damage == "cut":
        del content[len(content) // 2 :]
    else:
        content[60] ^= 0xFF
    archive.write_bytes(content)
    with pytest.raises(ClearMLArtifactError, match="not a sound zip"):
        unpack_zip(archive, tmp_path / "out")


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("names", [("a", "a"), ("a", "a/b")], ids=str)
def test_members_that_collide_are_refused(tmp_path, names):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as zipped:
        for name in names:
            zipped.writestr(name, "x")
    with pytest.raises(ClearMLArtifactError, match="not a sound zip"):
        unpack_zip(tmp_path / "a.zip", tmp_path / "out")
    assert [p.name for p in tmp_path.iterdir()] == ["a.zip"]


def test_it_never_unpacks_into_a_folder_with_files(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").touch()
    with pytest.raises(ClearMLArtifactError, match="not empty"):
        unpack_zip(a_zip(tmp_path / "a.zip", x="y"), tmp_path / "out")
