"""What is told of a part between two looks."""

from __future__ import annotations

from pathlib import Path

import pytest

from include.cli.stack.supervision import PartStatus
from include.cli.stack.watch import change


def part(state: str = "RUNNING", pid: int = 10) -> PartStatus:
    return PartStatus(name="scheduler", state=state, pid=pid, exit_status=0, since=0, log=Path("/l/s.log"))


@pytest.mark.parametrize(
    ("before", "now", "words"),
    [
        (part(pid=10), part(pid=11), "was started again"),
        (part(pid=10), part("BACKOFF", pid=0), "is being started again"),
        (part("BACKOFF", pid=0), part("FATAL", pid=0), "not started any more"),
        (part(pid=10), part("EXITED", pid=0), "has ended"),
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
    ("before", "now"), [(part(), part()), (part("STARTING"), part()), (part("BACKOFF", pid=0), part(pid=11))]
)
def test_nothing_is_told_of_what_goes_well(before, now):
    assert change(before, now) is None
