"""The job under the real agent and SDK, against the embedded ClearML and Hub."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from include.demo.canary import CANARY
from include.demo.seed import seed_hub
from include.evaluator.suite_hash import suite_hash

if TYPE_CHECKING:
    import httpx  # The evaluator's environment, which collects this file too, does not have it.

pytestmark = pytest.mark.stack

ROOT = Path(__file__).resolve().parents[3]
EVALUATOR_BIN = ROOT / ".venv-evaluator" / "bin"
SERVICES = ("clearml_api", "clearml_files", "clearml_web", "hub")
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
            "tasks": "community|bac-fr|0,community|ifeval-fr|0,community|gpqa-fr|0",
            "dtype": "bfloat16",
            "backend": "hf",
            "use_chat_template": "True",
            "suite": "fr",
            "suite_hash": suite_hash(),
            "job_key": "0123456789abcdef0123456789abcdef",
            "limit_samples": "",
            "seed": "42",
        } | changes
        properties = {"idempotency_key": general["job_key"], "attempt": "2"}
        script = (ROOT / "include" / "evaluator" / "clearml_job.py").read_text(encoding="utf-8")
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
        return subprocess.run(
            [str(EVALUATOR_BIN / "python"), str(ROOT / "include" / "evaluator" / "clearml_job.py")],
            env={**self.environment, "CLEARML_TASK_ID": task_id, "PYTHONPATH": str(ROOT), **changes},
            cwd=self.environment["HOME"],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=240,
            check=False,
        )


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    import httpx

    state, home = tmp_path_factory.mktemp("services"), tmp_path_factory.mktemp("home")
    log = state / "log"
    ports = [part for name in SERVICES for part in (f"--{name.replace('_', '-')}-port", "0")]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "include.embedded.serve", "--state-dir", str(state), *ports],
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
            "DATASETS_DIRECTORY": str(ROOT / "include" / "demo" / "datasets"),
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


def test_a_job_under_the_agent_leaves_values_and_one_whole_artifact(services: Services, tmp_path: Path):
    import httpx

    task_id = services.new_task()
    assert services.run_by_agent(task_id) == 0, services.console(task_id)
    task = services.task(task_id)
    assert task["status"] == "completed"
    values = services.call("events.get_task_single_value_metrics", tasks=[task_id])["tasks"][0]["values"]
    reported = {value["variant"]: value["value"] for value in values}
    assert set(reported) == {
        "community:bac-fr:0 | bac-fr-qem",
        "community:ifeval-fr:0 | prompt_level_strict_acc",
        "community:ifeval-fr:0 | inst_level_strict_acc",
        "community:gpqa-fr:0 | acc",
    }
    (artifact,) = task["execution"]["artifacts"]
    assert artifact["key"] == "results"
    archive = tmp_path / "results.zip"
    headers = {"Authorization": services.api.headers["Authorization"]}
    archive.write_bytes(httpx.get(artifact["uri"], headers=headers).raise_for_status().content)
    with zipfile.ZipFile(archive) as packed:
        manifest = json.loads(packed.read("manifest.json"))
        assert set(packed.namelist()) == {*manifest["files"], "manifest.json"}
    assert (manifest["clearml_task_id"], manifest["attempt"]) == (task_id, 2)
    assert manifest["model"]["id"] == "palmares-demo/petit"
    bac = manifest["tasks"]["community|bac-fr|0"]["metrics"]["bac-fr-qem"]
    assert reported["community:bac-fr:0 | bac-fr-qem"] == pytest.approx(bac)
    console = services.console(task_id)
    assert "gpqa-fr 3/3" in console
    assert CANARY not in console
    assert CANARY not in json.dumps(task)


@pytest.mark.parametrize(
    ("model", "revision", "failure_class"),
    [
        ("palmares-demo/petit", "0" * 40, "not_found"),
        ("palmares-demo/fantome", "main", "not_found"),
        ("autre-labo/modele-reserve", "main", "gated"),
        ("palmares-demo/colosse-405b", "main", "bad_model"),
    ],
)
def test_a_model_that_cannot_be_had_is_told_with_its_class(
    services: Services, model: str, revision: str, failure_class: str
):
    task_id = services.new_task(model=model, revision=revision)
    done = services.run_by_itself(task_id)
    assert done.returncode == 1, done.stdout
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("PALMARES_FAILURE")]
    assert json.loads(line.split(" ", 1)[1])["class"] == failure_class
    properties = services.task(task_id)["hyperparams"]["properties"]
    assert properties["failure_class"]["value"] == failure_class


@pytest.fixture
def full_file_server() -> Iterator[str]:
    """A file server that refuses every upload as too large; the SDK only logs that (clearml#1291)."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(413)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def do_GET(self) -> None:
            self.send_response(404)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_HEAD = do_PUT = do_GET

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join(timeout=10)


def test_results_that_do_not_arrive_fail_the_job_and_the_next_attempt_uploads_them(
    services: Services, full_file_server: str
):
    task_id = services.new_task(tasks="community|bac-fr|0", limit_samples="3")
    lost = services.run_by_itself(task_id, CLEARML_FILES_HOST=full_file_server)
    assert lost.returncode == 1, lost.stdout
    assert '"class": "results_incomplete"' in lost.stdout
    again = services.run_by_itself(task_id)
    assert again.returncode == 0, again.stdout
    assert "bac-fr 1/1: saved by an earlier attempt" in again.stdout
    assert services.task(task_id)["hyperparams"]["properties"]["failure_class"]["value"] == ""
