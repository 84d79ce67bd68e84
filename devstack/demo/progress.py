"""Showing where each model is: a live table on a terminal, one line a change elsewhere."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType, TracebackType
from typing import Self

from palmares.cli.output import console
from palmares.cli.requests.jobs import Job, clock
from rich.columns import Columns
from rich.console import Group
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table

from devstack.demo.sweep import STEPS, ModelProgress, SweepState

COLOURS = {"success": "green", "failed": "red", "upstream_failed": "red", "skipped": "yellow"}
NOT_WORTH_A_LINE = frozenset({"waiting", "scheduled", "queued"})
NO_JOBS: Mapping[str, Job] = MappingProxyType({})
IN_WORDS = {
    "deferred": "waiting for its job",
    "none": "waiting",
    "up_for_retry": "to be tried again",
    "upstream_failed": "stopped by the step before",
}


def in_words(model: ModelProgress, job: Job | None = None) -> str:
    """What a model does now.

    Args:
        job: What ClearML says of its job; None: nothing.
    """
    if job is not None and model.step == "poll_status" and model.state == "deferred":
        text = job.text(datetime.now(UTC))
        return f"{text} (try {model.try_number})" if model.try_number > 1 else text
    if model.state == "success":
        return "published" if model.step == STEPS[-1] else f"{model.step} done"
    words = f"{model.step}: {IN_WORDS.get(model.state, model.state)}"
    return f"{words} (try {model.try_number})" if model.try_number > 1 else words


class SweepProgress:
    """Follows a sweep for a person."""

    def __init__(self) -> None:
        self._told: dict[tuple[str, int], str] = {}
        self._steps: set[str] = set()
        self._begin = time.monotonic()
        self._spinner = Spinner("dots")
        self._live = Live(console=console, refresh_per_second=4) if console.is_terminal else None

    def __enter__(self) -> Self:
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            self._live.stop()

    def show(self, state: SweepState, jobs: Mapping[str, Job] = NO_JOBS) -> None:
        """Show *state*; without a terminal, only what changed."""
        if self._live:
            self._live.update(self._table(state, jobs))
            return
        for task in state.tasks:
            if task.map_index < 0 and task.task_id not in STEPS and task.state not in NOT_WORTH_A_LINE:
                self._tell_step(f"{task.task_id}: {task.state}")
        for model in state.models:
            words = in_words(model)
            if model.state in NOT_WORTH_A_LINE or (model.is_unnamed and not model.is_red):
                continue
            if self._told.get((model.run_id, model.map_index)) != words:
                self._told[model.run_id, model.map_index] = words
                console.print(f"  {model.model}: {words}", markup=False)

    def _tell_step(self, words: str) -> None:
        if words not in self._steps:  # two runs side by side say the same
            self._steps.add(words)
            console.print(f"  {words}", markup=False)

    def _table(self, state: SweepState, jobs: Mapping[str, Job]) -> Group:
        title = Columns([self._spinner, f"Sweep, {clock(time.monotonic() - self._begin)}"])
        table = Table("Model", "Step")
        for model in state.models:
            done = STEPS.index(model.step) + (model.state == "success")
            bar = "●" * done + "○" * (len(STEPS) - done)
            table.add_row(
                model.model,
                f"{bar}  {in_words(model, jobs.get(model.model))}",
                style=COLOURS.get(model.state, ""),
            )
        if not state.models:
            running = [task.task_id for task in state.tasks if task.state == "running"]
            table.add_row("(requests)", ", ".join(running) or "waiting")
        return Group(title, table)
