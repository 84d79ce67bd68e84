"""Bring our database to the newest migration; safe to run twice, and by two processes at once."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path

from sqlalchemy import text

from palmares.leaderboard.errors import LeaderboardError, StoreError
from palmares.store.database import Database, lock_number, open_engine

log = logging.getLogger(__name__)

MIGRATIONS = Path(__file__).parent / "migrations"
URL_VARIABLE = "AIRFLOW_CONN_PALMARES_DB"

_LOCK_TIMEOUT = "120s"


def migrate(url: str) -> None:
    """Apply every missing migration in one transaction, under a lock.

    A process that comes second waits for the first and then finds nothing to do.

    Args:
        url: Address of an existing database whose owner we are.

    Raises:
        StoreError: The database is unreachable, another migration hangs, or the database is newer than this
            code.
    """
    # Alembic costs 0.2 s: only those who migrate pay.
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    with Database(open_engine(url)) as database, database.transaction() as connection:
        connection.execute(text("SELECT set_config('lock_timeout', :limit, true)"), {"limit": _LOCK_TIMEOUT})
        connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": lock_number("migrate")})
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, "head")
        except CommandError as error:
            raise StoreError(
                f"{database.address}: {error}. The database was migrated by newer code: update this code."
            ) from error
    log.info("%s is at the newest migration", database.address)


def main() -> int:
    """Migrate the database named in the environment."""
    url = os.environ.get(URL_VARIABLE)
    if not url:
        print(f"{URL_VARIABLE} is not set: put the address of our database into it.", file=sys.stderr)
        return 2
    try:
        migrate(url)
    except LeaderboardError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
