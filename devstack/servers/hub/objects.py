"""Git's objects, named by git's hashes, kept in SQLite."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from devstack.servers.hub.database import Database

EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
"""Git's hash of a tree without entries."""

_DIRECTORY_MODE = b"40000"
_FILE_MODE = b"100644"
_SQL_VARIABLES = 500
_WHOLE = 2**31 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line of a tree."""

    oid: str
    is_directory: bool


Tree = Mapping[str, Entry]


@dataclass(frozen=True, slots=True, kw_only=True)
class Blob:
    """A file's content, and its hash."""

    oid: str
    data: bytes

    @classmethod
    def of(cls, data: bytes) -> Blob:
        return cls(oid=_oid(b"blob", data), data=data)


def _oid(kind: bytes, data: bytes) -> str:
    # Git's format fixes SHA-1; nothing here rests on it being hard to collide on purpose.
    return hashlib.sha1(b"%s %d\0%s" % (kind, len(data), data), usedforsecurity=False).hexdigest()


def encode_tree(entries: Tree) -> tuple[str, bytes]:
    """Return a tree's hash and bytes; git sorts directories as if their names ended with a slash."""
    ordered = sorted(entries.items(), key=lambda item: (item[0] + "/" * item[1].is_directory).encode())
    data = b"".join(
        b"%s %s\0%s"
        % (_DIRECTORY_MODE if entry.is_directory else _FILE_MODE, name.encode(), bytes.fromhex(entry.oid))
        for name, entry in ordered
    )
    return _oid(b"tree", data), data


def decode_tree(data: bytes) -> dict[str, Entry]:
    """Read a tree's bytes back."""
    entries: dict[str, Entry] = {}
    position = 0
    while position < len(data):
        end = data.index(b"\0", position)
        mode, _, name = data[position:end].partition(b" ")
        oid = data[end + 1 : end + 21].hex()
        entries[name.decode()] = Entry(oid=oid, is_directory=mode == _DIRECTORY_MODE)
        position = end + 21
    return entries


def commit_oid(*, tree: str, parent: str | None, author: str, message: str, unix_time: int) -> str:
    """Hash a commit as git does."""
    who = f"{author} <{author}@users.noreply.invalid> {unix_time} +0000"
    lines = [f"tree {tree}", *([f"parent {parent}"] if parent else []), f"author {who}", f"committer {who}"]
    return _oid(b"commit", ("\n".join(lines) + f"\n\n{message}\n").encode())


class ObjectStore:
    """Reads trees and blobs. They never change, so what was read once may be kept."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.tree = lru_cache(maxsize=8192)(self._read_tree)

    def _read_tree(self, oid: str) -> Tree:
        if oid == EMPTY_TREE:
            return {}
        with self._database.reading() as connection:
            row = connection.execute("SELECT data FROM trees WHERE oid = ?", (oid,)).fetchone()
        return decode_tree(row["data"])

    def lookup(self, root: str, path: str) -> Entry | None:
        """Return what *path* names under the tree *root*; the empty path is the root itself."""
        entry = Entry(oid=root, is_directory=True)
        for part in path.split("/") if path else ():
            if not entry.is_directory:
                return None
            found = self.tree(entry.oid).get(part)
            if found is None:
                return None
            entry = found
        return entry

    def walk(self, root: str, *, prefix: str = "", recursive: bool = True) -> Iterable[tuple[str, Entry]]:
        """Yield paths below the tree *root* with their entries, directories before what they hold."""
        for name, entry in self.tree(root).items():
            path = f"{prefix}/{name}" if prefix else name
            yield path, entry
            if entry.is_directory and recursive:
                yield from self.walk(entry.oid, prefix=path)

    def sizes(self, oids: Iterable[str]) -> dict[str, int]:
        """Return the blobs' sizes in bytes."""
        wanted = list(set(oids))
        sizes: dict[str, int] = {}
        with self._database.reading() as connection:
            for start in range(0, len(wanted), _SQL_VARIABLES):
                some = wanted[start : start + _SQL_VARIABLES]
                marks = ",".join("?" * len(some))
                rows = connection.execute(f"SELECT oid, size FROM blobs WHERE oid IN ({marks})", some)  # noqa: S608
                sizes.update((row["oid"], row["size"]) for row in rows)
        return sizes

    def read(self, oid: str, *, start: int = 0, length: int | None = None) -> bytes:
        """Return a blob's bytes, or *length* of them from *start*."""
        with self._database.reading() as connection:
            if length is None and start == 0:
                row = connection.execute("SELECT data FROM blobs WHERE oid = ?", (oid,)).fetchone()
            else:
                row = connection.execute(
                    "SELECT substr(data, ?, ?) AS data FROM blobs WHERE oid = ?",
                    (start + 1, _WHOLE if length is None else length, oid),
                ).fetchone()
        # SQLite's substr of an empty blob is NULL.
        data: bytes = row["data"] or b""
        return data
