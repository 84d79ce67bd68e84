"""No process of an engine outlives its job, however either of them ends; real processes, no engine."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from palmares.evaluator.failures import EvaluationFailure
from palmares.evaluator.supervision import Supervisor, engine_failure

DEADLINE_S = 300
JOB = """
import multiprocessing, queue, sys, time
import setproctitle
from palmares.evaluator.failures import EvaluationFailure
from palmares.evaluator.supervision import Supervisor

def wait(name):
    setproctitle.setproctitle(name)  # as vLLM does: it writes over the environment that /proc shows
    time.sleep(600)

def core(mode, pipe):
    setproctitle.setproctitle("VLLM::EngineCore")
    worker = multiprocessing.get_context("spawn").Process(target=wait, args=("VLLM::Worker",))
    worker.start()
    if mode == "memory":
        print("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB", flush=True)
    pipe.send(worker.pid)
    time.sleep(600)

if __name__ == "__main__":
    mode = sys.argv[1]
    try:
        with Supervisor(stall_s=1.0 if mode == "stall" else 600.0) as supervisor:
            ours, theirs = multiprocessing.Pipe()
            process = multiprocessing.get_context("spawn").Process(target=core, args=(mode, theirs))
            process.start()
            worker = ours.recv()
            supervisor.engine_started()
            print("ready", process.pid, worker, flush=True)
            if mode == "memory":
                time.sleep(0.5)
                raise RuntimeError("Engine core initialization failed. See root cause above.")
            if mode == "end":
                sys.exit(0)
            with supervisor.generating():
                queue.Queue().get()
    except EvaluationFailure as failure:
        print(failure.console_line, flush=True)
        sys.exit(1)
"""


@contextmanager
def job(folder: Path, mode: str) -> Iterator[tuple[subprocess.Popen[str], list[int]]]:
    """Start a job; yields it and its engine's two processes once they run."""
    script = folder / "job.py"
    script.write_text(JOB, encoding="utf-8")
    with subprocess.Popen(
        [sys.executable, str(script), mode], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout is not None
        try:
            line = next((line for line in process.stdout if line.startswith("ready ")), "")
            yield process, [int(word) for word in line.split()[1:]]
        finally:
            process.kill()


def all_ended(processes: list[int]) -> bool:
    """Wait until none of the processes is there; False after the deadline."""
    deadline = time.monotonic() + DEADLINE_S
    left = processes
    while left and time.monotonic() < deadline:
        left = [process for process in left if _is_there(process)]
        time.sleep(0.05)
    return not left


def _is_there(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return state != "Z"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_job_leaves_no_process(tmp_path, number):
    with job(tmp_path, "wait") as (process, engine):
        assert len(engine) == 2
        process.send_signal(number)
        process.wait(DEADLINE_S)

        assert all_ended(engine)


@pytest.mark.parametrize("which", [0, 1], ids=["core", "worker"])
def test_a_killed_process_of_the_engine_ends_the_job_as_a_lost_node(tmp_path, which):
    with job(tmp_path, "wait") as (process, engine):
        os.kill(engine[which], signal.SIGKILL)
        output, _ = process.communicate(timeout=DEADLINE_S)

        assert process.returncode == 1
        assert '"class": "node_lost"' in output
        assert "ended in the middle of the job" in output
        assert all_ended(engine)


def test_a_generation_without_progress_is_ended(tmp_path):
    with job(tmp_path, "stall") as (process, engine):
        output, _ = process.communicate(timeout=DEADLINE_S)

        assert '"class": "node_lost"' in output
        assert "made no progress" in output
        assert all_ended(engine)


def test_the_engine_s_own_output_gives_the_cause(tmp_path):
    with job(tmp_path, "memory") as (process, engine):
        output, _ = process.communicate(timeout=DEADLINE_S)

        assert '"class": "out_of_memory"' in output
        assert all_ended(engine)


def test_an_engine_that_does_not_stop_by_itself_is_killed_when_the_job_is_done(tmp_path):
    with job(tmp_path, "end") as (process, engine):
        assert process.wait(DEADLINE_S) == 0
        assert all_ended(engine)


@pytest.mark.parametrize(
    ("line", "failure_class"),
    [
        ("ValueError: Model architectures ['FooForCausalLM'] are not supported for now.", "incompatible"),
        (
            "ValueError: Model architecture MptForCausalLM was supported in vLLM until v0.28.0, and is not "
            "supported anymore.",
            "incompatible",
        ),
        ("NotImplementedError: Unsupported CPU attention configuration", "incompatible"),
        ("safetensors_rust.SafetensorError: Error while deserializing header", "bad_model"),
        ("ValueError: No available memory for the cache blocks.", "out_of_memory"),
        ("AssertionError: nothing that is known", "evaluator_error"),
    ],
)
def test_what_the_engine_prints_decides_before_the_wrapper(line, failure_class):
    wrapper = RuntimeError("Engine core initialization failed. See root cause above.")

    failure = engine_failure(wrapper, ["INFO starting", line], while_doing="starting vLLM")

    assert failure.failure_class == failure_class
    assert line not in str(failure)


def test_the_watch_of_a_job_without_processes_of_its_own_changes_nothing():
    before = signal.getsignal(signal.SIGUSR2)
    with Supervisor() as supervisor:
        supervisor.engine_started()
        with supervisor.generating():
            supervisor.progress()
        assert supervisor.failure is None
    assert signal.getsignal(signal.SIGUSR2) is before


def test_an_error_that_is_not_an_engine_s_passes_as_it_is():
    with pytest.raises(ZeroDivisionError), Supervisor():
        raise ZeroDivisionError
    with pytest.raises(EvaluationFailure, match="gone"), Supervisor():
        raise EvaluationFailure("not_found", "gone")
