"""How commands speak: one console, and progress that is live on a terminal and one line a step elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.status import Status

console = Console(highlight=False, soft_wrap=True)
errors = Console(stderr=True, highlight=False, soft_wrap=True)


class Progress:
    """The step that is under way."""

    def __init__(self) -> None:
        self._status: Status | None = None

    def __enter__(self) -> Self:
        return self

    def step(self, text: str) -> None:
        """Say what begins now; the step before it has ended."""
        if not console.is_terminal:
            console.print(f"{text} …", markup=False)
            return
        if self._status is None:
            self._status = console.status(text)
            self._status.start()
        else:
            self._status.update(text)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._status is not None:
            self._status.stop()
            self._status = None


def short_name(task: str) -> str:
    """``community|bac-fr|0`` is ``bac-fr`` to a reader."""
    parts = task.split("|")
    return parts[1] if len(parts) == 3 else task


def in_per_cent(score: Mapping[str, Any] | None) -> str:
    """``41.2 ± 3.4``; without a standard error ``0.0 [0.0, 1.9]`` or the value alone; not scored: a dash.

    Args:
        score: ``shown``, ``shown_stderr`` and ``interval`` as fractions (``ShownScore``).
    """
    if score is None:
        return "–"
    text = f"{100 * score['shown']:.1f}"
    if (stderr := score["shown_stderr"]) is not None:
        return f"{text} ± {100 * stderr:.1f}"
    interval = score["interval"]
    return text if interval is None else f"{text} [{100 * interval[0]:.1f}, {100 * interval[1]:.1f}]"


def printable(text: str) -> str:
    """Names come from strangers: no control characters and no console markup reach the terminal."""
    clean = "".join(char if char.isprintable() else "?" for char in text)
    return clean.replace("[", r"\[")
