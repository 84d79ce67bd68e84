"""Watching a running stack: what ends or falls ill is told in one line."""

from __future__ import annotations

import time
from collections.abc import Callable

from include.cli.stack import health
from include.cli.stack.paths import StackPaths
from include.cli.stack.processes import supervisor_process
from include.cli.stack.state import StackState, load_state
from include.cli.stack.supervision import PartStatus, SupervisorClient
from include.leaderboard.errors import StackError

POLL_S = 0.5
HEALTH_EVERY_S = 15.0


class Watcher:
    """Compares a stack with what it was at the last look."""

    def __init__(self, paths: StackPaths, state: StackState) -> None:
        self._paths = paths
        self._state = state
        self._client = SupervisorClient(paths, state)
        self._parts = {part.name: part for part in self._client.parts()}
        self._ill: dict[str, str] = {}
        self._next_health = time.monotonic() + HEALTH_EVERY_S

    def look(self) -> list[str]:
        """What changed since the last look, one line each.

        Raises:
            StackError: The supervisor itself is gone.
        """
        lines = []
        for part in self._client.parts():
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
                continue  # told already
            before = self._ill.pop(name, "")
            if not answer.healthy:
                self._ill[name] = answer.detail
                if not before:
                    lines.append(f"{name} runs but is not healthy: {answer.detail}. Log: {part.log}")
            elif before:
                lines.append(f"{name} is healthy again")
        return lines


def change(before: PartStatus, now: PartStatus) -> str | None:
    """One line on what became of a part between two looks; None: nothing to tell."""
    if now.state == "FATAL" and before.state != "FATAL":
        return f"{now.name} ends again and again, and is not started any more. Log: {now.log}"
    if now.is_stopped and not before.is_stopped:
        return f"{now.name} has ended. Log: {now.log}"
    if before.pid and now.pid != before.pid:
        what = "was started again" if now.pid else "is being started again"
        return f"{now.name} (process {before.pid}) has ended, and {what}. Log: {now.log}"
    return None


def watch(paths: StackPaths, state: StackState, tell: Callable[[str], None]) -> None:
    """Tell every change until another command stops the stack.

    Raises:
        StackError: The supervisor is gone without having been told to.
    """
    watcher = Watcher(paths, state)
    while True:
        time.sleep(POLL_S)
        try:
            lines = watcher.look()
        except StackError:
            if _was_stopped(paths):
                return
            if supervisor_process(state) is None:
                raise StackError(
                    f"The supervisor has ended unexpectedly. Log: {paths.logs / 'supervisor.log'}. "
                    f"What it ran is stopped now; start again: palmares up"
                ) from None
            raise
        stopping = [part for part in watcher._parts.values() if part.state in ("STOPPING", "STOPPED")]
        for line in lines:
            if not stopping:
                tell(line)


def _was_stopped(paths: StackPaths) -> bool:
    """Whether `palmares down` is at work or done: it forgets the supervisor at its end."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        state = load_state(paths)
        if state is None or state.supervisor is None:
            return True
        if supervisor_process(state) is None and _lock_is_free(paths):
            return (state := load_state(paths)) is None or state.supervisor is None
        time.sleep(POLL_S)
    return False


def _lock_is_free(paths: StackPaths) -> bool:
    from include.cli.stack.lock import stack_lock

    try:
        with stack_lock(paths, deadline_s=0):
            return True
    except StackError:
        return False
