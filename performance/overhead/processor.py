"""Processor seconds of each part of the stack, those of its children that have ended included."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

import psutil

from devstack.supervisor.supervision import SupervisorClient
from performance.overhead.workplace import Workplace

AGENT, AIRFLOW = "agent", "airflow"


@dataclass(frozen=True, slots=True)
class ProcessorTime:
    """A reading; seconds since each part started."""

    seconds: dict[str, float]
    """By part: ``airflow`` (its four components), ``postgres``, ``embedded``, ``agent`` (all of them)."""
    pids: dict[str, int]
    """By the supervisor's own names: a part that was started again makes a difference meaningless."""

    def since(self, earlier: ProcessorTime) -> dict[str, float]:
        """What was used between two readings.

        Raises:
            RuntimeError: A part was started again in between.
        """
        if self.pids != earlier.pids:
            raise RuntimeError(
                f"A part was started again while it was measured: {earlier.pids} → {self.pids}"
            )
        return {part: round(self.seconds[part] - earlier.seconds[part], 2) for part in sorted(self.seconds)}


def read(place: Workplace) -> ProcessorTime:
    """Read now."""
    pids = {part.name: part.pid for part in SupervisorClient(place.paths, place.state).parts()}
    seconds: dict[str, float] = {}
    for name, pid in pids.items():
        part = name.partition("-")[0]
        seconds[part] = seconds.get(part, 0.0) + _tree_seconds(pid)
    return ProcessorTime(seconds, pids)


def _tree_seconds(pid: int) -> float:
    # A child's time moves into its parent's children_* when the parent has waited for it.
    total = 0.0
    with contextlib.suppress(psutil.NoSuchProcess):
        root = psutil.Process(pid)
        for process in [root, *root.children(recursive=True)]:
            with contextlib.suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                total += times.user + times.system + times.children_user + times.children_system
    return total
