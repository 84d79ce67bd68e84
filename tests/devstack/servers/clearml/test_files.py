"""Uploads and downloads: who may, where files may lie, and what an interrupted upload leaves."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest

from devstack.servers.clearml.app import create_files_app
from tests.devstack.servers.clearml.conftest import JWT_SECRET, Stack, serving, wait_for


@pytest.fixture
def files(stack: Stack, tmp_path: Path) -> Iterator[httpx.Client]:
    """A file server of its own in *tmp_path*, and a client with a token."""
    headers = {"Authorization": stack.api.http.headers["authorization"]}
    app = create_files_app(tmp_path, jwt_secret=JWT_SECRET)
    with serving(app) as address, httpx.Client(base_url=address, headers=headers) as client:
        yield client


def put(files: httpx.Client, path: str, content: bytes = b"content") -> httpx.Response:
    return files.post("/", files={path: (path, content)})


@pytest.mark.parametrize("path", ["a.txt", "proj/task.id/artifacts/é x/f%20 +.bin", "/leading/slash"])
def test_what_is_uploaded_is_downloaded(files: httpx.Client, path: str) -> None:
    content = bytes(range(256)) * 10_000
    answer = put(files, path, content)
    assert (answer.status_code, answer.json()) == (200, [path])
    url = "/" + quote(path.lstrip("/"))
    assert files.get(url).content == content
    assert int(files.head(url).headers["content-length"]) == len(content)


def test_several_files_in_one_form_are_all_stored(files: httpx.Client) -> None:
    answer = files.post("/", files={"a/1": ("a/1", b"1"), "a/2": ("a/2", b"2")})
    assert answer.json() == ["a/1", "a/2"]
    assert files.get("/a/2").content == b"2"


def test_a_range_and_an_unchanged_file_are_answered_shortly(files: httpx.Client) -> None:
    put(files, "a.txt", b"0123456789")
    part = files.get("/a.txt", headers={"Range": "bytes=2-4"})
    assert (part.status_code, part.content) == (206, b"234")
    assert files.get("/a.txt").headers["etag"]


@pytest.mark.parametrize(
    "path", ["../x", "a/../../x", "..", "a/..", ".", "a\\..\\x", "", "/", "a\x00b", "x" * 300, "x/" * 3000]
)
def test_a_path_that_leads_elsewhere_is_refused(files: httpx.Client, tmp_path: Path, path: str) -> None:
    before = set(tmp_path.rglob("*"))
    boundary = b"xx"
    body = (
        b'--xx\r\nContent-Disposition: form-data; name="'
        + path.encode()
        + b'"; filename="x"\r\n\r\ncontent\r\n--xx--\r\n'
    )
    headers = {"Content-Type": f"multipart/form-data; boundary={boundary.decode()}"}
    assert files.post("/", content=body, headers=headers).status_code == 400
    assert set(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    "path", ["/%2e%2e/clearml.sqlite", "/..%2fclearml.sqlite", "/a%00b", "/nothing", "/"]
)
def test_nothing_outside_is_read_or_deleted(files: httpx.Client, tmp_path: Path, path: str) -> None:
    (tmp_path / "clearml.sqlite").write_text("secret")
    assert files.get(path).status_code in (400, 404)
    assert files.delete(path).status_code in (400, 404)
    assert (tmp_path / "clearml.sqlite").exists()


def test_a_file_in_a_files_place_is_refused(files: httpx.Client) -> None:
    put(files, "a/b")
    assert put(files, "a/b/c").status_code == 400
    assert put(files, "a").status_code == 400
    assert files.get("/a/b").content == b"content"


@pytest.mark.parametrize("header", [None, "Bearer nonsense", "Basic bm86Ym9keQ=="])
def test_a_stranger_neither_reads_nor_writes(files: httpx.Client, header: str | None) -> None:
    put(files, "a.txt")
    headers = {"Authorization": header} if header else {}
    with httpx.Client(base_url=files.base_url, headers=headers) as stranger:
        assert stranger.get("/a.txt").status_code == 401
        assert put(stranger, "b").status_code == 401
        assert stranger.delete("/a.txt").status_code == 401
    assert files.get("/b").status_code == 404


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"x", "text/plain"),
        (b"x", "multipart/form-data"),
        (b"garbage", "multipart/form-data; boundary=b"),
        (b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\nhalf', "multipart/form-data; boundary=b"),
        (b"--b\r\nX: y\r\n\r\nno name\r\n--b--\r\n", "multipart/form-data; boundary=b"),
        (b"--b\r\n" + b"X" * 20_000, "multipart/form-data; boundary=b"),
    ],
)
def test_a_form_that_is_not_whole_stores_nothing(
    files: httpx.Client, tmp_path: Path, content: bytes, kind: str
) -> None:
    assert files.post("/", content=content, headers={"Content-Type": kind}).status_code == 400
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_an_upload_that_breaks_off_keeps_the_file_before(files: httpx.Client, tmp_path: Path) -> None:
    put(files, "a.txt", b"whole")
    host, port = files.base_url.host, files.base_url.port
    assert port is not None
    with socket.create_connection((host, port)) as connection:
        connection.sendall(
            b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\nAuthorization: "
            + files.headers["authorization"].encode()
            + b"\r\nContent-Type: multipart/form-data; boundary=b\r\n\r\n"
            + b'--b\r\nContent-Disposition: form-data; name="a.txt"\r\n\r\nhalf'
        )
        wait_for(lambda: list((tmp_path / "uploads").iterdir()), "the upload begins")
    wait_for(lambda: not list((tmp_path / "uploads").iterdir()), "the half is removed")
    assert files.get("/a.txt").content == b"whole"


def test_halves_that_a_crash_left_are_removed_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "uploads").mkdir()
    (tmp_path / "uploads/half").write_bytes(b"half")
    create_files_app(tmp_path, jwt_secret=JWT_SECRET)
    assert not list((tmp_path / "uploads").iterdir())


def test_a_deleted_file_takes_its_empty_folders_along(files: httpx.Client, tmp_path: Path) -> None:
    put(files, "a/b/c.txt")
    put(files, "a/d.txt")
    assert files.delete("/a/b/c.txt").status_code == 200
    assert not (tmp_path / "files/a/b").exists()
    assert (tmp_path / "files/a/d.txt").exists()
