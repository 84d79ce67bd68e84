"""Commands that end by themselves: run, wait, and never leave one behind."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from palmares.cli.interrupts import shielded
from palmares.leaderboard.errors import StackError

LOG_TAIL_LINES = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A command that ends by itself."""

    what: str
    """For the message when it fails."""
    command: Sequence[str]
    log: Path
    env: Mapping[str, str]
    cwd: Path | str


def run_jobs(*jobs: Job) -> None:
    """Run commands side by side to their ends with their output in their logs.

    Each gets a session of its own: a Ctrl-C in the terminal reaches us, and we end them in order. However
    this function is left, none of them lives on.

    Raises:
        StackError: One failed; the message ends with its log's last lines.
    """
    started: list[tuple[Job, subprocess.Popen[bytes]]] = []
    try:
        for job in jobs:
            with shielded(), job.log.open("wb") as output:
                process = subprocess.Popen(
                    job.command,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    env=dict(job.env),
                    cwd=job.cwd,
                    start_new_session=True,
                )
                started.append((job, process))
        for job, process in started:
            status = process.wait()
            if status != 0:
                how = f"was ended by signal {-status}" if status < 0 else f"failed with status {status}"
                raise StackError(f"{job.what} {how}. Log: {job.log}\n{tail(job.log)}")
    finally:
        for _, process in started:
            if process.poll() is None:
                _end_session(process)


def _end_session(process: subprocess.Popen[bytes]) -> None:
    # Not waited for yet, so its number, which is also its group's, cannot be another's.
    os.killpg(process.pid, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(timeout=3)
    if process.returncode is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def tail(log: Path, lines: int = LOG_TAIL_LINES) -> str:
    """The last lines of a log, indented; empty where there is none."""
    try:
        text = log.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    return "\n".join(f"  {line}" for line in text.splitlines()[-lines:])
