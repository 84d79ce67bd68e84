"""Signals become one exception at a safe moment."""

from __future__ import annotations

import os
import signal

import pytest
from palmares.cli.interrupts import Interrupted, checkpoint, interruptible, shielded


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_interrupts_once_and_never_the_cleaning_up(number):
    with interruptible():
        with pytest.raises(Interrupted) as caught:
            os.kill(os.getpid(), number)
        os.kill(os.getpid(), number)  # a second Ctrl-C while we clean up
    assert caught.value.exit_status == 128 + number


def test_a_shielded_block_runs_to_its_end_first():
    done = []

    def critical() -> None:
        with shielded():
            os.kill(os.getpid(), signal.SIGINT)
            done.append("the block's last line")

    with interruptible(), pytest.raises(Interrupted):
        critical()
    assert done


def test_handlers_are_put_back():
    before = signal.getsignal(signal.SIGTERM)
    with interruptible():
        assert signal.getsignal(signal.SIGTERM) is not before
    assert signal.getsignal(signal.SIGTERM) is before


class Swallowing:
    """An object in whose destructor a signal arrives."""

    def __del__(self) -> None:
        os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_signal_that_a_destructor_swallowed_is_raised_at_the_next_checkpoint():
    with interruptible():
        Swallowing()
        with pytest.raises(Interrupted):
            checkpoint()
    checkpoint()
