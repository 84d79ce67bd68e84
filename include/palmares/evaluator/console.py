"""The lines that a job means to be seen: they hold no row, prompt or generation."""

from __future__ import annotations

from palmares.contract import CONSOLE_PREFIX


def say(line: str) -> None:
    """Print one line, at once: a job that is killed has said what it did."""
    print(CONSOLE_PREFIX + " ".join(line.split()), flush=True)
