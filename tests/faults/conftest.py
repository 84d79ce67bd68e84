"""The world of the quick scenarios, once for the module."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

from tests.fixtures.postgres import temporary_postgres

if TYPE_CHECKING:  # importing it imports Airflow, which reads AIRFLOW_HOME then
    from tests.faults.report import Played
    from tests.faults.world import World

if "AIRFLOW_HOME" not in os.environ:
    _home = tempfile.mkdtemp(prefix="palmares-airflow-")
    atexit.register(shutil.rmtree, _home, ignore_errors=True)
    os.environ["AIRFLOW_HOME"] = _home


@pytest.fixture(scope="session")
def played() -> Iterator[list[Played]]:
    """What came of each scenario; written down at the end of a run that is asked to."""
    from tests.faults.full.scenarios import FULL
    from tests.faults.report import TARGET, write_report
    from tests.faults.scenarios import QUICK

    rows: list[Played] = []
    began = time.monotonic()
    yield rows
    target = os.environ.get(TARGET)
    if target and rows:
        ids = [one.id for one in (*QUICK, *FULL)]
        write_report(Path(target), rows, seconds=time.monotonic() - began, ids=ids)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    from palmares.store.migrate import migrate

    from tests.faults.world import running_world

    folder: Path = tmp_path_factory.mktemp("faults")
    with pytest.MonkeyPatch.context() as environment, temporary_postgres() as server:
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute("CREATE DATABASE faults")
        url = server.rpartition("/")[0] + "/faults"
        migrate(url)
        with running_world(folder, url, environment) as world:
            yield world
