"""Importing a room costs what it needs: in a fresh interpreter, heavy libraries and Airflow stay out.

The linters see import statements; these tests see what importing really loads, however indirectly.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
HEAVY = {"pandas", "pyarrow", "huggingface_hub", "clearml", "lm_eval", "torch", "transformers", "datasets"}
AIRFLOW = {"airflow", "clearml_provider"}

PROBE = """
import importlib, importlib.util, json, sys

watched = set(sys.argv[1].split(","))
loaded = {}
for line in sys.stdin.read().splitlines():
    name, _, path = line.partition(" ")
    before = watched & sys.modules.keys()
    if path:
        spec = importlib.util.spec_from_file_location(name, path)
        spec.loader.exec_module(importlib.util.module_from_spec(spec))
    else:
        importlib.import_module(name)
    loaded[name] = sorted((watched & sys.modules.keys()) - before)
print(json.dumps(loaded))
"""


def modules_of(folder: str) -> list[str]:
    """Every module below *folder*, by its import name.

    Alembic's migration scripts are left out: Alembic runs them, nobody imports them.
    """
    paths = [path for path in sorted((ROOT / folder).rglob("*.py")) if "migrations" not in path.parts]
    names = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in paths]
    return [
        name.removesuffix(".__init__").removeprefix("plugins.").removeprefix("include.") for name in names
    ]


def loaded_by(
    modules: list[str], watched: set[str], home: Path, *, first: Path | None = None
) -> dict[str, list[str]]:
    """Import *modules* in turn in a fresh interpreter; tell which of *watched* each loads first.

    Args:
        modules: Import names, or a name and a file's path with a space between.
        watched: Top-level packages.
        home: Airflow's home: importing it writes a configuration file.
        first: A folder to put on the path before the project's.
    """
    folders = [*([first] if first else []), ROOT, ROOT / "include", ROOT / "plugins"]
    found = subprocess.run(
        [sys.executable, "-c", PROBE, ",".join(watched)],
        input="\n".join(modules),
        env={"AIRFLOW_HOME": str(home), "PATH": os.defpath, "PYTHONPATH": os.pathsep.join(map(str, folders))},
        cwd=home,
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stderr
    return {name: names for name, names in json.loads(found.stdout.splitlines()[-1]).items() if names}


def test_the_probe_sees_an_indirect_import(tmp_path: Path):
    (tmp_path / "innocent.py").write_text("import helpful\n")
    (tmp_path / "helpful.py").write_text("import pyarrow\n")
    assert loaded_by(["json", "innocent"], HEAVY, tmp_path, first=tmp_path) == {"innocent": ["pyarrow"]}


@pytest.mark.parametrize(
    "room",
    [
        "include/palmares/leaderboard",
        "include/palmares/store",
        "include/palmares/hub",
        "include/palmares/steps",
    ],
)
def test_a_room_that_tasks_use_loads_neither_heavy_libraries_nor_airflow(room: str, tmp_path: Path):
    assert loaded_by(modules_of(room), HEAVY | AIRFLOW, tmp_path) == {}


@pytest.mark.parametrize("room", ["include/palmares/cli", "devstack/servers"])
def test_a_room_of_the_embedded_default_does_not_load_airflow(room: str, tmp_path: Path):
    assert loaded_by(modules_of(room), AIRFLOW, tmp_path) == {}


def test_the_provider_loads_neither_heavy_libraries_nor_the_leaderboard(tmp_path: Path):
    assert loaded_by(modules_of("plugins/clearml_provider"), HEAVY | {"palmares"}, tmp_path) == {}


@pytest.mark.parametrize("dag_file", sorted((ROOT / "dags").glob("*.py")), ids=lambda path: path.stem)
def test_a_dag_file_loads_neither_heavy_libraries_nor_the_leaderboard(dag_file: Path, tmp_path: Path):
    assert loaded_by([f"{dag_file.stem} {dag_file}"], HEAVY | {"palmares"}, tmp_path) == {}
