"""Watches a running stack: a part that ends or is not healthy gives one line."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress

from palmares.cli.interrupts import checkpoint
from palmares.leaderboard.errors import StackError

from devstack.supervisor import health
from devstack.supervisor.lifecycle import load
from devstack.supervisor.lock import stack_lock
from devstack.supervisor.paths import StackPaths
from devstack.supervisor.processes import supervisor_process
from devstack.supervisor.state import StackState, load_state
from devstack.supervisor.supervision import PartStatus, SupervisorClient

POLL_S = 0.5
HEALTH_EVERY_S = 15.0
UNHEALTHY_AFTER = 2
"""Checks in a row that must fail: one late answer is not enough."""
STOP_DEADLINE_S = 60.0
"""How long another command's stop may take."""


class Watcher:
    """Compares a stack with what it was at the last poll."""

    def __init__(self, paths: StackPaths, state: StackState) -> None:
        self._paths = paths
        self._state = state
        self._client = SupervisorClient(paths, state)
        self._parts = {part.name: part for part in self._client.parts()}
        self._failures: dict[str, int] = {}
        """Checks in a row that failed, by part."""
        self._next_health = time.monotonic() + HEALTH_EVERY_S

    def poll(self) -> list[str]:
        """What changed since the last poll, one line each.

        Raises:
            StackError: The supervisor itself is gone.
        """
        lines: list[str] = []
        parts = self._client.parts()
        if any(part.state in ("STOPPING", "STOPPED") for part in parts):
            return lines  # `palmares down` is at work
        for part in parts:
            before, self._parts[part.name] = self._parts[part.name], part
            if line := change(before, part):
                lines.append(line)
        if time.monotonic() >= self._next_health:
            self._next_health = time.monotonic() + HEALTH_EVERY_S
            lines += self._health_changes()
        return lines

    def _health_changes(self) -> list[str]:
        lines = []
        for name, answer in health.check_parts(self._state).items():
            part = self._parts.get(name)
            if part is None or part.state != "RUNNING":
                continue  # reported already
            failures = self._failures.pop(name, 0)
            if not answer.healthy:
                self._failures[name] = failures + 1
                if failures + 1 == UNHEALTHY_AFTER:
                    lines.append(
                        f"{name} runs but is not healthy: {answer.detail} ({load()}). Log: {part.log}"
                    )
            elif failures >= UNHEALTHY_AFTER:
                lines.append(f"{name} is healthy again")
        return lines


def change(before: PartStatus, now: PartStatus) -> str | None:
    """One line on what became of a part between two polls; None: nothing to report."""
    if now.state == "FATAL" and before.state != "FATAL":
        return f"{now.name} ends again and again, and is not started any more. Log: {now.log}"
    if before.pid and now.pid != before.pid:
        what = "was started again" if now.pid else "is being started again"
        return f"{now.name} (process {before.pid}) has ended, and {what}. Log: {now.log}"
    return None


def watch(paths: StackPaths, state: StackState, report: Callable[[str], None]) -> None:
    """Report every change until another command stops the stack.

    Raises:
        StackError: The supervisor ended though no command stopped it.
    """
    try:
        watcher = Watcher(paths, state)
        while True:
            checkpoint()
            for line in watcher.poll():
                report(line)
            time.sleep(POLL_S)
    except StackError as error:
        if not _was_stopped(paths, state):
            raise StackError(
                f"The supervisor has ended unexpectedly. Log: {paths.logs / 'supervisor.log'}. "
                f"What it ran is stopped now; start again: palmares up"
            ) from error


def _was_stopped(paths: StackPaths, state: StackState) -> bool:
    """Whether `palmares down` is at work or done, which forgets the supervisor at its end."""
    deadline = time.monotonic() + STOP_DEADLINE_S
    while time.monotonic() < deadline:
        if supervisor_process(state) is None:
            with suppress(StackError), stack_lock(paths, deadline_s=0):
                now = load_state(paths)
                return now is None or now.supervisor is None
        time.sleep(POLL_S)
    return False
