"""Each way in which a real job's process can end, and the class that it gets from what is left of it."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from palmares.leaderboard.outcomes import AttemptOutcome

from tests.palmares.evaluator.job_services import EVALUATOR_BIN, KEYS, Services

pytestmark = pytest.mark.stack

MODELS = Path(__file__).resolve().parents[3] / "devstack" / "demo" / "models"

PROCESSES = {
    "memory": ("bytearray(1 << 62)", "out_of_memory"),
    "traceback": ("{}['row']", "evaluator_error"),
    "exit": ("raise SystemExit(3)", "evaluator_error"),
    "killed": ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "node_lost"),
    "terminated": ("import os, signal; os.kill(os.getpid(), signal.SIGTERM)", "preempted"),
}
"""Name → what the process does, and the class of its outcome."""


def verdict_of(services: Services, task_id: str) -> AttemptOutcome:
    """Judge a ClearML task by what the server knows of it."""
    from palmares.steps.sweep.outcomes import classify_task  # not in the evaluator's environment

    task = services.task(task_id)
    properties = task["hyperparams"].get("properties", {})
    return classify_task(
        succeeded=task["status"] == "completed",
        status=task["status"],
        status_reason=task.get("status_reason") or "",
        stop_cause=None,
        user_properties={name: entry["value"] for name, entry in properties.items()},
        artifacts=[artifact["key"] for artifact in task.get("execution", {}).get("artifacts") or ()],
        console=services.console(task_id).splitlines(),
    )


def new_script(services: Services, body: str) -> str:
    created = services.call(
        "tasks.create",
        name="a process",
        type="testing",
        script={
            "diff": f"{body}\n",
            "entry_point": "process.py",
            "working_dir": ".",
            "binary": "python3",
            "requirements": {"pip": ""},
        },
    )
    return str(created["id"])


def start_agent(services: Services, task_id: str, home: Path) -> subprocess.Popen[bytes]:
    """Run one task under an agent with a home of its own: those that share one share the script's file."""
    home.mkdir()
    shutil.copy(Path(services.environment["HOME"]) / "clearml.conf", home)
    own = {"HOME": str(home), "TMPDIR": str(home), "CLEARML_WORKER_ID": f"dies:{home.name}"}
    return subprocess.Popen(
        [str(EVALUATOR_BIN / "clearml-agent"), "execute", "--id", task_id],
        env={**services.environment, **own},
        cwd=home,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def test_each_way_that_a_process_dies_under_the_agent_has_its_class(services: Services, tmp_path: Path):
    tasks = {name: new_script(services, body) for name, (body, _) in PROCESSES.items()}
    agents = [start_agent(services, task_id, tmp_path / name) for name, task_id in tasks.items()]
    for agent in agents:
        agent.wait(timeout=240)

    found = {name: verdict_of(services, task_id) for name, task_id in tasks.items()}

    statuses = {name: services.task(task_id)["status_reason"] for name, task_id in tasks.items()}
    told = {name: outcome.failure_class for name, outcome in found.items()}
    assert told == {name: expected for name, (_, expected) in PROCESSES.items()}, statuses
    assert {outcome.decision for outcome in found.values()} == {"retry"}


@pytest.fixture
def odd_models(services: Services, tmp_path: Path) -> dict[str, str]:
    """Models on the embedded Hub that cannot be evaluated; name → class."""
    from huggingface_hub import HfApi

    hub = HfApi(endpoint=services.urls["hub"], token=KEYS["PALMARES_HUB_TOKEN"])
    folders = {
        name: Path(shutil.copytree(MODELS / "petit", tmp_path / name)) for name in ("cut", "unknown", "mute")
    }
    weights = folders["cut"] / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:5000])
    config = folders["unknown"] / "config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "model_type": "grandiloquent"}))
    (folders["mute"] / "tokenizer.json").unlink()
    (folders["mute"] / "tokenizer_config.json").unlink()
    for name, folder in folders.items():
        hub.create_repo(f"palmares-demo/{name}", exist_ok=True)
        hub.upload_folder(repo_id=f"palmares-demo/{name}", folder_path=folder)
    return {"cut": "bad_model", "unknown": "incompatible", "mute": "bad_model"}


def test_models_that_cannot_be_evaluated_are_refused_and_not_tried_again(
    services: Services, odd_models: dict[str, str]
):
    for name, expected in odd_models.items():
        task_id = services.new_task(model=f"palmares-demo/{name}")
        done = services.run_by_itself(task_id)
        assert done.returncode == 1, done.stdout
        # No agent here, who would say this.
        services.call("tasks.failed", task=task_id, force=True, status_reason="worker execution exit code 1")
        outcome = verdict_of(services, task_id)
        assert (outcome.decision, outcome.failure_class) == ("skip", expected), done.stdout


def test_a_hub_that_is_away_is_nobody_s_fault(services: Services):
    away: dict[str, Any] = {"HF_ENDPOINT": "http://127.0.0.1:9"}
    task_id = services.new_task()
    done = services.run_by_itself(task_id, **away)
    assert done.returncode == 1, done.stdout
    services.call("tasks.failed", task=task_id, force=True, status_reason="worker execution exit code 1")
    outcome = verdict_of(services, task_id)
    assert (outcome.decision, outcome.failure_class) == ("retry", "evaluator_error")
