"""Commands that end by themselves."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

import psutil
import pytest
from palmares.cli.interrupts import Interrupted, interruptible
from palmares.leaderboard.errors import StackError

from devstack.supervisor.running import Job, run_jobs
from tests.devstack.conftest import wait_until


def job(tmp_path: Path, script: str) -> Job:
    return Job(
        what="The job",
        command=["sh", "-c", script],
        log=tmp_path / "log",
        env={"PATH": os.defpath},
        cwd=tmp_path,
    )


def test_a_failure_tells_its_status_its_log_and_the_last_lines(tmp_path):
    with pytest.raises(StackError, match=r"(?s)The job failed with status 7. Log: .*/log\n  the reason"):
        run_jobs(job(tmp_path, "echo the reason; exit 7"))


def test_when_one_fails_the_others_are_ended(tmp_path):
    pid_file = tmp_path / "pid"
    slow = job(tmp_path, f"echo $$ > {pid_file}; exec sleep 600")
    failing = job(tmp_path, f"while [ ! -s {pid_file} ]; do sleep 0.01; done; exit 1")
    with pytest.raises(StackError):
        run_jobs(failing, slow)
    assert not psutil.pid_exists(int(pid_file.read_text()))


def test_an_interruption_ends_the_command_and_its_children(tmp_path):
    pid_file = tmp_path / "pids"
    endless = job(tmp_path, f"sleep 600 & echo $! $$ > {pid_file}; wait")

    def interrupt():
        wait_until(lambda: pid_file.exists() and len(pid_file.read_text().split()) == 2, "it started")
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    with interruptible():
        thread.start()
        with pytest.raises(Interrupted):
            run_jobs(endless)
    thread.join()
    pids = [int(pid) for pid in pid_file.read_text().split()]
    wait_until(lambda: not any(psutil.pid_exists(pid) for pid in pids), "both are gone")
