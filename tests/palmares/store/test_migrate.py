from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, LiteralString

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from palmares.hub.blobs import git_hash
from palmares.leaderboard.errors import StoreError
from palmares.store.database import open_engine
from palmares.store.migrate import MIGRATIONS, URL_VARIABLE, migrate
from palmares.store.schema import SCHEMA_REVISION, metadata
from palmares.store.store import Store
from psycopg import sql


def test_an_empty_database_becomes_usable(empty_url):
    migrate(empty_url)
    with Store.connect(empty_url) as store:
        assert store.evaluations.find() == []


def dump(url: str) -> dict[str, list[Any]]:
    """Columns, indexes and constraints of the database, and all rows of all tables."""
    queries: dict[str, LiteralString] = {
        "columns": "SELECT table_name, column_name, data_type, is_nullable, column_default"
        " FROM information_schema.columns WHERE table_schema = 'public' ORDER BY 1, 2",
        "indexes": "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1",
        "constraints": "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint"
        " WHERE connamespace = 'public'::regnamespace ORDER BY 1",
        "tables": "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1",
    }
    with psycopg.connect(url) as connection:
        found: dict[str, list[Any]] = {
            name: connection.execute(query).fetchall() for name, query in queries.items()
        }
        for (table,) in found["tables"]:
            rows = connection.execute(sql.SQL("SELECT * FROM {}").format(sql.Identifier(table))).fetchall()
            found[table] = sorted(rows, key=repr)
    assert len(found["evaluations"]) == 1
    return found


def test_migrating_twice_changes_nothing(store_url, store, submission):
    store.evaluations.claim(submission, dag_run_id="run")
    before = dump(store_url)
    migrate(store_url)
    assert dump(store_url) == before


def test_four_migrations_at_once_leave_one_schema(empty_url):
    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(migrate, empty_url) for _ in range(4)]:
            done.result(timeout=30)
    Store.connect(empty_url).close()


def test_migrations_build_exactly_the_tables_that_the_code_uses(migrated_url):
    engine = open_engine(migrated_url)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    engine.dispose()


def test_the_code_knows_the_newest_migration():
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    assert ScriptDirectory.from_config(config).get_heads() == [SCHEMA_REVISION]


def test_a_migration_can_be_taken_back(migrated_url):
    from alembic import command

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    engine = open_engine(migrated_url)
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "base")
    engine.dispose()
    migrate(migrated_url)
    Store.connect(migrated_url).close()


def test_a_newer_database_is_left_alone_and_told(migrated_url):
    with psycopg.connect(migrated_url, autocommit=True) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(StoreError, match="update this code"):
        migrate(migrated_url)
    with pytest.raises(StoreError, match="is at migration 9999, this code needs"):
        Store.connect(migrated_url)


def test_the_command_migrates_the_database_of_the_environment(empty_url):
    done = subprocess.run(
        [sys.executable, "-m", "palmares.store.migrate"],
        env={URL_VARIABLE: empty_url.replace("postgresql://", "postgres://"), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    Store.connect(empty_url).close()


AT_0007 = Path(__file__).parents[2] / "data" / "store_at_0007.sql"
"""Made with ``pg_dump --inserts`` after a sweep, before the store was composed of managers."""
ENDPOINT_AT_0007 = "http://127.0.0.1:36431"


def test_a_database_of_migration_0007_is_upgraded_and_everything_is_read_back(empty_url):
    with psycopg.connect(empty_url, autocommit=True) as connection:
        connection.execute(AT_0007.read_bytes())
        connection.execute("SET search_path = public")
        rows = {
            table: connection.execute(
                sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(table))
            ).fetchone()
            for table in metadata.tables.keys() - {"row_scores"}  # younger
        }
    assert all(count and count[0] > 0 for count in rows.values())

    migrate(empty_url)

    with Store.connect(empty_url) as store:
        evaluations = store.evaluations.find()
        assert sorted(one.model_id for one in evaluations) == [
            "palmares-demo/grand",
            "palmares-demo/moyen",
            "palmares-demo/petit",
        ]
        assert [one.attempt for one in evaluations if store.evaluations.attempts(one.job_key)] == [1]
        (published,) = store.results.published()
        assert published.submission["model_id"] == "palmares-demo/petit"
        assert set(published.scores) == {"bac-fr", "gpqa-fr", "ifeval-fr"}
        accepted = store.results.accepted(published.job_key)
        assert accepted is not None
        assert accepted.manifest["job_key"] == published.job_key
        assert len(store.request_files.refusals()) == 10
        assert store.moderation.current()["palmares-demo/petit"].action == "flagged"
        assert store.row_scores.of([published.job_key]) == {}
        (rescoring,) = store.rescorings.find()
        assert rescoring.previous_scores == published.scores
        assert len(store.outbox.files(published.job_key)) > 0
        assert store.outbox.failed() == []
        (blocker,) = store.blockers.find(ENDPOINT_AT_0007)
        assert (blocker.repo_id, blocker.code) == ("palmares-demo/details", "unavailable")
        assert store.commit_log.has_committed(ENDPOINT_AT_0007, "palmares-demo/requests")
        with psycopg.connect(empty_url) as connection:
            oids = [oid for (oid,) in connection.execute("SELECT oid FROM request_blobs").fetchall()]
        contents = store.request_files.contents(oids)
        assert {git_hash(content) for content in contents.values()} == set(oids)
