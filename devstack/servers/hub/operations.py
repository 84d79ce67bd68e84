"""The body of a commit, NDJSON, read line by line as it arrives."""

from __future__ import annotations

import base64
import binascii
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.concurrency import run_in_threadpool

from devstack.servers.hub.objects import Blob
from devstack.servers.hub.refusals import bad_request, too_large
from devstack.servers.hub.validation import checked_path

MAX_FILE_BYTES = 50 * 1024 * 1024
"""The largest file: it travels base64-encoded in one body and is held in memory."""
MAX_COMMIT_BYTES = 256 * 1024 * 1024
"""The largest body of a commit, encoded."""
_MAX_LINE_BYTES = MAX_FILE_BYTES * 4 // 3 + 16 * 1024
_LONG_LINE_BYTES = 256 * 1024
_MAX_OPERATIONS = 25_000


@dataclass(frozen=True, slots=True, kw_only=True)
class PutFile:
    path: str
    blob: Blob


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteFile:
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteFolder:
    path: str
    """Empty: everything."""


Operation = PutFile | DeleteFile | DeleteFolder


@dataclass(slots=True, kw_only=True)
class CommitRequest:
    """What a client asks to commit."""

    title: str
    description: str
    parent: str | None
    """5 to 40 hexadecimal digits of the commit that the client built upon. None: whatever is there."""
    operations: list[Operation] = field(default_factory=list)


class _Header(BaseModel):
    model_config = ConfigDict(extra="ignore")
    summary: str = Field(min_length=1, max_length=1000)
    description: str = Field(default="", max_length=65_536)
    parentCommit: str | None = Field(default=None, pattern=r"^[0-9a-f]{5,40}$")


class _File(BaseModel):
    path: str
    content: str
    encoding: Literal["base64", "utf-8"] = "utf-8"


class _Path(BaseModel):
    path: str


class _Line(BaseModel):
    key: str
    value: dict[str, Any]


def _content(file: _File) -> bytes:
    if file.encoding == "utf-8":
        return file.content.encode("utf-8", "surrogatepass")
    try:
        return base64.b64decode(file.content, validate=True)
    except (binascii.Error, ValueError) as error:
        raise bad_request(f"The content of {file.path[:200]!r} is not base64") from error


def _operation(line: _Line) -> Operation:
    match line.key:
        case "file":
            file = _File.model_validate(line.value)
            blob = Blob.of(_content(file))
            if len(blob.data) > MAX_FILE_BYTES:
                raise too_large(f"{file.path[:200]!r} has {len(blob.data)} bytes: at most {MAX_FILE_BYTES}")
            return PutFile(path=checked_path(file.path), blob=blob)
        case "deletedFile":
            return DeleteFile(path=checked_path(_Path.model_validate(line.value).path))
        case "deletedFolder":
            path = _Path.model_validate(line.value).path.rstrip("/")
            return DeleteFolder(path="" if path in {"", "."} else checked_path(path))
        case "lfsFile":
            raise bad_request(
                "Large-file uploads (LFS, xet) are not kept here: preupload says 'regular' for every file"
            )
        case other:
            raise bad_request(f"Unknown operation {other[:80]!r} in the commit")


class _Parser:
    """Builds a request from lines; the first line is the header."""

    def __init__(self) -> None:
        self._request: CommitRequest | None = None

    def feed(self, raw: bytes) -> None:
        if not raw.strip():
            return
        try:
            line = _Line.model_validate_json(raw)
            if self._request is None:
                if line.key != "header":
                    raise bad_request("The first line of a commit must be its header")
                header = _Header.model_validate(line.value)
                self._request = CommitRequest(
                    title=header.summary, description=header.description, parent=header.parentCommit
                )
                return
            self._request.operations.append(_operation(line))
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(str(part) for part in first["loc"])
            raise bad_request(f"Malformed line in the commit: {where} {first['msg']}".strip()) from error
        if len(self._request.operations) > _MAX_OPERATIONS:
            raise too_large(f"More than {_MAX_OPERATIONS} operations in one commit: split it")

    def finish(self) -> CommitRequest:
        if self._request is None:
            raise bad_request("Empty commit: no header")
        return self._request


def _complete_lines(pending: bytearray, chunk: bytes) -> Iterator[bytes]:
    pending += chunk
    if b"\n" in chunk:
        *lines, rest = bytes(pending).split(b"\n")
        pending[:] = rest
        yield from lines
    if len(pending) > _MAX_LINE_BYTES:
        raise too_large(f"A line of the commit has more than {_MAX_LINE_BYTES} bytes: its file is too large")


async def _feed(parser: _Parser, line: bytes) -> None:
    # A large file's line takes long enough to parse for other requests of this process to notice.
    if len(line) > _LONG_LINE_BYTES:
        await run_in_threadpool(parser.feed, line)
    else:
        parser.feed(line)


async def read_commit(body: AsyncIterator[bytes]) -> CommitRequest:
    """Read a commit from the stream of its body, holding one line beside the decoded files.

    Raises:
        Refusal: 400: malformed, or a path that is not one; 413: too large.
    """
    parser = _Parser()
    pending = bytearray()
    received = 0
    async for chunk in body:
        received += len(chunk)
        if received > MAX_COMMIT_BYTES:
            raise too_large(f"A commit has at most {MAX_COMMIT_BYTES} bytes: split it")
        for line in _complete_lines(pending, chunk):
            await _feed(parser, line)
    await _feed(parser, bytes(pending))
    return parser.finish()
