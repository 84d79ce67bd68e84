"""Watches the processes of an engine: their output is read, their death is noticed, none outlives the job."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import FrameType, TracebackType
from typing import Final, Self

from palmares.evaluator import guardian
from palmares.evaluator.failures import LOADING, RUNNING, EvaluationFailure, known_failure

STALL_VARIABLE: Final = "PALMARES_STALL_S"
"""Environment variable: seconds without any progress after which a generation is ended."""
DEFAULT_STALL_S: Final = 1800.0
SHUTDOWN_S: Final = 10.0
"""What an engine gets to stop by itself, before its processes are killed."""
_KEPT_LINES: Final = 400
_LONGEST_LINE: Final = 2000
_WAKE: Final = signal.SIGUSR2
"""Interrupts the main thread, which may wait for an answer that never comes."""
_KEEP_ENVIRONMENT: Final = "SPT_NOENV"
"""Environment variable. vLLM names its processes with setproctitle, which writes over the process's
environment unless this is set: the guardian would know none of them. Source: setproctitle's README."""
_POLL_S: Final = 1.0
_REACT_S: Final = 60.0
_ENGINE_PROCESS: Final = re.compile(rb"VLLM::|multiprocessing\.spawn")
"""In the command line of a process that an engine cannot do without (compilers and trackers are not)."""


def engine_failure(
    error: Exception, lines: Sequence[str], *, while_doing: str, is_loaded: bool = False
) -> EvaluationFailure:
    """The failure of an engine, by its exception and by what its processes printed.

    Args:
        error: What reached this process; often no more than that the engine failed.
        lines: The last lines of output; they are searched and not shown.
        while_doing: For the message.
        is_loaded: The model is in the engine: its files are not at fault any more.
    """
    table = RUNNING if is_loaded else LOADING
    known = known_failure(error, while_doing=while_doing, table=table, lines=lines)
    return known or EvaluationFailure(
        "evaluator_error",
        f"The engine failed while {while_doing} ({type(error).__name__}). See the lines before this one.",
    )


class OutputReader:
    """Passes on all that this process and those below it print, and keeps the last lines.

    An engine says why it failed on its own standard error; the exception that reaches this process says only
    that it failed. The lines are for the classification: they are not shown again.
    """

    def __init__(self) -> None:
        self._lines: deque[str] = deque(maxlen=_KEPT_LINES)
        self._saved: list[int] = []
        self._source = -1
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        _flush()
        self._saved = [os.dup(1), os.dup(2)]
        self._source, sink = os.pipe()
        os.dup2(sink, 1)
        os.dup2(sink, 2)
        os.close(sink)
        self._thread = threading.Thread(target=self._read, daemon=True, name="engine-output")
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _flush()
        os.dup2(self._saved[0], 1)
        os.dup2(self._saved[1], 2)
        if self._thread is not None:
            self._thread.join(5)  # the pipe ends when nobody can write into it any more
        os.close(self._saved[1])

    @property
    def lines(self) -> list[str]:
        """The last lines, the oldest first."""
        return list(self._lines)

    def _read(self) -> None:
        rest = b""
        while chunk := os.read(self._source, 65536):
            with contextlib.suppress(OSError):  # A reader of ours that has gone must not stop the engine.
                os.write(self._saved[0], chunk)
            *lines, rest = (rest + chunk).split(b"\n")
            self._lines += [line[:_LONGEST_LINE].decode(errors="replace") for line in lines]
            rest = rest[-_LONGEST_LINE:]


