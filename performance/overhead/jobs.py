"""What ClearML knows of the jobs: when each began and ended, and with which hyperparameters."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from clearml_provider import api
from clearml_provider.client import ClearMLClient
from clearml_provider.connection import ClearMLSettings
from clearml_provider.flows import create
from clearml_provider.models import TaskInfo, TaskSpec

from devstack.supervisor import settings
from performance.overhead.pipeline import RESULT
from performance.overhead.workplace import Workplace

PROJECT = "Overhead"
FIELDS = ("id", "name", "status", "started", "completed", "hyperparams")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """One run of the PipelineController; seconds since the epoch."""

    asked_at: float
    """When its process was started."""
    begin: float
    """When its code began, Python being up."""
    end: float
    """When it had found that every step is over."""
    cpu_s: float
    """Of its process."""
    jobs: tuple[TaskInfo, ...]


@contextmanager
def clearml_client(place: Workplace) -> Iterator[ClearMLClient]:
    state = place.state
    found = ClearMLSettings(
        api_host=state.url("clearml_api"),
        files_host=state.url("clearml_files"),
        web_host=state.url("clearml_web"),
        access_key=state.keys.clearml_access_key,
        secret_key=state.keys.clearml_secret_key,
    )
    with ClearMLClient(found) as client:
        yield client


def jobs_of_models(place: Workplace, names: Sequence[str]) -> list[TaskInfo]:
    """The jobs that the sweep made for these models, in their order.

    Raises:
        RuntimeError: A model has none, or more than one.
    """
    with clearml_client(place) as client:
        found = client.run(api.query_tasks({"type": ["testing"], "tags": ["palmares"]}, FIELDS))
    by_model: dict[str, list[TaskInfo]] = {}
    for task in found:
        by_model.setdefault(task.hyperparams.get("General", {}).get("model", ""), []).append(task)
    odd = {name: len(by_model.get(name, ())) for name in names if len(by_model.get(name, ())) != 1}
    if odd:
        raise RuntimeError(f"ClearML tasks by model, expected one each: {odd}")
    return [by_model[name][0] for name in names]


def run_pipeline(
    place: Workplace, *, name: str, steps: Sequence[dict[str, str]], pool_frequency_min: float | None = None
) -> Pipeline:
    """Let ClearML's PipelineController run the same script with these hyperparameters, a step each."""
    script = place.job_script.read_text(encoding="utf-8")
    base = {
        "name": f"{name} base",
        "project": PROJECT,
        "script": {"diff": script, "entry_point": "job.py"},
        "hyperparams": {"General": steps[0]},
    }
    with clearml_client(place) as client:
        base_id = client.run(create.create_task(TaskSpec.model_validate(base), properties={}))
    spec = {
        "name": name,
        "project": PROJECT,
        "queue": settings.AGENT_QUEUE,
        "base_task_id": base_id,
        "steps": steps,
        "pool_frequency_min": pool_frequency_min,
    }
    asked_at = time.time()
    answer, cpu_s = _run(place, spec, log_name=name)
    if not answer["is_successful"]:
        raise RuntimeError(f"The pipeline {name} failed: {place.paths.logs / name}.log")
    with clearml_client(place) as client:
        found = client.run(api.get_tasks(answer["task_ids"]))
    return Pipeline(
        asked_at=asked_at,
        begin=answer["begin"],
        end=answer["end"],
        cpu_s=cpu_s,
        jobs=tuple(found.values()),
    )


def span(jobs: Collection[TaskInfo]) -> tuple[float, float]:
    """When the first job began and the last one ended, on the server's clock, which is this machine's."""
    return min(_at(job.started) for job in jobs), max(_at(job.completed) for job in jobs)


def ended_at(job: TaskInfo) -> float:
    return _at(job.completed)


def _at(moment: Any) -> float:
    if moment is None:
        raise RuntimeError("A job has no time: it did not run")
    return float(moment.timestamp())


def _run(place: Workplace, spec: dict[str, Any], *, log_name: str) -> tuple[dict[str, Any], float]:
    folder = place.paths.home / "pipeline"
    folder.mkdir(exist_ok=True)
    agent = settings.agent_environment(place.paths, place.state, 0)
    environment = {name: agent[name] for name in agent if name.startswith(("CLEARML_API", "CLEARML_WEB"))}
    environment |= {name: agent[name] for name in ("CLEARML_FILES_HOST", "NO_PROXY", "no_proxy")}
    # As for the agents' jobs: the SDK's look for updates goes nowhere, at once.
    environment |= {"HTTP_PROXY": settings.NOWHERE, "HTTPS_PROXY": settings.NOWHERE, "HOME": str(folder)}
    environment["PATH"] = os.environ.get("PATH", os.defpath)
    python, script = place.paths.python_bin / "python", place.paths.root / "pipeline.py"
    log = place.paths.logs / f"{log_name}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [str(python), str(script), json.dumps(spec)],
            env=environment,
            cwd=folder,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    answers = [line.removeprefix(RESULT) for line in lines if line.startswith(RESULT)]
    if process.returncode != 0 or not answers:
        raise RuntimeError(f"The controller ended with {process.returncode}:\n" + "\n".join(lines[-15:]))
    return json.loads(answers[-1]), round(used.ru_utime + used.ru_stime, 2)
