"""Forks real job processes in the evaluator's environment, so that a scenario does not pay for the imports.

Each line of standard input is a job: ``{"task_id", "folder", "results"}``. What is forked is what the agent
runs: the evaluator's own script for a ClearML task, with the real SDK. Only the model's part is replaced:
where an evaluation would load a model, the results prepared in *results* are stamped and taken. Lines of
standard output tell which process started and how it ended.
"""

from __future__ import annotations

import hashlib
import json
import os
import runpy
import select
import shutil
import signal
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import palmares.evaluator.job as job
from clearml.config import remote
from palmares.evaluator.evaluation import Evaluated

SCRIPT = Path(job.__file__).with_name("clearml_job.py")
HOLD, EVALUATING = "hold", "evaluating"
"""Files in a job's folder: while the first is there, the job waits; the second says that it got so far."""


def main() -> None:
    """Fork for each line until standard input ends; then end every job."""
    children: set[int] = set()
    _tell(ready=os.getpid())
    rest = b""
    while True:
        readable, _, _ = select.select([0], [], [], 0.02)
        if readable:
            read = os.read(0, 65536)
            if not read:
                break
            *lines, rest = (rest + read).split(b"\n")
            for line in lines:
                request = json.loads(line)
                pid = os.fork()
                if pid == 0:
                    _become_job(request)
                    return
                children.add(pid)
                _tell(started=pid, task_id=request["task_id"])
        for pid in list(children):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                children.discard(pid)
                _tell(ended=pid, exit_code=os.waitstatus_to_exitcode(status))
    for pid in children:
        os.kill(pid, signal.SIGKILL)


def _tell(**facts: Any) -> None:
    os.write(1, json.dumps(facts).encode() + b"\n")


def _become_job(request: dict[str, Any]) -> None:
    """Be the agent's child from here on: its environment, its script."""
    folder = Path(request["folder"])
    with (folder / "console.txt").open("ab") as console, Path(os.devnull).open("rb") as nothing:
        os.dup2(nothing.fileno(), 0)
        os.dup2(console.fileno(), 1)
        os.dup2(console.fileno(), 2)
    os.environ["CLEARML_TASK_ID"] = request["task_id"]
    os.environ["PALMARES_JOBS_DIRECTORY"] = str(folder / "jobs")
    remote.override_current_task_id(request["task_id"])

    def prepared(settings: Any, work: Path, *, clearml_task_id: str, progress: Any, **_: Any) -> Evaluated:
        (folder / EVALUATING).write_text(str(os.getpid()))
        progress("evaluating")
        while (folder / HOLD).exists():
            time.sleep(0.02)
        return _stamped(Path(request["results"]), work / "artifact", settings, clearml_task_id)

    job.evaluate_model = prepared  # type: ignore[assignment,attr-defined]
    runpy.run_path(str(SCRIPT), run_name="__main__")


def _stamped(prepared: Path, folder: Path, settings: Any, task_id: str) -> Evaluated:
    """The prepared results as those of this job and this attempt, under names of this moment."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(prepared, folder)
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    old = next(path for path in manifest["files"] if path.startswith("results_"))
    before = old.removeprefix("results_").removesuffix(".json")
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H-%M-%S.%f")
    for path in sorted(folder.rglob(f"*{before}*")):
        path.rename(path.with_name(path.name.replace(before, now)))
    for task in manifest["tasks"].values():
        task["details"] = task["details"].replace(before, now)
    manifest |= {"job_key": settings.job_key, "attempt": settings.attempt, "clearml_task_id": task_id}
    manifest["model"] |= {"id": settings.model, "revision": settings.revision}
    manifest["files"] = {
        path.relative_to(folder).as_posix(): {
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            "bytes": path.stat().st_size,
        }
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "manifest.json"
    }
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    return Evaluated(folder, {"community:bac-fr:0 | bac-fr-qem": 0.5}, {"bac-fr": 10.0})


if __name__ == "__main__":
    sys.stdout.flush()
    main()