class Supervisor:
    """Ends what an engine started, and a generation that cannot end by itself.

    ``with supervisor:`` around the engine's whole life, its start included; the main thread only.
    """

    def __init__(self, *, stall_s: float | None = None) -> None:
        self.output = OutputReader()
        self._token = secrets.token_hex(16)
        self._stall_s = stall_s or float(os.environ.get(STALL_VARIABLE) or DEFAULT_STALL_S)
        self._engine: frozenset[int] = frozenset()
        self._moved = time.monotonic()
        self._is_generating = False
        self._over = threading.Event()
        self._failure: EvaluationFailure | None = None
        self._stops: list[Callable[[], None]] = []

    def __enter__(self) -> Self:
        environment = {name: value for name, value in os.environ.items() if name != guardian.VARIABLE}
        self._guardian = subprocess.Popen(  # noqa: S603 - our own file
            [sys.executable, "-I", "-S", guardian.__file__, self._token],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            env=environment,
        )
        os.environ[guardian.VARIABLE] = self._token
        os.environ[_KEEP_ENVIRONMENT] = "1"
        self._before = signal.signal(_WAKE, self._interrupt)
        self.output.__enter__()
        self._thread = threading.Thread(target=self._watch, daemon=True, name="engine-watch")
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()
        signal.signal(_WAKE, self._before)
        stopping = threading.Thread(target=self._stop_engine, daemon=True, name="engine-stop")
        stopping.start()
        stopping.join(SHUTDOWN_S)
        guardian.kill_processes(self._token)
        os.environ.pop(guardian.VARIABLE, None)
        self.output.__exit__(None, None, None)
        if self._guardian.stdin is not None:
            self._guardian.stdin.close()
        self._guardian.wait()
        if isinstance(error, Exception) and not isinstance(error, EvaluationFailure) and self._engine:
            raise self._failure or engine_failure(
                error, self.output.lines, while_doing="generating", is_loaded=True
            ) from error

    def stop_with(self, stop: Callable[[], None]) -> None:
        """Call *stop* when the job ends, the last added first."""
        self._stops.append(stop)

    def engine_started(self) -> None:
        """Take the processes that run now for the engine's: none of them may end before the job does."""
        self._engine = frozenset(filter(_is_of_engine, guardian.processes_of(self._token)))
        self.progress()

    @contextlib.contextmanager
    def generating(self) -> Iterator[None]:
        """Expect progress while this lasts."""
        self.progress()
        self._is_generating = True
        try:
            yield
        finally:
            self._is_generating = False

    def progress(self) -> None:
        """Note that the engine has done a step."""
        self._moved = time.monotonic()

    @property
    def failure(self) -> EvaluationFailure | None:
        """Why the watch interrupted the job; None: it did not."""
        return self._failure

    def _stop_engine(self) -> None:
        for stop in reversed(self._stops):
            with contextlib.suppress(Exception):  # What does not stop by itself is killed.
                stop()

    def _watch(self) -> None:
        while not self._over.wait(_POLL_S):
            self._failure = self._find_failure()
            if self._failure is None:
                continue
            signal.pthread_kill(threading.main_thread().ident or 0, _WAKE)
            if not self._over.wait(_REACT_S):  # The main thread is inside a call that no signal ends.
                with contextlib.suppress(OSError):
                    os.write(self.output._saved[0], f"\n{self._failure.console_line}\n".encode())
                guardian.kill_processes(self._token)
                os._exit(1)
            return

    def _find_failure(self) -> EvaluationFailure | None:
        ended = [process for process in self._engine if not _is_running(process)]
        if ended:
            return EvaluationFailure(
                "node_lost",
                f"{len(ended)} of the engine's {len(self._engine)} processes ended in the middle of the job. "
                "Look at the machine's memory and its kernel log; the job may run again.",
            )
        still_s = time.monotonic() - self._moved
        if self._is_generating and still_s > self._stall_s:
            return EvaluationFailure(
                "node_lost",
                f"The engine made no progress for {still_s:.0f} s. Look at the machine's GPUs and their "
                f"connections; the limit is {STALL_VARIABLE}.",
            )
        return None

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        if self._failure is not None and not self._over.is_set():
            raise self._failure


def _is_of_engine(process: int) -> bool:
    try:
        command = Path(f"/proc/{process}/cmdline").read_bytes()
    except OSError:
        return False
    return _ENGINE_PROCESS.search(command) is not None


def _is_running(process: int) -> bool:
    """Tell whether a process exists and is no zombie."""
    try:
        state = Path(f"/proc/{process}/stat").read_bytes().rsplit(b")", 1)[1].split()[0]
    except OSError:
        return False
    return state not in {b"Z", b"X"}


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(ValueError, OSError):
            stream.flush()
