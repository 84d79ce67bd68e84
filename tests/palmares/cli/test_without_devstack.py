"""The package works where the embedded stack is not installed, as in the production image."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

_SCRIPT = """
import importlib, pkgutil, sys

class Absent:
    def find_spec(self, name, *_):
        if name.partition(".")[0] == "devstack":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
import palmares.cli.main as main
main.entry_points = lambda **_: ()
main.build_app()
names = [
    each.name
    for package in map("palmares.".__add__, ("cli", "steps", "store", "hub", "leaderboard", "rescoring"))
    for each in pkgutil.walk_packages(importlib.import_module(package).__path__, f"{package}.")
    if ".migrations" not in each.name
]
for name in names:
    importlib.import_module(name)
print(len(names))
"""


def test_every_module_is_imported_and_the_command_built_without_devstack() -> None:
    root = Path(__file__).parents[3]
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT],
        cwd=root,
        env={"PYTHONPATH": str(root / "include")},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 100
