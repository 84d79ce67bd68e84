"""The embedded services as a job's surroundings, and the script of a job started in them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from palmares.benchmarks.registry import suite_hash

from devstack.demo.seed import seed_hub

if TYPE_CHECKING:
    import httpx  # The evaluator's environment, which collects this file too, does not have it.

ROOT = Path(__file__).resolve().parents[3]
EVALUATOR_BIN = ROOT / ".venv-evaluator" / "bin"
SERVICES = ("clearml_api", "clearml_files", "clearml_web", "hub")
TASKS = "community|bac-fr|0,community|ifeval-fr|0,community|gpqa-fr|0"
KEYS = {
    "PALMARES_CLEARML_ACCESS_KEY": "test-access",
    "PALMARES_CLEARML_SECRET_KEY": "test-secret",
    "PALMARES_JWT_SECRET": "test-jwt-secret-of-at-least-32-bytes",
    "PALMARES_HUB_TOKEN": "hf_test_token",
}


@dataclass(frozen=True)
class Services:
    """Where the embedded services listen, and what a job needs in its environment."""

    api: httpx.Client
    urls: dict[str, str]
    environment: dict[str, str]

    def call(self, endpoint: str, **body: Any) -> Any:
        return self.api.post(f"/{endpoint}", json=body).raise_for_status().json()["data"]

    def new_task(self, **changes: str) -> str:
        general = {
            "model": "palmares-demo/petit",
            "revision": "main",
            "tasks": TASKS,
            "dtype": "bfloat16",
            "backend": "hf",
            "use_chat_template": "True",
            "suite": "fr",
            "suite_hash": suite_hash(changes.get("tasks", TASKS).split(",")),
            "job_key": "0123456789abcdef0123456789abcdef",
            "limit_samples": "",
            "seed": "42",
        } | changes
        properties = {"idempotency_key": general["job_key"], "attempt": "2"}
        script = (ROOT / "include" / "palmares" / "evaluator" / "clearml_job.py").read_text(encoding="utf-8")
        created = self.call(
            "tasks.create",
            name="a job",
            type="testing",
            script={
                "diff": script,
                "entry_point": "clearml_job.py",
                "working_dir": ".",
                "binary": "python3",
                "requirements": {"pip": ""},
            },
            hyperparams={
                section: {
                    name: {"section": section, "name": name, "value": value, "type": "str"}
                    for name, value in values.items()
                }
                for section, values in (("General", general), ("properties", properties))
            },
        )
        return str(created["id"])

    def task(self, task_id: str) -> Any:
        return self.call("tasks.get_all", id=[task_id])["tasks"][0]

    def console(self, task_id: str) -> str:
        events = self.call("events.get_task_log", task=task_id, batch_size=1000, order="asc")["events"]
        return "\n".join(event["msg"] for event in events)

    def run_by_agent(self, task_id: str) -> int:
        done = subprocess.run(
            [str(EVALUATOR_BIN / "clearml-agent"), "execute", "--id", task_id],
            env=self.environment,
            cwd=self.environment["HOME"],
            capture_output=True,
            timeout=240,
            check=False,
        )
        return done.returncode

    def run_by_itself(self, task_id: str, **changes: str) -> subprocess.CompletedProcess[str]:
        """Run the script as the agent would start it, without the agent's own ten seconds."""
        job = self.start_by_itself(task_id, **changes)
        try:
            output, _ = job.communicate(timeout=240)
        finally:
            job.kill()
        return subprocess.CompletedProcess(job.args, job.returncode, output)

    def start_by_itself(self, task_id: str, **changes: str) -> subprocess.Popen[str]:
        """Start the script as the agent would."""
        return subprocess.Popen(
            [
                str(EVALUATOR_BIN / "python"),
                str(ROOT / "include" / "palmares" / "evaluator" / "clearml_job.py"),
            ],
            env={
                **self.environment,
                "CLEARML_TASK_ID": task_id,
                "PYTHONPATH": f"{ROOT}:{ROOT / 'include'}",
                **changes,
            },
            cwd=self.environment["HOME"],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def read_until(self, job: subprocess.Popen[str], wanted: str) -> str:
        """Read what a started job prints until a line holds *wanted*; return what was read."""
        read: list[str] = []
        assert job.stdout is not None
        for line in job.stdout:
            read.append(line)
            if wanted in line:
                return "".join(read)
        raise AssertionError("".join(read))


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    import httpx

    state, home = tmp_path_factory.mktemp("services"), tmp_path_factory.mktemp("home")
    log = state / "log"
    ports = [part for name in SERVICES for part in (f"--{name.replace('_', '-')}-port", "0")]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "devstack.servers.serve", "--state-dir", str(state), *ports],
            env={**os.environ, **KEYS},
            cwd=ROOT,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        urls = _addresses(process, log)
        seed_hub(urls["hub"], KEYS["PALMARES_HUB_TOKEN"])
        (home / "clearml.conf").write_text("agent { disable_agent_update_check: true }\n")
        environment = {
            "HOME": str(home),
            "TMPDIR": str(home),
            "PATH": f"{EVALUATOR_BIN}:/usr/local/bin:/usr/bin:/bin",
            "CLEARML_API_HOST": urls["clearml_api"],
            "CLEARML_FILES_HOST": urls["clearml_files"],
            "CLEARML_WEB_HOST": urls["clearml_web"],
            "CLEARML_API_ACCESS_KEY": KEYS["PALMARES_CLEARML_ACCESS_KEY"],
            "CLEARML_API_SECRET_KEY": KEYS["PALMARES_CLEARML_SECRET_KEY"],
            "CLEARML_AGENT_SKIP_PYTHON_ENV_INSTALL": "1",
            "HF_ENDPOINT": urls["hub"],
            "HF_HOME": str(home / "huggingface"),
            "HF_TOKEN": KEYS["PALMARES_HUB_TOKEN"],
            "DATASETS_DIRECTORY": str(ROOT / "devstack" / "demo" / "datasets"),
            "OMP_NUM_THREADS": "1",
            "NO_PROXY": "127.0.0.1",
        }
        token = httpx.post(
            f"{urls['clearml_api']}/auth.login",
            auth=(KEYS["PALMARES_CLEARML_ACCESS_KEY"], KEYS["PALMARES_CLEARML_SECRET_KEY"]),
        ).json()["data"]["token"]
        headers = {"Authorization": f"Bearer {token}"}
        with httpx.Client(base_url=urls["clearml_api"], headers=headers, timeout=30) as api:
            yield Services(api, urls, environment)
    finally:
        process.terminate()
        process.wait(timeout=20)


def _addresses(process: subprocess.Popen[bytes], log: Path) -> dict[str, str]:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        found = dict(re.findall(r"(\w+) on (http://127\.0\.0\.1:\d+)", log.read_text()))
        if set(SERVICES) <= set(found):
            return found
        time.sleep(0.05)
    raise AssertionError(log.read_text())
