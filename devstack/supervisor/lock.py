"""One command at a time starts or stops a stack: a lock on a file of its state folder."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from palmares.leaderboard.errors import StackError

from devstack.supervisor.paths import StackPaths

POLL_S = 0.1


@contextmanager
def stack_lock(
    paths: StackPaths, *, deadline_s: float, on_wait: Callable[[str], None] | None = None
) -> Iterator[None]:
    """Hold the stack's lock; the kernel drops it with its holder, so it is never stale.

    Args:
        paths: Whose lock; the state folder must exist.
        deadline_s: How long to wait for another command.
        on_wait: Called once, with the other command's process id, when the lock is taken.

    Raises:
        StackError: The other command still holds the lock at the deadline.
    """
    descriptor = os.open(paths.lock_file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        deadline = time.monotonic() + deadline_s
        told = False
        while not _try_lock(descriptor):
            holder = os.pread(descriptor, 32, 0).decode(errors="replace").strip() or "unknown"
            if on_wait and not told:
                on_wait(holder)
                told = True
            if time.monotonic() > deadline:
                raise StackError(
                    f"Another palmares command (process {holder}) has been starting or stopping this stack "
                    f"for {deadline_s:.0f} s. Wait for it, or end it: kill {holder}"
                )
            time.sleep(POLL_S)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
