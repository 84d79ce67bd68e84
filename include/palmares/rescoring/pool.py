"""Runs parts side by side in processes, and outlives one that is killed."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor
from types import TracebackType
from typing import Any, Self, TypeVar

Argument = TypeVar("Argument")
Result = TypeVar("Result")


class Pool:
    """A few processes; or none, and everything is done in the caller's."""

    def __init__(self, workers: int, *, isolated: bool = False) -> None:
        """Prepare; processes start when they are needed.

        Args:
            workers: How many.
            isolated: Take a process even for one worker: a damaged file can end the one that reads it.
        """
        self.workers = workers
        self._here = workers == 1 and not isolated
        self._executor: ProcessPoolExecutor | None = None

    def __enter__(self) -> Self:
        return self

    def submit(self, function: Callable[[Argument], Result], argument: Argument) -> Future[Result]:
        """Run a module's function; the future of a broken pool carries a :class:`BrokenExecutor`."""
        if self._here:
            return _done(function, argument)
        try:
            return self._running().submit(function, argument)
        except BrokenExecutor:
            self.restart()
            return self._running().submit(function, argument)

    def restart(self) -> None:
        """Leave the processes of a broken pool, and start others when they are needed."""
        if self._executor is not None:
            self._executor.shutdown(wait=False, cancel_futures=True)
        self._executor = None

    def wait_for(self, function: Callable[[Argument], Result], argument: Argument) -> Result | None:
        """Run one thing now; None: its process was killed."""
        try:
            return self.submit(function, argument).result()
        except BrokenExecutor:
            self.restart()
            return None

    def alone(self, function: Callable[[Argument], Result], argument: Argument) -> Result:
        """Run in a fresh process of its own, to find out which part kills its process.

        Raises:
            BrokenExecutor: This one does.
        """
        with _executor(1) as executor:
            return executor.submit(function, argument).result()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._executor is None:
            return
        if kind is not None:  # Nobody waits for the parts that are under way.
            for process in multiprocessing.active_children():
                process.terminate()
        self._executor.shutdown(wait=True, cancel_futures=True)

    def _running(self) -> ProcessPoolExecutor:
        if self._executor is None:
            self._executor = _executor(self.workers)
        return self._executor


def _executor(workers: int) -> ProcessPoolExecutor:
    # spawn: the caller may have threads, e.g. of a progress bar, and forking them can hang.
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(workers, mp_context=context, initializer=_leave_interrupts_to_the_caller)


def _leave_interrupts_to_the_caller() -> None:
    """A terminal's Ctrl-C reaches every process; the caller ends its workers itself."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _done(function: Callable[[Any], Result], argument: Any) -> Future[Result]:
    future: Future[Result] = Future()
    try:
        future.set_result(function(argument))
    except Exception as error:  # noqa: BLE001 - the future carries it to whoever asks
        future.set_exception(error)
    return future
