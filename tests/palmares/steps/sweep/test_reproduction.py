"""A published result is done again by its provenance's own commands, and gives the same numbers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from palmares.leaderboard.publishing import Provenance
from palmares.steps.services import Services
from palmares.steps.sweep.outcomes import record_enqueued
from palmares.steps.sweep.planning import plan_resources
from palmares.steps.sweep.publishing import publish
from palmares.steps.sweep.results import fetch_results, post_process

from tests.palmares.steps.sweeping import admit, claimed

pytestmark = pytest.mark.stack

ROOT = Path(__file__).resolve().parents[4]
EVALUATOR = Path(os.environ.get("PALMARES_EVALUATOR_PYTHON") or ROOT / ".venv-evaluator/bin/python")
DATASETS = ROOT / "devstack" / "demo" / "datasets"
RUN = "night-1"

JOB = """
import json, sys
from pathlib import Path
from palmares.evaluator.evaluation import evaluate_model
from palmares.evaluator.rows import ignore_rows
from palmares.evaluator.settings import read_settings

general, folder, datasets = json.loads(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
parameters = {f"General/{name}": value for name, value in general.items()}
settings = read_settings(parameters, {}, datasets_directory=datasets)
evaluate_model(settings, folder, clearml_task_id="c" * 32, progress=print, on_rows=ignore_rows)
"""
"""What a ClearML job does, without ClearML."""


def test_the_commands_of_the_provenance_give_the_published_scores(services: Services, tmp_path: Path) -> None:
    petit = claimed(admit(services, run=RUN, models=["palmares-demo/petit"]))["petit"]
    job = plan_resources(services, petit.to_json(), dag_run_id=RUN, cluster=None)
    record_enqueued(services, petit.job_key, "c" * 32)
    environment = {
        **os.environ,
        "PYTHONPATH": f"{ROOT}:{ROOT / 'include'}",
        "HF_HOME": str(tmp_path / "cache"),
        "HF_HUB_DISABLE_XET": "1",
        "DATASETS_DIRECTORY": str(DATASETS),
        "OMP_NUM_THREADS": "1",
    }
    general = json.dumps(job["task_spec"]["hyperparams"]["General"])
    subprocess.run(
        [EVALUATOR, "-c", JOB, general, tmp_path / "job", DATASETS],
        env={**environment, "HF_ENDPOINT": services.hub.endpoint},
        check=True,
        timeout=300,
    )
    fetch_results(services, petit.to_json(), tmp_path / "job" / "artifact", attempt=1)
    post_process(services, petit.to_json())
    publish(services, petit.to_json(), dag_run_id=RUN)

    repo = services.settings.hub.results_repo
    head = services.hub.head(repo)
    files = {
        path.split("/")[-1].split("_")[0]: services.hub.read_file(repo, path, commit=head) or b""
        for path in services.hub.list_paths(repo, commit=head)
        if path.startswith("palmares-demo/petit/")
    }
    published = json.loads(files["results"])["palmares"]["scores"]
    evaluate, score = Provenance.model_validate_json(files["provenance"]).reproduce

    # The checkout's own place of the two programs is all that differs here from a reader's machine.
    place = evaluate.replace(".venv-evaluator/bin/python", str(EVALUATOR), 1)
    environment.pop("HF_ENDPOINT", None)
    subprocess.run(["bash", "-c", place], cwd=tmp_path, env=environment, check=True, timeout=300)
    palmares = f"{sys.executable} -m palmares.cli.main"
    told = subprocess.run(
        ["bash", "-c", score.replace("palmares", palmares, 1) + " --json"],
        cwd=tmp_path,
        env=environment,
        check=True,
        timeout=600,
        capture_output=True,
        text=True,
    )

    (row,) = json.loads(told.stdout)["rows"]
    assert (row["model"], row["revision"]) == (petit.model_id, petit.revision)
    assert {name: (one["value"], one["stderr"]) for name, one in row["scores"].items()} == {
        name: (one["value"], one["stderr"]) for name, one in published.items()
    }
    assert len({one["value"] for one in published.values()}) > 1  # no row of zeros
