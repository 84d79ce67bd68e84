from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from palmares.leaderboard.errors import StoreError
from palmares.store.database import open_engine
from palmares.store.migrate import MIGRATIONS, URL_VARIABLE, migrate
from palmares.store.store import Store
from palmares.store.tables import SCHEMA_REVISION, metadata


def test_an_empty_database_becomes_usable(empty_url):
    migrate(empty_url)
    with Store.connect(empty_url) as store:
        assert store.evaluations() == []


def test_migrating_twice_changes_nothing(store_url, store, submission):
    store.claim(submission, dag_run_id="run")
    migrate(store_url)
    assert store.get(submission["job_key"]) is not None


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
