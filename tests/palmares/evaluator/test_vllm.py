"""The real vLLM, on the CPU, gives the scores of transformers, and its job ends."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
PYTHON = ROOT / ".venv-evaluator-vllm" / "bin" / "python"
TASKS = "community|bac-fr|0,community|gpqa-fr|0"
DEADLINE_S = 400

pytestmark = pytest.mark.skipif(
    not PYTHON.is_file(), reason="vLLM for the CPU is not installed: make setup-vllm"
)


@contextmanager
def job(output: Path, backend: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    command = [str(PYTHON), "-m", "palmares.evaluator.run_local"]
    command += [str(ROOT / "devstack" / "demo" / "models" / "grand"), "--tasks", TASKS, "--dtype", "float32"]
    command += ["--datasets", str(ROOT / "devstack" / "demo" / "datasets"), "--output", str(output)]
    with subprocess.Popen(
        [*command, "--backend", backend, "--enforce-eager", *arguments],
        cwd=ROOT,
        env={**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "VLLM_CPU_KVCACHE_SPACE": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def test_vllm_gives_the_scores_of_transformers_and_the_job_ends(tmp_path: Path):
    metrics = {}
    for backend in ("hf", "vllm"):
        with job(tmp_path / backend, backend, "--limit-samples", "8") as process:
            console, _ = process.communicate(timeout=DEADLINE_S)
        assert process.returncode == 0, console
        manifest = json.loads((tmp_path / backend / "artifact" / "manifest.json").read_text(encoding="utf-8"))
        metrics[backend] = {key: task["metrics"] for key, task in manifest["tasks"].items()}
        assert manifest["model"]["parameters"] == 853120
    assert manifest["engine"]["tensor_parallel_size"] == 1
    assert all(task["rows_per_s"] > 0 for task in manifest["tasks"].values())
    assert "(vllm-cpu)" in manifest["versions"]["vllm"]
    assert metrics["vllm"] == metrics["hf"]
