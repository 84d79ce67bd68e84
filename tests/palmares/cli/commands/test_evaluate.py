"""`palmares evaluate`: what is asked is checked first; then a real model, a table and files."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fixtures.config import CONFIG_DIR

ROOT = Path(__file__).parents[4]
PETIT = ROOT / "devstack" / "demo" / "models" / "petit"


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "palmares.cli.main", "evaluate", *arguments],
        cwd=ROOT,
        env={
            **os.environ,
            "COLUMNS": "120",
            "DATASETS_DIRECTORY": str(ROOT / "devstack" / "demo" / "datasets"),
            "HF_HUB_OFFLINE": "1",
            "OMP_NUM_THREADS": "1",
            "PALMARES_CONFIG_DIR": str(CONFIG_DIR),
            "PYTHONPATH": f"{ROOT / 'include'}:{ROOT}",
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def test_a_model_of_this_machine_is_evaluated_and_its_table_printed(tmp_path: Path):
    done = run(str(PETIT), "--suite", "fr", "--limit", "2", "--output", str(tmp_path))

    assert done.returncode == 0, done.stderr
    assert all(title in done.stdout for title in ("BAC-fr", "IFEval-fr", "GPQA-fr", "Average"))
    assert "Preliminary: not all rows were answered." in done.stdout
    assert (tmp_path / "artifact" / "manifest.json").is_file()


def test_for_programs_standard_output_is_one_object(tmp_path: Path):
    done = run(str(PETIT), "--tasks", "gpqa-fr", "--limit", "2", "--output", str(tmp_path), "--json")

    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert set(document["scores"]) == {"gpqa-fr"}
    assert document["scores"]["gpqa-fr"]["n"] == 2
    assert document["preliminary"] is True


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--tasks", "gsm9k"], "Did you mean 'gsm8k'"),
        (["--tasks", "bac-fr", "--num-fewshot", "3"], "num_fewshot cannot be 3"),
        (["--tasks", "bac-fr", "--suite", "fr"], "exclude one another"),
        (["--suite", "fr", "--num-fewshot", "3"], "a suite has its own numbers"),
        (["--suite", "none"], "No suite 'none'"),
        (["--tusks", "bac-fr"], "No such option"),
    ],
)
def test_what_is_wrong_is_said_before_anything_runs(tmp_path: Path, arguments: list[str], message: str):
    done = run(str(PETIT), *arguments, "--output", str(tmp_path / "out"))

    assert done.returncode != 0
    assert message in " ".join((done.stdout + done.stderr).replace("│", " ").split())
    assert not (tmp_path / "out").exists()
