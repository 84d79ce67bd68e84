"""Ctrl-C, SIGTERM and a closed terminal: one exception at a safe moment, then no more while we clean up."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(BaseException):
    """A person or the system asked this command to end.

    Not a KeyboardInterrupt: the command line's library turns each of those into status 130.
    """

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number

    @property
    def exit_status(self) -> int:
        """What a shell expects of a program that a signal ended."""
        return 128 + self.number


class _Interrupts:
    def __init__(self) -> None:
        self.shields = 0
        self.number: int | None = None

    def handle(self, number: int, _frame: FrameType | None) -> None:
        if self.number is not None:  # Cleaning up has begun, and takes seconds: nothing may break it off.
            return
        self.number = number
        self.raise_due()

    def raise_due(self) -> None:
        if self.number is not None and not self.shields:
            raise Interrupted(self.number)


_interrupts = _Interrupts()


@contextmanager
def interruptible() -> Iterator[None]:
    """Within it, the first signal raises `Interrupted`, and later ones do nothing."""
    global _interrupts
    if threading.current_thread() is not threading.main_thread():  # only it may set handlers
        yield
        return
    previous_state, _interrupts = _interrupts, _Interrupts()
    handler: Any = lambda number, frame: _interrupts.handle(number, frame)  # noqa: E731 - a function would be another one at each call of signal
    previous = {number: signal.signal(number, handler) for number in SIGNALS}
    try:
        yield
    finally:
        for number, old in previous.items():
            signal.signal(number, old)
        _interrupts = previous_state


@contextmanager
def shielded() -> Iterator[None]:
    """Put a signal off to the end of the block: between making a process and knowing about it."""
    _interrupts.shields += 1
    try:
        yield
    finally:
        _interrupts.shields -= 1
    checkpoint()


def checkpoint() -> None:
    """Raise once more what came before: Python drops an exception that a signal raises in a destructor.

    For the loops that wait for something to come up; those that wait for an end must not be broken off.
    """
    _interrupts.raise_due()
