"""The provider alone: its wheel in a bare Airflow runs the documentation's example, with a real agent."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.stack

ROOT = Path(__file__).parents[3]
UV = Path(sys.executable).with_name("uv")
AGENT = ROOT / ".venv-evaluator/bin/clearml-agent"
ACCESS_KEY, SECRET_KEY = "wheel-access", "wheel-secret"


def until(condition: Callable[[], Any], what: str, seconds: float = 60) -> Any:
    """Poll until *condition* gives something true."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.05)
    raise AssertionError(f"Not within {seconds} s: {what}")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy, so that nothing is left among the sources."""
    folder = tmp_path_factory.mktemp("wheel")
    hidden = shutil.ignore_patterns("__pycache__", "palmares_airflow")
    shutil.copytree(ROOT / "plugins", folder / "plugins", ignore=hidden)
    build: list[Any] = [
        UV,
        "build",
        "--wheel",
        "--offline",
        "--no-build-isolation",
        "--python",
        sys.executable,
    ]
    done = subprocess.run(
        [*build, "--out-dir", folder, folder / "plugins"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    (built,) = folder.glob("*.whl")
    return built


def test_it_holds_the_provider_its_types_and_its_licence_and_nothing_else(wheel):
    from clearml_provider import __version__

    names = zipfile.ZipFile(wheel).namelist()
    info = f"airflow_provider_clearml-{__version__}.dist-info"
    assert {name.split("/")[0] for name in names} == {"clearml_provider", info}
    assert {"clearml_provider/py.typed", f"{info}/licenses/LICENSE"} <= set(names)
    sources = {p.relative_to(ROOT / "plugins").as_posix() for p in _sources()}
    assert {name for name in names if name.endswith(".py")} == sources
    metadata = zipfile.ZipFile(wheel).read(f"{info}/METADATA").decode()
    assert {line.split(": ", 1)[1] for line in metadata.splitlines() if line.startswith("Requires-Dist")} == {
        "apache-airflow>=3.3",
        "attrs>=23.1",
        "httpx>=0.27",
        "pydantic>=2.7",
        "tenacity>=8.3",
    }


def _sources() -> list[Path]:
    return list((ROOT / "plugins/clearml_provider").rglob("*.py"))


def test_the_licence_is_the_projects():
    assert (ROOT / "plugins/LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()


def test_it_asks_for_every_library_that_it_imports():
    """Airflow's own dependencies are not to be relied on, but for Airflow."""
    imported: set[str] = set()
    for path in _sources():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                imported |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                imported.add(node.module.partition(".")[0])
    outside = imported - set(sys.stdlib_module_names) - {"clearml_provider"}
    assert outside <= {"airflow", "attrs", "httpx", "pydantic", "tenacity"}


@dataclass(frozen=True)
class Bare:
    """An environment with Airflow and the wheel, and nothing of this project."""

    folder: Path
    variables: dict[str, str]

    def run(self, *command: str, seconds: float = 100) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [self.folder / "venv/bin" / command[0], *command[1:]],
            env=self.variables,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
        assert done.returncode == 0, f"{command}: {done.stdout[-5000:]}\n{done.stderr[-5000:]}"
        return done


