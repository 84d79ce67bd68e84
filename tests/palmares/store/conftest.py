"""A real PostgreSQL server for the session, and a fresh migrated database for each test."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from palmares.store.migrate import migrate
from palmares.store.schema import metadata
from palmares.store.store import Store

from tests.fixtures.postgres import temporary_postgres

SHARED = "shared"
_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A running server, with the migrated database that tests share."""
    with temporary_postgres() as url:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {SHARED}")
        migrate(_database(url, SHARED))
        yield url


@pytest.fixture
def empty_url(postgres_url: str) -> Iterator[str]:
    """A database of the test's own, without any table."""
    name = f"test_{next(_numbers)}"
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        yield _database(postgres_url, name)
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def migrated_url(empty_url: str) -> str:
    """A migrated database of the test's own, whose schema it may change."""
    migrate(empty_url)
    return empty_url


@pytest.fixture
def store_url(postgres_url: str) -> Iterator[str]:
    """A migrated database without any row."""
    url = _database(postgres_url, SHARED)
    yield url
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET lock_timeout = '10s'")  # a test that left a transaction open fails, not hangs
        connection.execute(f"TRUNCATE {', '.join(metadata.tables)}")


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


def _database(server_url: str, name: str) -> str:
    return server_url.rpartition("/")[0] + f"/{name}"


@pytest.fixture
def age_commits(store_url: str) -> Callable[[float], None]:
    """Let commits be older by so many seconds."""

    def age(seconds: float) -> None:
        with psycopg.connect(store_url, autocommit=True) as connection:
            connection.execute(
                "UPDATE hub_commits SET sent_at = sent_at - make_interval(secs => %s)", [seconds]
            )

    return age


@pytest.fixture
def forget_pauses(store_url: str) -> Callable[..., None]:
    """Let every obstacle be due for another look."""

    def forget(*, began_ago_s: float = 0) -> None:
        with psycopg.connect(store_url, autocommit=True) as connection:
            connection.execute(
                "UPDATE hub_repositories SET retry_at = now(), since = now() - make_interval(secs => %s)"
                " WHERE obstacle IS NOT NULL",
                [began_ago_s],
            )

    return forget
