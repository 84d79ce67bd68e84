"""The figures of one contestant in one round, their ratios, and the table."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

OURS, PIPELINE, BARE = "sweep", "PipelineController", "bare Airflow"
TITLES = {
    OURS: "this DAG (`evaluate_submissions`, all of it)",
    PIPELINE: "ClearML's PipelineController",
    BARE: "bare Airflow: six empty tasks a group, an equal wait",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Seconds."""

    contestant: str
    round_number: int
    wall_s: float
    """From the call that asks for the jobs to the last job's last step: ``publish`` in Airflow, the
    controller's knowledge that all steps are over in ClearML."""
    groups_s: float | None
    """Of that, from the first group's first task on (Airflow only): without listing and admitting."""
    jobs_s: float | None
    """From the first job's start to the last job's end: what the agents took, whoever asked."""
    before_s: float | None
    """From the call to the first job's start."""
    after_s: float | None
    """From the last job's end to the end of `wall_s`: noticing, and in the DAG all that follows."""
    cpu_s: dict[str, float]
    """By part: airflow, postgres, embedded, agent, controller."""
    steps_s: dict[str, float] = field(default_factory=dict)
    """Mean seconds that each task executed (Airflow only)."""

    @property
    def control_cpu_s(self) -> float:
        """What orchestrating took: Airflow and its database, or the controller's process."""
        if self.contestant == PIPELINE:
            return self.cpu_s["controller"]
        return self.cpu_s["airflow"] + self.cpu_s["postgres"]


def ratio(figures: Sequence[Figures], other: str, *, groups_only: bool = False) -> float:
    """Median over the rounds of the sweep's wall time over *other*'s of the same round."""

    def wall(contestant: str) -> dict[int, float]:
        return {
            f.round_number: (f.groups_s or 0.0) if groups_only else f.wall_s
            for f in figures
            if f.contestant == contestant
        }

    ours, theirs = wall(OURS), wall(other)
    return round(statistics.median(ours[number] / theirs[number] for number in ours), 3)


def machine() -> dict[str, Any]:
    """What the figures depend on."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "cores": os.cpu_count(),
        "memory_gib": round(memory / 2**30),
        "system": platform.system(),
        "python": platform.python_version(),
        "load_1min_before": round(os.getloadavg()[0], 1),
    }


def table(figures: Sequence[Figures]) -> str:
    """Medians over the rounds, in Markdown."""
    rows = [
        "| | wall s | before / jobs / after s | orchestration CPU s | ClearML API CPU s | agents CPU s |",
        "|---|---|---|---|---|---|",
    ]
    for contestant in (OURS, PIPELINE, BARE):
        own = [f for f in figures if f.contestant == contestant]
        parts = [[getattr(f, name) for f in own] for name in ("before_s", "jobs_s", "after_s")]
        phases = " / ".join("–" if None in part else f"{statistics.median(part):.1f}" for part in parts)
        cells = [statistics.median(f.wall_s for f in own), statistics.median(f.control_cpu_s for f in own)]
        cells += [statistics.median(f.cpu_s[name] for f in own) for name in ("embedded", "agent")]
        wall, *others = (f"{cell:.1f}" for cell in cells)
        rows.append(f"| {TITLES[contestant]} | {wall} | {phases} | {' | '.join(others)} |")
    return "\n".join(rows)
