"""The lines that a job means to be seen: they hold no row, prompt or generation."""

from __future__ import annotations

PREFIX = "palmares | "
"""Begins each of them; `leaderboard/outcomes/console.py` knows it, a test holds the two equal."""


def say(line: str) -> None:
    """Print one line, at once: a job that is killed has said what it did."""
    print(PREFIX + " ".join(line.split()), flush=True)
