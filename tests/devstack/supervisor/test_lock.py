"""The lock of a stack."""

from __future__ import annotations

import os

import pytest
from palmares.leaderboard.errors import StackError

from devstack.supervisor.lock import stack_lock
from devstack.supervisor.state import prepare_home


def test_a_second_command_waits_and_then_says_who_holds_the_lock(paths):
    prepare_home(paths)
    waited_for: list[str] = []
    with stack_lock(paths, deadline_s=1):
        with (
            pytest.raises(StackError, match=f"process {os.getpid()}"),
            stack_lock(paths, deadline_s=0.2, on_wait=waited_for.append),
        ):
            pass
        assert waited_for == [str(os.getpid())]
    with stack_lock(paths, deadline_s=0):
        pass


def test_the_lock_of_a_dead_command_is_free(paths):
    prepare_home(paths)
    child = os.fork()
    if child == 0:
        context = stack_lock(paths, deadline_s=1)
        context.__enter__()
        os._exit(9)
    os.waitpid(child, 0)
    with stack_lock(paths, deadline_s=0):
        pass
