"""Commits: their body read line by line, applied to a tree, and stored by compare-and-swap."""

from __future__ import annotations

import base64
import binascii
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.concurrency import run_in_threadpool

from devstack.servers.hub.history import Commit, History
from devstack.servers.hub.refusals import Refusal, bad_request, checked_path, entry_not_found, too_large
from devstack.servers.hub.repositories import Repository, now
from devstack.servers.hub.storage import (
    EMPTY_TREE,
    Blob,
    Database,
    Entry,
    ObjectStore,
    commit_oid,
    encode_tree,
)

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


@dataclass(slots=True)
class _Directory:
    """A directory being edited: its files' and untouched directories' entries, and the opened directories."""

    entries: dict[str, Entry]
    opened: dict[str, _Directory] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class EditedTree:
    """The outcome of a commit's operations."""

    root: str
    trees: Mapping[str, bytes]
    """The trees that were written, by hash."""


class _Editor:
    def __init__(self, objects: ObjectStore, root: str) -> None:
        self._objects = objects
        self._root = _Directory(dict(objects.tree(root)))
        self._written: dict[str, bytes] = {}

    def apply(self, operation: Operation) -> None:
        match operation:
            case PutFile(path=path, blob=blob):
                self._put(path, blob.oid)
            case DeleteFile(path=path):
                self._delete(path, folder=False)
            case DeleteFolder(path=""):
                self._root = _Directory({})
            case DeleteFolder(path=path):
                self._delete(path, folder=True)

    def _put(self, path: str, oid: str) -> None:
        *parents, name = path.split("/")
        directory = self._root
        for part in parents:
            found = self._open(directory, part)
            if found is None:
                if part in directory.entries:
                    raise bad_request(f"{path[:200]!r}: {part[:80]!r} is a file, not a directory")
                found = directory.opened[part] = _Directory({})
            directory = found
        existing = self._open(directory, name)
        if existing is not None and not _is_empty(existing):
            raise bad_request(f"{path[:200]!r} is a directory, not a file")
        directory.opened.pop(name, None)
        directory.entries[name] = Entry(oid=oid, is_directory=False)

    def _delete(self, path: str, *, folder: bool) -> None:
        *parents, name = path.split("/")
        directory: _Directory | None = self._root
        for part in parents:
            directory = self._open(directory, part) if directory else None
        if directory is None:
            raise entry_not_found(path)
        if folder:
            if self._open(directory, name) is None:
                raise entry_not_found(path)
            del directory.opened[name]
        elif name in directory.entries and not directory.entries[name].is_directory:
            del directory.entries[name]
        else:
            raise entry_not_found(path)

    def _open(self, directory: _Directory, name: str) -> _Directory | None:
        if name in directory.opened:
            return directory.opened[name]
        entry = directory.entries.get(name)
        if entry is None or not entry.is_directory:
            return None
        del directory.entries[name]
        directory.opened[name] = _Directory(dict(self._objects.tree(entry.oid)))
        return directory.opened[name]

    def write(self) -> EditedTree:
        root = self._write(self._root)
        return EditedTree(root=root or EMPTY_TREE, trees=self._written)

    def _write(self, directory: _Directory) -> str | None:
        entries = dict(directory.entries)
        for name, child in directory.opened.items():
            # Git knows no empty directories.
            if oid := self._write(child):
                entries[name] = Entry(oid=oid, is_directory=True)
        if not entries:
            return None
        oid, data = encode_tree(entries)
        self._written[oid] = data
        return oid


def _is_empty(directory: _Directory) -> bool:
    return not directory.entries and all(_is_empty(child) for child in directory.opened.values())


def apply_operations(objects: ObjectStore, root: str, operations: Iterable[Operation]) -> EditedTree:
    """Apply *operations*, in their order, to the tree *root*.

    Raises:
        Refusal: 404: a deletion of what is not there; 400: a file where a directory is, or the reverse.
    """
    editor = _Editor(objects, root)
    for operation in operations:
        editor.apply(operation)
    return editor.write()


class Committer:
    """Writes commits.

    As on the real Hub nothing tells a repeated commit from a new one: a client whose answer was lost finds
    its own commit in the history, or meets it as a second commit (no parent named) or as a conflict.
    """

    def __init__(self, database: Database, objects: ObjectStore, history: History) -> None:
        self._database = database
        self._objects = objects
        self._history = history

    def commit(self, repository: Repository, branch_ref: str, request: CommitRequest, *, user: str) -> Commit:
        """Apply *request* on top of a branch.

        Raises:
            Refusal: 412: the branch is no longer at the parent that the request names.
        """
        while True:
            head = self._history.resolve(repository, branch_ref)
            if request.parent is not None and not head.oid.startswith(request.parent):
                raise Refusal(
                    412,
                    f"A commit has happened since: the branch is at {head.oid}, not at {request.parent}. "
                    "Please refresh and try again.",
                )
            edited = apply_operations(self._objects, head.tree, request.operations)
            commit = self._swap(repository, branch_ref, head, edited, request, user=user)
            if commit is not None:
                return commit
            # The branch moved between the read and the transaction: read it again.

    def _swap(
        self,
        repository: Repository,
        branch_ref: str,
        head: Commit,
        edited: EditedTree,
        request: CommitRequest,
        *,
        user: str,
    ) -> Commit | None:
        """Store the commit if the branch is still at *head*; None: it is not."""
        date = now()
        message = f"{request.title}\n\n{request.description}".rstrip()
        unix_time = int(datetime.fromisoformat(date).timestamp())
        oid = commit_oid(tree=edited.root, parent=head.oid, author=user, message=message, unix_time=unix_time)
        commit = Commit(
            oid=oid,
            parent=head.oid,
            tree=edited.root,
            author=user,
            title=request.title,
            description=request.description,
            date=date,
        )
        blobs = {op.blob.oid: op.blob.data for op in request.operations if isinstance(op, PutFile)}
        with self._database.writing() as connection:
            moved = connection.execute(
                "UPDATE refs SET oid = ? WHERE repo_id = ? AND ref = ? AND oid = ?",
                (oid, repository.key, branch_ref, head.oid),
            ).rowcount
            if not moved:
                return None
            connection.executemany(
                "INSERT OR IGNORE INTO blobs VALUES (?, ?, ?)",
                ((blob_oid, len(data), data) for blob_oid, data in blobs.items()),
            )
            connection.executemany("INSERT OR IGNORE INTO trees VALUES (?, ?)", edited.trees.items())
            connection.execute(
                "INSERT OR IGNORE INTO commits (repo_id, oid, parent, tree, author, title, description, date)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    repository.key,
                    oid,
                    head.oid,
                    edited.root,
                    user,
                    request.title,
                    request.description,
                    date,
                ),
            )
            connection.execute("UPDATE repos SET last_modified = ? WHERE id = ?", (date, repository.key))
        return commit
