"""Asks Math-Verify whether two formulas are equal, in a process of its own that is killed at the limit.

Math-Verify limits its time with signals, which work in a main thread alone and do not stop a long operation
on integers. So its timeouts are off, and one kept child process does its work: started when it is first
needed, spoken to on its standard streams, in any thread and below any kind of worker. Trees go there, never
texts: nothing is parsed by ``parse_expr`` or ``sympify``, which evaluate what they read.
"""

from __future__ import annotations

import atexit
import json
import logging
import os
import select
import subprocess
import sys
import threading
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

from french_answers.values import approximate
from french_answers.values.limits import (
    ENGINE_CPU_SECONDS,
    ENGINE_MEMORY_BYTES,
    ENGINE_NODES,
    ENGINE_START_SECONDS,
    ENGINE_WALL_SECONDS,
)
from french_answers.values.tree import Node, has_letters

log = logging.getLogger(__name__)

MAX_EXPONENT = 512
"""Also of what a factorial is taken of."""
_SCRIPT = Path(__file__).with_name("engine_process.py")


class _Engine:
    """One child process of this process; a fork forgets its parent's."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._child: subprocess.Popen[bytes] | None = None
        self._owner = 0

    def forget(self) -> None:
        """Leave the child to the process that started it."""
        self._lock = threading.Lock()
        self._child = None

    def stop(self) -> None:
        """End the child, if this process started one."""
        child, self._child = self._child, None
        if child is not None and self._owner == os.getpid():
            child.kill()
            child.wait()
            for stream in (child.stdin, child.stdout):
                if stream is not None:
                    stream.close()

    def ask(self, question: dict[str, Any]) -> bool | None:
        """Send one question; None if there was no answer within the limits."""
        with self._lock:
            child = self._started()
            if child is None:
                return None
            answer = self._exchange(child, question)
            if answer not in {"yes", "no"}:
                # Out of time, out of memory, or dead: the next question starts afresh.
                self.stop()
                return None
            return answer == "yes"

    def warm_up(self) -> bool:
        """Start the child; False if it cannot start."""
        with self._lock:
            return self._started() is not None

    def _started(self) -> subprocess.Popen[bytes] | None:
        if self._child is not None and self._owner == os.getpid() and self._child.poll() is None:
            return self._child
        self.stop()
        command = [sys.executable, "-X", "utf8", str(_SCRIPT), str(ENGINE_MEMORY_BYTES)]
        child = subprocess.Popen(  # noqa: S603 - this package's own script
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0
        )
        self._child, self._owner = child, os.getpid()
        if self._read_line(child, ENGINE_START_SECONDS) != "ready":
            log.error(
                "Math-Verify did not start within %.0f s; formulas that need it count as different.",
                ENGINE_START_SECONDS,
            )
            self.stop()
            return None
        return child

    def _exchange(self, child: subprocess.Popen[bytes], question: dict[str, Any]) -> str:
        assert child.stdin is not None
        try:
            child.stdin.write(json.dumps(question).encode() + b"\n")
        except OSError:
            return ""
        return self._read_line(child, ENGINE_WALL_SECONDS, ENGINE_CPU_SECONDS)

    def _read_line(
        self, child: subprocess.Popen[bytes], wall_seconds: float, cpu_seconds: float | None = None
    ) -> str:
        """Read one line; an empty text if a limit passes first, or the child is gone."""
        assert child.stdout is not None
        deadline = time.monotonic() + wall_seconds
        begun = _cpu_seconds(child.pid)
        line = b""
        while not line.endswith(b"\n"):
            wait = min(deadline - time.monotonic(), wall_seconds)
            if cpu_seconds is not None:
                wait = min(wait, cpu_seconds - (_cpu_seconds(child.pid) - begun))
            if wait <= 0:
                return ""
            # A child that waits for a processor has used none: look again after that time.
            if not select.select([child.stdout], [], [], wait)[0]:
                continue
            piece = os.read(child.stdout.fileno(), 64)
            if not piece:
                return ""
            line += piece
        return line.decode().strip()


def _cpu_seconds(pid: int) -> float:
    """Processor time of another process so far, by its CPU clock (clock_getcpuclockid(3))."""
    try:
        return time.clock_gettime((~pid << 3) | 2)
    except OSError:
        return 0.0


_ENGINE = _Engine()
atexit.register(_ENGINE.stop)
os.register_at_fork(after_in_child=_ENGINE.forget)


def warm_up() -> bool:
    """Start Math-Verify's process before the first hard row; False if it cannot start."""
    return _ENGINE.warm_up()


def stop() -> None:
    """End Math-Verify's process; the next hard row starts another."""
    _ENGINE.stop()


def same_formula(gold: Node, text: Node) -> bool | None:
    """Ask whether two formulas are equal wherever both are defined.

    Returns:
        None if they are too large to ask, or no answer came within the bounds of time and memory.
    """
    if _size(gold) + _size(text) > ENGINE_NODES or _too_large(gold) or _too_large(text):
        return None
    return _ENGINE.ask({"gold": _plain(gold), "text": _plain(text)})


def _size(node: Node) -> int:
    return 1 + sum(_size(part) for part in node[1:] if isinstance(part, tuple))


def _too_large(node: Node) -> bool:
    """Whether a power or factorial inside would outgrow the bound before anything is compared."""
    if node[0] == "^" and not has_letters(node[2]):
        exponent = approximate.value(node[2])
        if exponent is None or abs(exponent) > MAX_EXPONENT:
            return True
    if node[0] == "!" or node[:2] == ("f", "binom"):
        sizes = [
            approximate.value(part) for part in node[1:] if isinstance(part, tuple) and not has_letters(part)
        ]
        if any(size is None or abs(size) > MAX_EXPONENT for size in sizes):
            return True
    return any(_too_large(part) for part in node[1:] if isinstance(part, tuple))


def _plain(node: Node) -> list[Any]:
    return [
        _plain(part) if isinstance(part, tuple) else str(part) if isinstance(part, Fraction | int) else part
        for part in node
    ]
