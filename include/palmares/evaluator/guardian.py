"""Ends what a job started, once the job's process has ended, however it ended: a process of its own.

``python guardian.py TOKEN`` waits until its parent is gone, and kills every process whose environment has the
token. It uses the standard library only: it starts in milliseconds and needs nothing of the job.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import time
from pathlib import Path

VARIABLE = "PALMARES_JOB_TOKEN"
"""Environment variable that the processes which a job starts inherit; the job's own does not hold it."""
_POLL_S = 0.5
_GIVE_UP_S = 60.0


def processes_of(token: str) -> list[int]:
    """Process ids whose environment holds the token."""
    mark = f"{VARIABLE}={token}".encode()
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if mark in (entry / "environ").read_bytes().split(b"\0"):
                    found.append(int(entry.name))
            except OSError:  # It has ended, or is another user's.
                continue
    return found


def kill_processes(token: str, *, give_up_s: float = _GIVE_UP_S) -> list[int]:
    """Kill every process of the token, and those that it starts meanwhile.

    Returns:
        The process ids that are still there after *give_up_s* seconds.
    """
    deadline = time.monotonic() + give_up_s
    left = processes_of(token)
    while left and time.monotonic() < deadline:
        for process in left:
            try:
                os.kill(process, signal.SIGKILL)
            except ProcessLookupError:
                continue
        time.sleep(0.05)
        left = processes_of(token)
    return left


def wait_for_end(parent: int) -> None:
    """Return when standard input is closed or the parent has changed: both happen when the job ends."""
    while os.getppid() == parent:
        ready, _, _ = select.select([sys.stdin], [], [], _POLL_S)
        if ready and not os.read(sys.stdin.fileno(), 4096):
            return


def main() -> None:
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    wait_for_end(os.getppid())
    kill_processes(sys.argv[1])


if __name__ == "__main__":
    main()
