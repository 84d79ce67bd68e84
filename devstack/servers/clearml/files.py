"""The file server: multipart uploads streamed to disk, downloads with ranges, both behind a token."""

from __future__ import annotations

import errno
import json
import logging
import os
import shutil
import tempfile
from pathlib import Path
from typing import IO

from palmares.leaderboard.errors import LeaderboardError
from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Route

from devstack.servers.clearml.auth import check_bearer
from devstack.servers.clearml.protocol import ApiError

logger = logging.getLogger(__name__)

_MAX_NAME_BYTES = 4096
_MAX_HEADER_BYTES = 16_384
_SAFE_HEADERS = {"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "sandbox"}
_BAD_PLACE = {errno.ENAMETOOLONG, errno.EISDIR, errno.ENOTDIR, errno.EEXIST, errno.EILSEQ}


class UploadError(LeaderboardError):
    """The upload's form or a file's name cannot be used."""


def safe_path(root: Path, name: str) -> Path:
    """Where a client's file lives below *root*.

    Raises:
        UploadError: *name* is empty, or points elsewhere.
    """
    parts = [part for part in name.split("/") if part]
    unsafe = any(part in (".", "..") or "\\" in part or not part.isprintable() for part in parts)
    if not parts or unsafe or len(name.encode(errors="replace")) > _MAX_NAME_BYTES:
        raise UploadError(f"{name[:200]!r} is not a file name. Send a relative path of plain names.")
    return root.joinpath(*parts)


class _Upload:
    """Takes one multipart body apart as it arrives; each file is renamed into place when its part ends."""

    def __init__(self, root: Path, scratch: Path, boundary: bytes) -> None:
        self.stored: list[str] = []
        self._root = root
        self._scratch = scratch
        self._file: IO[bytes] | None = None
        self._name = ""
        self._field = bytearray()
        self._value = bytearray()
        self._disposition = b""
        self._ended = False
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._begin,
                "on_header_field": lambda data, start, end: self._grow(self._field, data[start:end]),
                "on_header_value": lambda data, start, end: self._grow(self._value, data[start:end]),
                "on_header_end": self._header_end,
                "on_headers_finished": self._open,
                "on_part_data": self._write,
                "on_part_end": self._store,
                "on_end": self._end,
            },
        )

    def feed(self, chunk: bytes) -> None:
        self._parser.write(chunk)

    def finish(self) -> None:
        """Raise `UploadError` where the closing boundary never came."""
        self._parser.finalize()
        if not self._ended:
            raise UploadError("The upload ended before its last boundary. Send it again.")

    def discard(self) -> None:
        """Remove the file that is not whole."""
        if self._file is not None:
            self._file.close()
            Path(self._file.name).unlink(missing_ok=True)
            self._file = None

    def _grow(self, buffer: bytearray, data: bytes) -> None:
        buffer += data
        if len(buffer) > _MAX_HEADER_BYTES:
            raise UploadError("A part's header is too long.")

    def _begin(self) -> None:
        self._disposition = b""

    def _header_end(self) -> None:
        if self._field.lower() == b"content-disposition":
            self._disposition = bytes(self._value)
        self._field.clear()
        self._value.clear()

    def _open(self) -> None:
        _, options = parse_options_header(self._disposition)
        # Both name and filename hold the path (SDK); the real server goes by the field's name.
        self._name = (options.get(b"name") or b"").decode(errors="surrogateescape")
        safe_path(self._root, self._name)
        self._file = tempfile.NamedTemporaryFile(dir=self._scratch, delete=False)  # noqa: SIM115 - closed and moved by its owner

    def _write(self, data: bytes, start: int, end: int) -> None:
        assert self._file is not None
        self._file.write(data[start:end])

    def _store(self) -> None:
        assert self._file is not None
        target = safe_path(self._root, self._name)
        self._file.close()
        target.parent.mkdir(parents=True, exist_ok=True)
        Path(self._file.name).replace(target)
        self._file = None
        self.stored.append(self._name)

    def _end(self) -> None:
        self._ended = True


async def _receive(request: Request, root: Path, scratch: Path) -> list[str]:
    kind, options = parse_options_header(request.headers.get("content-type"))
    if kind != b"multipart/form-data" or not options.get(b"boundary"):
        raise UploadError("Send the file as multipart/form-data, the field's name being the path.")
    upload = _Upload(root, scratch, options[b"boundary"])
    try:
        async for chunk in request.stream():
            await run_in_threadpool(upload.feed, chunk)
        upload.finish()
    finally:
        await run_in_threadpool(upload.discard)
    return upload.stored


def _failed(error: OSError) -> Response:
    if error.errno in _BAD_PLACE:
        return PlainTextResponse(f"Not a usable file name: {error.strerror}\n", status_code=400)
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return PlainTextResponse("No space left on the file server's disk. Free some.\n", status_code=507)
    raise error


def _remove(root: Path, path: Path) -> None:
    """Remove the file, and the folders that it leaves empty."""
    path.unlink()
    for folder in path.parents:
        if folder == root:
            break
        try:
            folder.rmdir()
        except OSError:
            break  # not empty, or used again already


def create_files_app(state_dir: Path, *, jwt_secret: str) -> Starlette:
    """The file server on ``state_dir/files``.

    Args:
        jwt_secret: The API server's, whose tokens are accepted.
    """
    root, scratch = state_dir / "files", state_dir / "uploads"
    shutil.rmtree(scratch, ignore_errors=True)  # halves of uploads that a crash left
    for folder in (root, scratch):
        folder.mkdir(parents=True, exist_ok=True)

    def refuse(request: Request) -> Response | None:
        try:
            check_bearer(request.headers.get("authorization"), jwt_secret)
        except ApiError as e:
            return PlainTextResponse(f"{e}\n", status_code=e.code)
        return None

    async def upload(request: Request) -> Response:
        if refusal := refuse(request):
            return refusal
        try:
            stored = await _receive(request, root, scratch)
        except (UploadError, MultipartParseError) as e:
            return PlainTextResponse(f"{e}\n", status_code=400)
        except ClientDisconnect:
            return Response(status_code=400)  # nobody is there to read it
        except OSError as e:
            logger.warning("Upload failed: %s", e)
            return _failed(e)
        return Response(json.dumps(stored), media_type="application/json")

    def download(request: Request) -> Response:
        if refusal := refuse(request):
            return refusal
        try:
            path = safe_path(root, request.path_params["path"])
            if not path.is_file():
                return PlainTextResponse("No such file\n", status_code=404)
        except UploadError as e:
            return PlainTextResponse(f"{e}\n", status_code=400)
        except OSError as e:
            return _failed(e)
        name = path.name if "download" in request.query_params else None
        return FileResponse(path, filename=name, headers=_SAFE_HEADERS)

    def delete(request: Request) -> Response:
        if refusal := refuse(request):
            return refusal
        try:
            path = safe_path(root, request.path_params["path"])
            _remove(root, path)
        except UploadError as e:
            return PlainTextResponse(f"{e}\n", status_code=400)
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return PlainTextResponse("No such file\n", status_code=404)
        logger.info("Deleted %s", os.fspath(path.relative_to(root)))
        return PlainTextResponse("OK\n")

    return Starlette(
        routes=[
            Route("/", upload, methods=["POST"]),
            Route("/{path:path}", download, methods=["GET"]),
            Route("/{path:path}", delete, methods=["DELETE"]),
        ]
    )
