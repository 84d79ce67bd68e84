"""Evaluations of the demo's models, run once for all tests of this folder."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.palmares.evaluator.job_services import services

__all__ = ["services"]

ROOT = Path(__file__).resolve().parents[3]
MODELS = ROOT / "devstack" / "demo" / "models"
DATASETS = ROOT / "devstack" / "demo" / "datasets"
TASKS = "community|bac-fr|0,community|ifeval-fr|0,community|gpqa-fr|0"
COMMON = ("--datasets", str(DATASETS), "--tasks", TASKS)


@dataclass(frozen=True, slots=True)
class Run:
    """A finished process of `run_local`."""

    output: Path
    console: str
    returncode: int

    @property
    def artifact(self) -> Path:
        return self.output / "artifact"

    @property
    def manifest(self) -> dict[str, Any]:
        manifest: dict[str, Any] = json.loads((self.artifact / "manifest.json").read_text(encoding="utf-8"))
        return manifest

    @property
    def average(self) -> Any:
        """Plain mean of the three tasks, ifeval's two metrics first averaged."""
        tasks = {key.split("|")[1]: task["metrics"] for key, task in self.manifest["tasks"].items()}
        ifeval = (
            tasks["ifeval-fr"]["prompt_level_strict_acc"] + tasks["ifeval-fr"]["inst_level_strict_acc"]
        ) / 2
        return (tasks["bac-fr"]["bac-fr-qem"] + ifeval + tasks["gpqa-fr"]["acc"]) / 3

    @property
    def failure(self) -> Any:
        last = self.console.strip().splitlines()[-1]
        marker, body = last.split(" ", 1)
        assert marker == "PALMARES_FAILURE"
        return json.loads(body)


def evaluate(model: Path, output: Path, *arguments: str) -> Run:
    """Evaluate a folder in this process: importing the libraries takes ten times as long as a tiny model."""
    from palmares.evaluator.run_local import main

    console = io.StringIO()
    command = [str(model), *COMMON, "--output", str(output), *arguments]
    with contextlib.redirect_stdout(console), contextlib.redirect_stderr(console):
        returncode = main(command)
    return Run(output, console.getvalue(), returncode)


def evaluate_alone(model: Path, output: Path, *arguments: str) -> Run:
    """Evaluate a folder in a process of its own, and keep all that it and its libraries print."""
    command = [sys.executable, "-m", "palmares.evaluator.run_local", str(model), *COMMON]
    done = subprocess.run(
        [*command, "--output", str(output), *arguments],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=900,
        check=False,
    )
    return Run(output, done.stdout, done.returncode)


@pytest.fixture(scope="session")
def demo_runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    """The three models as shipped."""
    folder = tmp_path_factory.mktemp("runs")
    runs = {name: evaluate(MODELS / name, folder / name, "--zip") for name in ("petit", "moyen")}
    return runs | {"grand": evaluate_alone(MODELS / "grand", folder / "grand", "--zip")}
