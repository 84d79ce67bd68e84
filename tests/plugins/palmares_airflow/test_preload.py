from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
SAY = """
import json, sys, threading
sys.argv[1:] = [{command!r}]
import airflow_local_settings
from palmares_airflow.preload import MODULES
loaded = [name for name in MODULES if name in sys.modules]
print(json.dumps([loaded, threading.active_count(), list(MODULES)]))
"""


def loaded_by(command: str, home: Path) -> tuple[list[str], int, list[str]]:
    """What `airflow <command>` has loaded of the modules, its threads, and all of the modules."""
    done = subprocess.run(
        [sys.executable, "-c", SAY.format(command=command)],
        env={
            "PYTHONPATH": f"{ROOT / 'plugins'}:{ROOT / 'include'}",
            "AIRFLOW_HOME": str(home),
            "PATH": "/usr/bin:/bin",
        },
        capture_output=True,
        text=True,
        check=True,
    )
    loaded, threads, modules = json.loads(done.stdout.splitlines()[-1])
    return loaded, threads, modules


@pytest.mark.parametrize("command", ["scheduler", "celery"])
def test_a_process_that_forks_tasks_has_loaded_what_they_need_and_started_no_thread(
    command: str, tmp_path: Path
) -> None:
    loaded, threads, modules = loaded_by(command, tmp_path)

    assert loaded == modules
    assert threads == 1


def test_any_other_process_of_airflow_stays_small(tmp_path: Path) -> None:
    loaded, _, _ = loaded_by("triggerer", tmp_path)

    assert loaded == []
