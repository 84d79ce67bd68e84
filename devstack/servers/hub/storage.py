"""Git's objects, named by git's hashes, in the server's SQLite file."""

from __future__ import annotations

import hashlib
import queue
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

_SCHEMA = """
CREATE TABLE IF NOT EXISTS repos (
    id INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    namespace TEXT NOT NULL,
    name TEXT NOT NULL,
    private INTEGER NOT NULL,
    gated TEXT,
    created_at TEXT NOT NULL,
    last_modified TEXT NOT NULL,
    likes INTEGER NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX IF NOT EXISTS repos_by_name
    ON repos (kind, namespace COLLATE NOCASE, name COLLATE NOCASE);
CREATE TABLE IF NOT EXISTS grants (
    repo_id INTEGER NOT NULL REFERENCES repos (id) ON DELETE CASCADE,
    user TEXT NOT NULL,
    PRIMARY KEY (repo_id, user)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS commits (
    repo_id INTEGER NOT NULL REFERENCES repos (id) ON DELETE CASCADE,
    oid TEXT NOT NULL,
    parent TEXT,
    tree TEXT NOT NULL,
    author TEXT NOT NULL,
    title TEXT NOT NULL,
    description TEXT NOT NULL,
    date TEXT NOT NULL,
    PRIMARY KEY (repo_id, oid)
);
CREATE TABLE IF NOT EXISTS refs (
    repo_id INTEGER NOT NULL REFERENCES repos (id) ON DELETE CASCADE,
    ref TEXT NOT NULL,
    oid TEXT NOT NULL,
    message TEXT,
    PRIMARY KEY (repo_id, ref)
);
-- Names that repositories had: who asks for one is passed on, until another repository takes it.
CREATE TABLE IF NOT EXISTS old_names (
    kind TEXT NOT NULL,
    namespace TEXT NOT NULL COLLATE NOCASE,
    name TEXT NOT NULL COLLATE NOCASE,
    repo_id INTEGER NOT NULL REFERENCES repos (id) ON DELETE CASCADE,
    PRIMARY KEY (kind, namespace, name)
) WITHOUT ROWID;
-- Trees and blobs are git's, named by their hash, never changed, and shared by all repositories.
CREATE TABLE IF NOT EXISTS trees (oid TEXT PRIMARY KEY, data BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS blobs (oid TEXT PRIMARY KEY, size INTEGER NOT NULL, data BLOB NOT NULL);
"""


class Database:
    """Readers beside one writer, on one file in WAL mode.

    What a `writing` block did is on disk when the block ends: a SIGKILL, or a power cut, takes none of it.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._idle: queue.LifoQueue[sqlite3.Connection] = queue.LifoQueue()
        self._writer = threading.Lock()
        with self.reading() as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.executescript(_SCHEMA)

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Lend a connection; each statement sees the last committed state."""
        try:
            connection = self._idle.get_nowait()
        except queue.Empty:
            connection = self._connect()
        try:
            yield connection
        finally:
            self._idle.put(connection)

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Lend a connection inside one transaction, which an exception rolls back."""
        # The lock makes writers of this process queue in order, instead of polling SQLite's own lock.
        with self._writer, self.reading() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                connection.rollback()
                raise
            connection.commit()

    def close(self) -> None:
        """Close the idle connections."""
        while True:
            try:
                self._idle.get_nowait().close()
            except queue.Empty:
                return

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, timeout=30, isolation_level=None, check_same_thread=False)
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        return connection


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
                rows = connection.execute(f"SELECT oid, size FROM blobs WHERE oid IN ({marks})", some)
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
