"""A stack of the benchmark's own, in a temporary folder: a copy of the checkout with the trivial job."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from devstack.supervisor.lifecycle import StartOptions, start_stack, stop_stack
from devstack.supervisor.paths import EVALUATOR_VARIABLE, StackPaths
from devstack.supervisor.state import StackState

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
MODEL = ROOT / "devstack" / "demo" / "models" / "petit"

Report = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Workplace:
    """A healthy stack and where it lives."""

    paths: StackPaths
    state: StackState

    @property
    def job_script(self) -> Path:
        return self.paths.root / "job.py"


@contextmanager
def workplace(*, agents: int, report: Report, keep: bool = False) -> Iterator[Workplace]:
    """Copy, make the results that every job will upload, start; stop and remove at the end.

    A copy, because the sweep reads its configuration and its script from the checkout it lies in, and because
    nothing that is edited meanwhile must change what is measured.
    """
    os.environ.setdefault(EVALUATOR_VARIABLE, str(ROOT / ".venv-evaluator"))
    folder = Path(tempfile.mkdtemp(prefix="palmares-overhead-"))
    folder.chmod(0o711)  # PostgreSQL's own user passes through
    paths = StackPaths(root=folder / "checkout", home=folder / "state")
    try:
        _copy_checkout(paths.root)
        report("Evaluating one model for real: its results are what every job uploads")
        _make_artifact(paths, folder / "evaluation")
        state = start_stack(paths, StartOptions(agents=agents), report).state
        yield Workplace(paths, state)
    finally:
        stop_stack(paths, report)
        if keep:
            report(f"Kept: {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)


def _copy_checkout(root: Path) -> None:
    root.mkdir(parents=True)
    for name in ("dags", "plugins", "include"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    for package in ("clearml_provider", "palmares_airflow"):
        # On PYTHONPATH: an editable installation of the project would come before the plugins folder.
        (root / package).symlink_to(root / "plugins" / package)
    shutil.copyfile(HERE / "job.py", root / "job.py")
    shutil.copyfile(HERE / "pipeline.py", root / "pipeline.py")
    shutil.copyfile(HERE / "bare_dag.py", root / "dags" / "bare_airflow.py")
    settings = root / "include" / "config" / "leaderboard.yaml"
    text, changed = re.subn(
        r"^(\s+script:).*$", r"\1 job.py", settings.read_text(encoding="utf-8"), flags=re.MULTILINE
    )
    if changed != 1:
        raise RuntimeError(f"{settings}: {changed} lines say `script:`, expected one. Look at this function.")
    settings.write_text(text, encoding="utf-8")


def _make_artifact(paths: StackPaths, output: Path) -> None:
    environment = {
        **{name: os.environ[name] for name in ("PATH", "LANG", "TZ") if name in os.environ},
        "HOME": str(output),
        "PYTHONPATH": f"{paths.root}:{paths.root / 'include'}",
        "HF_HUB_OFFLINE": "1",
        "OMP_NUM_THREADS": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "CUDA_VISIBLE_DEVICES": "",
    }
    output.mkdir(mode=0o700)
    command = [str(paths.evaluator_bin / "python"), "-m", "palmares.evaluator.run_local", str(MODEL)]
    command += ["--datasets", str(ROOT / "devstack" / "demo" / "datasets"), "--output", str(output / "job")]
    done = subprocess.run(command, env=environment, cwd=output, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"The evaluation ended with {done.returncode}:\n{done.stderr[-2000:]}")
    shutil.move(output / "job" / "artifact", paths.root / "benchmark_artifact")
