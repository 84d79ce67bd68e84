"""The comparison with real memory, as far as it goes without a GPU."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from palmares.cli.planning import inputs
from palmares.leaderboard.planning import plan_job
from palmares.leaderboard.settings import load_settings

from performance.gpu_memory import CONFIGS, GIB, machine, real_bytes
from tests.fixtures.config import CONFIG_DIR

ROOT = Path(__file__).parents[2]
LOG = """
(TP0) INFO 10-06 12:00:20 [model.py:3106] Model loading took 7.51 GiB memory and 2.1 seconds
(TP1) INFO 10-06 12:00:20 [model.py:3106] Model loading took 7.62 GiB memory and 2.2 seconds
(TP0) INFO 10-06 12:00:31 [gpu_worker.py:298] Available KV cache memory: 61.50 GiB
(TP1) INFO 10-06 12:00:31 [gpu_worker.py:298] Available KV cache memory: 61.25 GiB
(TP0) INFO 10-06 12:00:40 [model.py:3480] Graph capturing finished in 8 secs, took 0.50 GiB
"""


def test_the_fullest_gpu_counts():
    assert real_bytes(LOG) == {
        "weights": int(7.62 * GIB),
        "kv_available": int(61.25 * GIB),
        "graphs": int(0.5 * GIB),
    }


def test_without_a_gpu_it_says_that_nothing_was_measured(tmp_path):
    done = subprocess.run(
        [sys.executable, str(ROOT / "performance" / "gpu_memory.py")],
        env={**os.environ, "PATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("Not measured: no GPU")


@pytest.mark.parametrize("name", CONFIGS)
def test_its_own_shapes_can_be_planned(name):
    settings = load_settings(CONFIG_DIR)
    facts = inputs.facts_from_config(CONFIGS[name], name=name, weights_bytes=None)
    suite = settings.suite()
    submission = inputs.submission_of(facts, suite, precision="bfloat16")

    plan = plan_job(facts, submission, suite, machine(settings, memory=80 * GIB, gpus=1))

    assert (plan.nodes, plan.tensor_parallel_size) == (1, 1)
    assert {"weights", "graphs", "free"} <= set(plan.bytes_per_gpu)
