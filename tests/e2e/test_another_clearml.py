"""The whole sweep on a ClearML server that is not the stack's own: other ports, other keys."""

from __future__ import annotations

import json
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

import pytest

from devstack.supervisor.paths import StackPaths
from tests.devstack.servers.processes import SECRETS, served
from tests.e2e.conftest import run_palmares

pytestmark = pytest.mark.e2e


def test_a_stack_evaluates_on_another_clearml_server(tmp_path: Path) -> None:
    keys = {
        "CLEARML_API_ACCESS_KEY": SECRETS["PALMARES_CLEARML_ACCESS_KEY"],
        "CLEARML_API_SECRET_KEY": SECRETS["PALMARES_CLEARML_SECRET_KEY"],
    }
    with tempfile.TemporaryDirectory(prefix="palmares-e2e-") as folder, served(tmp_path) as other:
        home = Path(folder) / "state"
        paths = StackPaths.locate(home)
        addresses = [
            part
            for name in ("clearml-api", "clearml-files", "clearml-web")
            for part in (f"--{name}", f"http://127.0.0.1:{other.ports[name]}")
        ]
        try:
            run_palmares(home, "up", "--detach", *addresses, environment=keys)
            output = run_palmares(home, "demo", "--keep")
            board = json.loads((paths.demo / "leaderboard.json").read_text(encoding="utf-8"))
            own = _statuses(paths.embedded / "clearml" / "clearml.sqlite")
        finally:
            run_palmares(home, "down")
        theirs = _statuses(tmp_path / "clearml" / "clearml.sqlite")
    assert sum(bool(row["scores"]) for row in board["rows"]) == 3
    assert f"http://127.0.0.1:{other.ports['clearml-web']}" in output
    assert own == []
    assert theirs == ["completed"] * 3


def _statuses(database: Path) -> list[str]:
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        return [row[0] for row in connection.execute("SELECT status FROM tasks ORDER BY seq")]
