"""One PostgreSQL database: its address, connections, transactions and advisory locks."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

import psycopg.errors
from sqlalchemy import URL, Connection, Engine, create_engine, make_url, select, text
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from palmares.leaderboard.errors import LockHeldError, StoreError
from palmares.store.schema import SCHEMA_REVISION

log = logging.getLogger(__name__)

MIGRATE_HINT = "Run `python -m palmares.store.migrate` with the same address in AIRFLOW_CONN_PALMARES_DB."

_CONNECT_TIMEOUT_S = 10


def normalise_url(url: str) -> URL:
    """Turn any spelling of a PostgreSQL address into the one SQLAlchemy needs for psycopg 3.

    Accepts ``postgres://`` (Airflow's connections, Heroku), ``postgresql://`` and ``postgresql+driver://``.

    Raises:
        StoreError: It is not the address of a PostgreSQL database.
    """
    try:
        parsed = make_url(url)
    except ArgumentError:
        # Never echo it, even in the chained error: it may hold a password.
        parsed = None
    if parsed is None or parsed.drivername.partition("+")[0] not in {"postgres", "postgresql"}:
        scheme = url.partition(":")[0] if "://" in url else "none"
        raise StoreError(
            f"The store's address has scheme {scheme!r}. "
            "Set the connection palmares_db to postgresql://user:password@host:port/database."
        )
    # Airflow adds __extra__ to its URIs when the connection's extras are nested JSON; libpq refuses it.
    return parsed.set(drivername="postgresql+psycopg").difference_update_query(["__extra__"])


def open_engine(url: str) -> Engine:
    """An engine for a short-lived task process: few connections, checked before use."""
    return create_engine(
        normalise_url(url),
        pool_size=2,
        max_overflow=14,
        pool_pre_ping=True,
        hide_parameters=True,  # they would be in every message, with the contents of files
        connect_args={"connect_timeout": _CONNECT_TIMEOUT_S, "application_name": "palmares"},
    )


def lock_number(name: str) -> int:
    """The signed 64-bit number of an advisory lock, from its *name*."""
    return int.from_bytes(hashlib.sha256(f"palmares:{name}".encode()).digest()[:8], signed=True)


class Database:
    """Connections to our database."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @classmethod
    def connect(cls, url: str) -> Self:
        """Open the database, and check that its schema is the one this code was written for.

        Args:
            url: ``postgresql://`` or ``postgres://`` address.

        Raises:
            StoreError: It cannot be reached, or is not at the newest migration; says what to do.
        """
        database = cls(open_engine(url))
        try:
            database._check_schema()
        except BaseException:
            database.close()
            raise
        return database

    def close(self) -> None:
        self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def address(self) -> str:
        """Where the database is, without the password: for messages."""
        return self._engine.url.render_as_string(hide_password=True)

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """One transaction, committed at the end.

        Raises:
            StoreError: The database is unreachable or refused the statement.
        """
        with self._told_plainly(), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def advisory_lock(self, name: str, *, timeout_s: float) -> Iterator[None]:
        """Hold the session lock *name*, on a connection of its own, so that transactions can end meanwhile.

        The server frees it when the process dies.

        Raises:
            LockHeldError: Another session held it for longer than *timeout_s*.
        """
        number = lock_number(name)
        connection = self._lock_connection()
        try:
            with self._told_plainly():
                connection.execute(
                    text("SELECT set_config('lock_timeout', :ms, false)"), {"ms": f"{timeout_s:.3f}s"}
                )
                try:
                    connection.execute(text("SELECT pg_advisory_lock(:number)"), {"number": number})
                except DBAPIError as error:
                    if not isinstance(error.orig, psycopg.errors.LockNotAvailable):
                        raise
                    raise LockHeldError(
                        f"{name}: another process has held the lock for more than {timeout_s:g} s. "
                        f"If it hangs, find it in pg_stat_activity of {self.address} and end it."
                    ) from error
            yield
        finally:
            # Closing the session frees the lock, whatever state the connection is in.
            connection.invalidate()
            connection.close()

    def _lock_connection(self) -> Connection:
        with self._told_plainly():
            return self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")

    @contextmanager
    def _told_plainly(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            message = str(error.orig).partition("\n")[0]
            if error.connection_invalidated or isinstance(error.orig, psycopg.OperationalError):
                raise StoreError(
                    f"{self.address}: {message}. Check that PostgreSQL runs, and the connection palmares_db."
                ) from error
            # PostgreSQL quotes the row below the first line, and task logs print causes: rows may be hidden.
            raise StoreError(f"{self.address} refused the statement: {message}.") from None
        except PoolTimeoutError as error:
            raise StoreError(
                f"{self.address}: every connection of this process is in use ({error})."
            ) from error
        except SQLAlchemyError as error:
            raise StoreError(f"{self.address}: {str(error).partition(chr(10))[0]}") from error

    def _check_schema(self) -> None:
        with self.transaction() as connection:
            if connection.execute(select(text("to_regclass('alembic_version')"))).scalar_one() is None:
                raise StoreError(f"{self.address} has no tables yet. {MIGRATE_HINT}")
            found = connection.execute(text("SELECT version_num FROM alembic_version")).scalars().all()
        if found != [SCHEMA_REVISION]:
            raise StoreError(
                f"{self.address} is at migration {', '.join(found) or 'none'}, this code needs "
                f"{SCHEMA_REVISION}. {MIGRATE_HINT} If the database is the newer one, update this code."
            )
