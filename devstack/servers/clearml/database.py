"""The server's state: one SQLite database in WAL mode, one transaction a request."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from palmares.leaderboard.errors import StackError

SCHEMA_VERSION = 1

_SCHEMA = """
CREATE TABLE IF NOT EXISTS tasks (
    id TEXT PRIMARY KEY, seq INTEGER NOT NULL, status TEXT NOT NULL, project TEXT, last_update REAL NOT NULL,
    doc TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS tasks_by_status ON tasks (status, last_update);
CREATE INDEX IF NOT EXISTS tasks_by_project ON tasks (project);
CREATE TABLE IF NOT EXISTS projects (id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, doc TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS models (id TEXT PRIMARY KEY, doc TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS queues (id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, doc TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS entries (
    position INTEGER PRIMARY KEY AUTOINCREMENT, queue TEXT NOT NULL, task TEXT NOT NULL, added TEXT NOT NULL,
    UNIQUE (queue, task)
);
CREATE INDEX IF NOT EXISTS entries_by_task ON entries (task);
CREATE TABLE IF NOT EXISTS queue_samples (
    queue TEXT NOT NULL, at_ms INTEGER NOT NULL, waited_s REAL NOT NULL, length INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS queue_samples_by_time ON queue_samples (queue, at_ms);
CREATE TABLE IF NOT EXISTS workers (id TEXT PRIMARY KEY, last_report REAL NOT NULL, doc TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS worker_samples (
    worker TEXT NOT NULL, at_ms INTEGER NOT NULL, metric TEXT NOT NULL, variant TEXT NOT NULL,
    value REAL NOT NULL
);
CREATE INDEX IF NOT EXISTS worker_samples_by_time ON worker_samples (worker, at_ms);
CREATE TABLE IF NOT EXISTS events (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, task TEXT NOT NULL, type TEXT NOT NULL, timestamp INTEGER NOT NULL,
    metric TEXT NOT NULL, variant TEXT NOT NULL, iter INTEGER NOT NULL, doc TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS events_by_task ON events (task, type, timestamp, seq);
CREATE INDEX IF NOT EXISTS events_by_place ON events (task, type, metric, variant, iter) WHERE type != 'log';
"""


def database_path(state_dir: Path) -> Path:
    return state_dir / "clearml.sqlite"


class Database:
    """One connection behind a lock: the load is a few requests a second, and order beats speed."""

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        """Open *path*, and create the tables of a new file.

        Args:
            read_only: After the opening, SQLite refuses every write.

        Raises:
            StackError: The file is not this server's database, or was written by a newer version.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._lock = threading.RLock()
        try:
            self._connection = sqlite3.connect(
                path, isolation_level=None, check_same_thread=False, timeout=30
            )
            self._connection.execute("PRAGMA journal_mode=WAL")
            # A commit is in the WAL file before it is acknowledged: a killed process loses nothing.
            # Only a power cut may take the last commits, and never the database's integrity.
            self._connection.execute("PRAGMA synchronous=NORMAL")
            version = self._connection.execute("PRAGMA user_version").fetchone()[0]
            if version > SCHEMA_VERSION:
                raise StackError(
                    f"{path} has schema {version}, this version knows {SCHEMA_VERSION}. "
                    f"Update the project, or remove the state folder and start again."
                )
            self._connection.executescript(_SCHEMA)
            self._connection.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
            if read_only:
                self._connection.execute("PRAGMA query_only=ON")
        except sqlite3.DatabaseError as e:
            raise StackError(f"{path} cannot be used: {e}. Free the disk, or remove the state folder.") from e

    @contextmanager
    def transaction(self, *, write: bool) -> Iterator[sqlite3.Connection]:
        """Everything in the block is committed at its end, or nothing."""
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE" if write else "BEGIN")
            try:
                yield self._connection
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            try:
                self._connection.execute("COMMIT")
            except sqlite3.Error:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    def close(self) -> None:
        with self._lock:
            self._connection.close()
