"""The job under the real agent and SDK, against the embedded ClearML and Hub."""

from __future__ import annotations

import json
import signal
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from palmares.leaderboard.outcomes import safe_line

from devstack.demo.canary import CANARY
from tests.palmares.evaluator.job_services import Services

pytestmark = pytest.mark.stack


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
    assert task["runtime"]["progress"] == "100"
    curves = services.call("events.scalar_metrics_iter_histogram", task=task_id)
    done = {curve["name"]: curve["y"][-1] for curve in curves["rows done"].values()}
    (scored,) = curves["community:gpqa-fr:0"].values()
    assert scored["x"] == [2]
    plots = services.call("events.get_task_plots", task=task_id)["plots"]
    assert {(plot["metric"], plot["variant"]) for plot in plots} == {
        ("scores", "attempt 2"),
        ("throughput", "attempt 2"),
    }
    (artifact,) = task["execution"]["artifacts"]
    assert artifact["key"] == "results"
    archive = tmp_path / "results.zip"
    headers = {"Authorization": services.api.headers["Authorization"]}
    archive.write_bytes(httpx.get(artifact["uri"], headers=headers).raise_for_status().content)
    with zipfile.ZipFile(archive) as packed:
        manifest = json.loads(packed.read("manifest.json"))
        assert done == {one["lm_eval_task"]: one["rows"] for one in manifest["tasks"].values()}
        assert set(packed.namelist()) == {*manifest["files"], "manifest.json"}
    assert (manifest["clearml_task_id"], manifest["attempt"]) == (task_id, 2)
    assert manifest["model"]["id"] == "palmares-demo/petit"
    bac = manifest["tasks"]["community|bac-fr|0"]["metrics"]["bac-fr-qem"]
    assert reported["community:bac-fr:0 | bac-fr-qem"] == pytest.approx(bac)
    console = services.console(task_id)
    assert "palmares | gpqa-fr 3/3" in console
    shown = [safe for line in console.splitlines() if (safe := safe_line(line))]
    assert "palmares | results of attempt 2 uploaded and read back" in shown
    assert "Process completed successfully" in shown
    assert not any("Running generate_until" in line for line in shown)
    assert task["hyperparams"]["properties"]["results_attempt"]["value"] == "2"
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


def test_a_job_that_is_told_to_stop_says_so(services: Services):
    task_id = services.new_task(tasks="community|bac-fr|0")
    job = services.start_by_itself(task_id)
    console = services.read_until(job, "palmares | attempt 2")
    job.send_signal(signal.SIGTERM)
    rest, _ = job.communicate(timeout=600)
    assert job.returncode in {-signal.SIGTERM, 128 + signal.SIGTERM}, console + rest
    assert "palmares | told to stop by SIGTERM" in rest
    assert "results_attempt" not in services.task(task_id)["hyperparams"]["properties"]


def test_a_job_that_is_stopped_in_the_middle_goes_on_on_another_machine(services: Services, tmp_path: Path):
    task_id = services.new_task(tasks="community|bac-fr|0,community|ifeval-fr|0", batch_size="1")
    first = {"PALMARES_JOBS_DIRECTORY": str(tmp_path / "first")}
    job = services.start_by_itself(task_id, **first)
    console = services.read_until(job, "palmares | ifeval-fr 2/2: 48 rows")
    job.send_signal(signal.SIGTERM)
    rest, _ = job.communicate(timeout=600)
    assert "palmares | told to stop by SIGTERM" in console + rest
    assert [one["key"] for one in services.task(task_id)["execution"]["artifacts"]] == ["unfinished"]

    again = services.run_by_itself(task_id, PALMARES_JOBS_DIRECTORY=str(tmp_path / "second"))

    assert again.returncode == 0, again.stdout
    assert "palmares | goes on with what an earlier attempt on another machine answered" in again.stdout
    assert "palmares | bac-fr 1/2: saved by an earlier attempt" in again.stdout
    assert [one["key"] for one in services.task(task_id)["execution"]["artifacts"]] == ["results"]


def test_an_attempt_that_was_replaced_uploads_nothing_and_says_nothing_on_the_task(services: Services):
    task_id = services.new_task(tasks="community|bac-fr|0", limit_samples="3")
    job = services.start_by_itself(task_id)
    console = services.read_until(job, "palmares | attempt 2")
    attempt = {"section": "properties", "name": "attempt", "value": "3", "type": "str"}
    services.call("tasks.edit_hyper_params", task=task_id, hyperparams=[attempt])
    rest, _ = job.communicate(timeout=240)
    assert job.returncode == 1, console + rest
    assert "palmares | attempt 2 is over: attempt 3 is current" in rest
    task = services.task(task_id)
    properties = task["hyperparams"]["properties"]
    assert not {"results_attempt", "failure_class"} & set(properties)
    assert not task.get("execution", {}).get("artifacts")
