"""A real PostgreSQL server for the session, and a fresh migrated database for each test."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from include.store.migrate import migrate
from include.store.store import Store
from tests.fixtures.postgres import temporary_postgres

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A running server, with the migrated database ``template`` to copy from."""
    with temporary_postgres() as url:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("CREATE DATABASE template")
        migrate(_database(url, "template"))
        yield url


@pytest.fixture
def empty_url(postgres_url: str) -> Iterator[str]:
    """A database without any table."""
    yield from _fresh(postgres_url, template="template0")


@pytest.fixture
def store_url(postgres_url: str) -> Iterator[str]:
    """A migrated, empty database."""
    yield from _fresh(postgres_url, template="template")


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    with Store.connect(store_url) as store:
        yield store


@pytest.fixture
def submission() -> dict[str, Any]:
    return {
        "job_key": "0" * 31 + "1",
        "request_path": "org/model_eval_request_False_bfloat16_Original.json",
        "model_id": "org/model",
        "revision": "a" * 40,
        "precision": "bfloat16",
        "use_chat_template": True,
    }


def _fresh(server_url: str, *, template: str) -> Iterator[str]:
    name = f"test_{next(_numbers)}"
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        yield _database(server_url, name)
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def _database(server_url: str, name: str) -> str:
    return server_url.rpartition("/")[0] + f"/{name}"
