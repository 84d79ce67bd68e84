"""What is told of a part between two looks."""

from __future__ import annotations

import threading
from pathlib import Path

import psutil
import pytest
from palmares.leaderboard.errors import StackError

from devstack.supervisor.lifecycle import stop_stack
from devstack.supervisor.processes import stack_processes
from devstack.supervisor.supervision import PartStatus
from devstack.supervisor.watch import change, watch


def part(state: str = "RUNNING", pid: int = 10) -> PartStatus:
    return PartStatus(name="scheduler", state=state, pid=pid, exit_status=0, since=0, log=Path("/l/s.log"))


@pytest.mark.parametrize(
    ("before", "now", "words"),
    [
        (part(pid=10), part(pid=11), "was started again"),
        (part(pid=10), part("BACKOFF", pid=0), "is being started again"),
        (part("BACKOFF", pid=0), part("FATAL", pid=0), "not started any more"),
        (part(pid=10), part("EXITED", pid=0), "is being started again"),
    ],
)
def test_a_crash_is_told_in_one_line_with_the_log(before, now, words):
    line = change(before, now)
    assert line is not None
    assert line.startswith("scheduler")
    assert words in line
    assert line.endswith("Log: /l/s.log")
    assert "\n" not in line


@pytest.mark.parametrize(
    ("before", "now"),
    [(part(), part()), (part("STARTING"), part()), (part("EXITED", pid=0), part("STARTING", pid=11))],
)
def test_nothing_is_told_of_what_goes_well(before, now):
    assert change(before, now) is None


@pytest.mark.stack
def test_a_stack_that_another_command_stops_ends_the_watch_quietly(new_small_stack):
    paths, state = new_small_stack
    told: list[str] = []
    stopper = threading.Thread(target=stop_stack, args=(paths, told.append))
    stopper.start()
    watch(paths, state, told.append)
    stopper.join()
    assert told == []


@pytest.mark.stack
def test_a_killed_supervisor_is_told_and_what_it_ran_can_be_stopped(new_small_stack):
    paths, state = new_small_stack
    psutil.Process(state.supervisor.pid).kill()
    with pytest.raises(StackError, match=r"ended unexpectedly\. Log: .*supervisor\.log"):
        watch(paths, state, lambda _: None)
    stop_stack(paths, lambda _: None)
    assert stack_processes(paths, state) == []