@pytest.fixture(scope="module")
def bare(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Bare:
    """Airflow at our pins from uv's cache, else from the configured index."""
    from devstack.install import install_variables

    folder = tmp_path_factory.mktemp("bare")
    python = folder / "venv/bin/python"
    subprocess.run(
        [UV, "venv", "--quiet", "--offline", "--python", sys.executable, python.parents[1]], check=True
    )
    locked = (ROOT / "requirements.txt").read_text()
    pins = re.findall(r"^[A-Za-z0-9][^\\\n]*==[^\\\n]*", locked, re.MULTILINE)
    (folder / "constraints.txt").write_text("\n".join(pins))
    install: list[Any] = [UV, "pip", "install", "--quiet", "--python", python]
    install += ["--constraints", folder / "constraints.txt", "apache-airflow", wheel]
    variables = install_variables(os.environ)
    for offline in (["--offline"], []):
        done = subprocess.run(
            [*install, *offline], env=variables, capture_output=True, text=True, check=False
        )
        if done.returncode == 0:
            break
    assert done.returncode == 0, done.stderr
    (folder / "dags").mkdir()
    return Bare(
        folder,
        {
            "HOME": str(folder),
            "PATH": f"{python.parent}:/usr/bin:/bin",
            "AIRFLOW_HOME": str(folder / "airflow"),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__DAGS_FOLDER": str(folder / "dags"),
            "AIRFLOW__LOGGING__COLORED_CONSOLE_LOG": "False",
        },
    )


def test_a_bare_airflow_knows_the_connection_type_its_form_and_the_links(bare):
    code = """
import json, clearml_provider
from airflow.providers_manager import ProvidersManager
manager = ProvidersManager()
print(json.dumps({
    "file": clearml_provider.__file__,
    "provider": manager.providers["airflow-provider-clearml"].data["name"],
    "hook": manager.hooks["clearml"].hook_class_name,
    "tested": manager.hooks["clearml"].connection_testable,
    "fields": sorted(k for k in manager.connection_form_widgets if k.startswith("extra__clearml__")),
    "links": sorted(l for l in manager.extra_links_class_names if "clearml" in l),
}))
"""
    said = json.loads(bare.run("python", "-c", code).stdout.splitlines()[-1])
    assert Path(said["file"]).is_relative_to(bare.folder / "venv")
    assert (said["provider"], said["tested"]) == ("ClearML", True)
    assert said["hook"] == "clearml_provider.hook.ClearMLHook"
    assert "extra__clearml__retry_budget_s" in said["fields"]
    assert len(said["links"]) == 3


@contextmanager
def process(command: list[Any], *, log: Path, **options: Any) -> Iterator[subprocess.Popen[bytes]]:
    """A process in a group of its own, ended with all its children."""
    with log.open("wb") as output:
        started = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            **options,
        )
    try:
        yield started
    finally:
        started.terminate()
        try:
            started.wait(timeout=20)
        except subprocess.TimeoutExpired:
            os.killpg(started.pid, signal.SIGKILL)
            started.wait(timeout=20)


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The embedded services in a process of their own; their addresses by name."""
    folder = tmp_path_factory.mktemp("services")
    ports = [
        part
        for name in ("clearml-api", "clearml-files", "clearml-web", "hub")
        for part in (f"--{name}-port", "0")
    ]
    command = [sys.executable, "-m", "devstack.servers.serve", "--state-dir", folder / "state", *ports]
    keys = {"PALMARES_CLEARML_ACCESS_KEY": ACCESS_KEY, "PALMARES_CLEARML_SECRET_KEY": SECRET_KEY}
    keys |= {"PALMARES_JWT_SECRET": "a-secret-of-at-least-32-characters", "PALMARES_HUB_TOKEN": "hf_unused"}
    log = folder / "log"

    def addresses() -> dict[str, str]:
        found = dict(re.findall(r"(clearml_\w+|hub) on (http://\S+)", log.read_text()))
        return found if len(found) == 4 else {}

    with process(command, log=log, cwd=ROOT, env={**os.environ, **keys}):
        yield until(addresses, "the services start")


@contextmanager
def agent(home: Path, hosts: dict[str, str], queue: str) -> Iterator[None]:
    """The real agent, in the evaluator's environment, serving *queue*."""
    if not AGENT.exists():
        pytest.fail(f"{AGENT} is missing: `make test` sets up the evaluator's environment.")
    home.mkdir()
    config = home / "clearml.conf"
    config.write_text(
        "sdk { development { detect_with_pip_freeze: false, report_use_subprocess: false } }\n"
        "agent { disable_agent_update_check: true }\n"
    )
    variables = {
        "HOME": str(home),
        "TMPDIR": str(home),
        "PATH": f"{AGENT.parent}:/usr/bin:/bin",
        "CLEARML_CONFIG_FILE": str(config),
        "CLEARML_API_HOST": hosts["clearml_api"],
        "CLEARML_FILES_HOST": hosts["clearml_files"],
        "CLEARML_WEB_HOST": hosts["clearml_web"],
        "CLEARML_API_ACCESS_KEY": ACCESS_KEY,
        "CLEARML_API_SECRET_KEY": SECRET_KEY,
        "CLEARML_CACHE_DIR": str(home / "cache"),
        "CLEARML_WORKER_ID": "wheel-agent",
        "CLEARML_AGENT_SKIP_PYTHON_ENV_INSTALL": "1",
        "CLEARML_AGENT_QUEUE_POLL_FREQ_SEC": "0.5",
        # SDK and agent ask a public server for updates: nothing leaves this machine.
        "HTTP_PROXY": "http://127.0.0.1:9",
        "HTTPS_PROXY": "http://127.0.0.1:9",
        "NO_PROXY": "127.0.0.1,localhost",
    }
    command = [AGENT, "daemon", "--foreground", "--queue", queue, "--create-queue"]
    with process(command, log=home / "agent.log", env=variables, cwd=home):
        yield


def test_the_documentations_examples_run_in_a_bare_airflow(bare, hosts):
    page = (ROOT / "docs/reference/clearml_provider.md").read_text()
    for number, block in enumerate(re.findall(r"```python\n(.*?)```", page, re.DOTALL)):
        (bare.folder / f"dags/example_{number}.py").write_text(block)
    connection = {"conn_type": "clearml", "host": hosts["clearml_api"], "login": ACCESS_KEY}
    connection |= {"password": SECRET_KEY}
    extra = {"files_host": hosts["clearml_files"], "web_host": hosts["clearml_web"]}
    bare.variables["AIRFLOW_CONN_CLEARML_DEFAULT"] = json.dumps({**connection, "extra": extra})
    results = bare.folder / "results"
    conf = json.dumps({"results": results.as_uri()})
    with agent(bare.folder / "agent", hosts, "default"):
        bare.run("airflow", "db", "migrate")
        ran = bare.run("airflow", "dags", "test", "squares", "--conf", conf)
        said = ran.stdout + ran.stderr
        assert "state=success" in said, said[-5000:]
        assert "the square of 7 is 49" in said
        (artifact,) = results.rglob("result.json")
        assert json.loads(artifact.read_text()) == {"square": 49}
        (console,) = results.rglob("console.txt")
        assert re.fullmatch(r"… \d+ lines withheld", console.read_text().splitlines()[-1])
    ran = bare.run("airflow", "dags", "test", "one_step_each")
    said = ran.stdout + ran.stderr
    assert "state=success" in said, said[-5000:]
    assert "ClearML queue nobody serves it: 1 waiting" in said
    assert "stopped, aborted" in said
