"""Shows how far a re-scoring run is: a bar on a terminal, lines elsewhere; always on standard error."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)

from palmares.rescoring.files import DetailsFile


class GradingProgress:
    """Moves by the bytes of the details that are done with."""

    def __init__(self, files: Sequence[DetailsFile], console: Console) -> None:
        self._sizes = {file.path: _size(file.path) for file in files}
        self._console = console
        self._bar = Progress(
            TextColumn("[progress.description]{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            DownloadColumn(),
            TextColumn("{task.fields[done]:,} of {task.fields[files]:,} files"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task(
            "Grading", total=sum(self._sizes.values()), done=0, files=len(self._sizes)
        )
        self._shares: dict[Path, float] = {}
        self._done = 0

    def __enter__(self) -> Self:
        total = sum(self._sizes.values())
        if not self._console.is_terminal:
            self._console.print(f"Grading {len(self._sizes):,} files of details, {total / 1e6:,.1f} MB …")
        self._bar.start()
        return self

    def advance(self, file: DetailsFile, share: float) -> None:
        """Count a further share of a file as done."""
        reached = self._shares.pop(file.path, 0.0) + share
        if reached > 1 - 1e-9:
            self._done += 1
        else:
            self._shares[file.path] = reached
        self._bar.update(self._task, advance=share * self._sizes.get(file.path, 0), done=self._done)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
