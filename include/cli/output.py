"""How commands speak: one console, and progress that is live on a terminal and one line a step elsewhere."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.status import Status

console = Console(highlight=False, soft_wrap=True)


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
