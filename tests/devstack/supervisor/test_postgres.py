"""The embedded PostgreSQL server, for real."""

from __future__ import annotations

import os
import subprocess

import psycopg
import pytest
from palmares.leaderboard.errors import StackError

from devstack.supervisor import postgres
from devstack.supervisor.processes import stack_processes
from devstack.supervisor.state import StackState, prepare_home

pytestmark = pytest.mark.stack


def test_both_databases_are_made_once_with_owners_that_are_no_superusers(small_stack):
    _, state = small_stack
    postgres.ensure_databases(state)
    postgres.ensure_databases(state)
    for name in postgres.DATABASES:
        with psycopg.connect(state.database_url(name)) as connection:
            assert connection.execute("select current_database(), current_user").fetchone() == (name, name)
            query = "select rolsuper from pg_roles where rolname = current_user"
            assert connection.execute(query).fetchone() == (False,)


def test_transactions_of_airflow_that_nobody_goes_on_with_end_by_themselves(small_stack):
    _, state = small_stack
    with psycopg.connect(state.database_url("airflow")) as connection:
        assert connection.execute("show idle_in_transaction_session_timeout").fetchone() == ("1min",)


def test_a_wrong_password_is_refused(small_stack):
    _, state = small_stack
    wrong = state.model_copy(update={"keys": StackState().keys})
    assert postgres.is_ready(state)
    assert not postgres.is_ready(wrong)


@pytest.mark.skipif(os.geteuid() != 0, reason="about running as root")
def test_as_root_the_server_runs_as_nobody_even_below_a_closed_folder(small_stack):
    paths, state = small_stack
    assert paths.home.parent.stat().st_mode & 0o777 == 0o700
    users = {one.username() for one in stack_processes(paths, state) if one.name() == "postgres"}
    assert users == {"nobody"}


@pytest.mark.skipif(os.geteuid() != 0, reason="about running as root")
def test_as_root_in_an_open_place_the_server_gets_no_capability(paths, monkeypatch):
    paths.home.parent.chmod(0o755)
    prepare_home(paths)
    monkeypatch.setattr(postgres, "installation", lambda: paths.home / "pg")
    (paths.home / "pg").mkdir()
    (paths.home / "pg" / "bin").mkdir()
    for name in ("initdb", "postgres"):
        (paths.home / "pg" / "bin" / name).symlink_to("/bin/true")
    (paths.home / "pg").chmod(0o755)
    server = postgres.find_server(paths)
    assert not any("ambient" in part for part in server.prefix)
    status = subprocess.run(
        [*server.prefix, "grep", "-E", "^(CapEff|CapBnd|Uid)", "/proc/self/status"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "0000000000000000" in status
    assert "65534" in status


def test_an_interrupted_initdb_leaves_no_half_cluster_and_the_next_one_works(paths, monkeypatch):
    prepare_home(paths)
    state, server = StackState(), postgres.find_server(paths)

    def interrupted(*_jobs):
        (paths.postgres / "data.partial").mkdir()
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(postgres, "run_jobs", interrupted)
        with pytest.raises(KeyboardInterrupt):
            postgres.ensure_cluster(paths, state, server)
    assert list(paths.postgres.iterdir()) == []
    assert postgres.ensure_cluster(paths, state, server)
    assert not postgres.ensure_cluster(paths, state, server)
    assert [one.name for one in paths.postgres.iterdir()] == ["data"]


def test_a_failing_initdb_is_told_with_its_log(paths):
    prepare_home(paths)
    server = postgres.find_server(paths)
    broken = postgres.Server(server.bin, ("false",))
    with pytest.raises(StackError, match=r"initdb failed with status 1\. Log: .*initdb\.log"):
        postgres.ensure_cluster(paths, StackState(), broken)


def test_a_lock_that_names_another_process_is_removed(small_stack):
    paths, _ = small_stack
    lock = paths.postgres_data / "postmaster.pid"
    text = lock.read_text()
    postgres.remove_stale_lock(paths)
    assert lock.exists(), "the living server's own"
    lock.write_text(f"{os.getpid()}\n")
    postgres.remove_stale_lock(paths)
    gone = not lock.exists()
    lock.write_text(text)
    assert gone
