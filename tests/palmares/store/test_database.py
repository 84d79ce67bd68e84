from __future__ import annotations

import socket
import threading
import time
import traceback

import psycopg
import pytest
from palmares.leaderboard.errors import StoreError
from palmares.store.database import normalise_url
from palmares.store.store import ClaimOutcome, Store
from sqlalchemy import text


@pytest.mark.parametrize(
    "url",
    [
        "postgres://me:p%40ss@db:5433/palmares?sslmode=require",
        "postgresql://me:p%40ss@db:5433/palmares?sslmode=require",
        "postgresql+psycopg2://me:p%40ss@db:5433/palmares?sslmode=require",
        "postgres://me:p%40ss@db:5433/palmares?sslmode=require&__extra__=%7B%7D",
    ],
)
def test_every_spelling_of_an_address_becomes_the_same(url):
    normal = normalise_url(url).render_as_string(hide_password=False)
    assert normal == "postgresql+psycopg://me:p%40ss@db:5433/palmares?sslmode=require"


@pytest.mark.parametrize("url", ["mysql://me:secret@db/palmares", "sqlite:///secret", "secret", ""])
def test_another_kind_of_database_is_refused_without_showing_its_address(url):
    with pytest.raises(StoreError, match="connection palmares_db") as caught:
        normalise_url(url)
    assert "secret" not in str(caught.value)


def test_an_unreachable_server_is_named_with_what_to_do_and_without_its_password():
    with socket.socket() as taken:  # bound, never listening: connections are refused
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with pytest.raises(StoreError, match=rf"127\.0\.0\.1:{port}.*Check that PostgreSQL runs") as caught:
            Store.connect(f"postgresql://me:secret@127.0.0.1:{port}/palmares")
    assert "secret" not in str(caught.value)


def test_a_wrong_password_is_told_plainly(store_url):
    wrong = store_url.replace("//postgres:", "//postgres:wrong")
    with pytest.raises(StoreError, match="password authentication failed"):
        Store.connect(wrong)


def test_a_database_without_tables_says_how_to_migrate(empty_url):
    with pytest.raises(StoreError, match=r"no tables yet.*python -m palmares\.store\.migrate"):
        Store.connect(empty_url)


def test_connections_cut_by_a_restart_of_the_server_are_replaced(store, store_url, submission):
    assert store.evaluations.find() == []
    with psycopg.connect(store_url, autocommit=True) as other:
        other.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'palmares'"
        )
    assert store.evaluations.claim(submission, dag_run_id="run") is ClaimOutcome.CLAIMED


def test_a_lock_is_held_by_one_session_at_a_time(store, store_url):
    with Store.connect(store_url) as other, store.database.advisory_lock("thing", timeout_s=1):
        started = time.monotonic()
        with (
            pytest.raises(StoreError, match=r"thing: another process has held the lock for more than 0\.1 s"),
            other.database.advisory_lock("thing", timeout_s=0.1),
        ):
            pass
        assert time.monotonic() - started < 5


def test_locks_of_different_names_do_not_meet(store, store_url):
    with (
        Store.connect(store_url) as other,
        store.database.advisory_lock("one", timeout_s=1),
        other.database.advisory_lock("two", timeout_s=0.1),
    ):
        pass


def test_a_waiting_session_gets_the_lock_when_it_is_freed(store, store_url):
    waiting, entered = threading.Event(), threading.Event()

    def wait():
        with Store.connect(store_url) as other:
            waiting.set()
            with other.database.advisory_lock("thing", timeout_s=20):
                entered.set()

    thread = threading.Thread(target=wait)
    with store.database.advisory_lock("thing", timeout_s=1):
        thread.start()
        assert waiting.wait(10)
        assert not entered.is_set()
    assert entered.wait(10)
    thread.join(10)


def test_a_lock_is_freed_when_its_holder_fails(store):
    with pytest.raises(ZeroDivisionError), store.database.advisory_lock("thing", timeout_s=1):
        raise ZeroDivisionError
    with store.database.advisory_lock("thing", timeout_s=5):
        pass


def test_messages_never_quote_rows(store, submission):
    canary = "canary-7f3a"
    store.evaluations.claim(submission | {"model_id": canary}, dag_run_id="run")
    with pytest.raises(StoreError) as caught:
        store.evaluations.update(
            submission["job_key"], attempt=0
        )  # the schema refuses it, and PostgreSQL quotes the row
    assert "attempt_from_one" in str(caught.value)
    assert canary not in "".join(traceback.format_exception(caught.value))


def test_messages_never_quote_parameters(store):
    canary = "canary-9c1d"

    def slow_statement():
        with store.database.transaction() as connection:
            connection.execute(text("SET LOCAL statement_timeout = 20"))
            connection.execute(text("SELECT pg_sleep(20), :hidden"), {"hidden": canary})

    with pytest.raises(StoreError, match="statement timeout") as caught:
        slow_statement()
    assert canary not in "".join(traceback.format_exception(caught.value))
