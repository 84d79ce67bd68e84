"""Fetch the console of a ClearML task."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from clearml_provider.hook import ClearMLHook
from clearml_provider.operators.base import ClearMLOperator, fails_for_good

if TYPE_CHECKING:
    from airflow.sdk import Context, XComArg


class ClearMLFetchLogOperator(ClearMLOperator):
    """Return the console's last lines, or write all of it to a file.

    Consoles may quote the job's data: *show_line* decides, line by line, what leaves ClearML.

    Returns the list of lines; with *destination*, that.

    Args:
        clearml_task_id: The task.
        destination: URL (as `ClearMLFetchArtifactOperator` takes it) or path of a text file, replaced when
            it exists; None: the last *lines* are returned.
        lines: How many, without a destination.
        max_bytes: Stop there, with a destination, and say so in its last line.
        show_line: Function or dotted path, line → the line, a shortened one, or None to withhold it; the
            withheld are counted in a last line. None: every line. Keys are taken out of lines either way.
        clearml_conn_id: The connection.
    """

    template_fields: Sequence[str] = ("clearml_task_id", "destination", "clearml_conn_id")

    def __init__(
        self,
        *,
        clearml_task_id: str | XComArg,
        destination: str | XComArg | None = None,
        lines: int = 100,
        max_bytes: int = 50_000_000,
        show_line: Callable[[str], str | None] | str | None = None,
        clearml_conn_id: str = ClearMLHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.clearml_task_id = cast("str", clearml_task_id)
        self.destination = cast("str | None", destination)
        self.lines = lines
        self.max_bytes = max_bytes
        self.show_line = show_line
        self.clearml_conn_id = clearml_conn_id

    @fails_for_good
    def execute(self, context: Context) -> str | list[str]:
        """Fetch it.

        Raises:
            ClearMLConfigError, ClearMLNotFoundError: *show_line* or the destination is wrong, or there is no
                such task; not retried.
        """
        from clearml_provider import console, destinations
        from clearml_provider.endings import load_function

        show = console.guarded(load_function(self.show_line)) if self.show_line is not None else None
        task = self._found(self.clearml_task_id)
        if self.destination is None:
            return console.shown(self.hook.log_tail(task.id, lines=self.lines), show)
        destinations.local_path(self.destination)  # an empty one is told before anything is fetched
        with tempfile.TemporaryDirectory(prefix="clearml-") as name:
            file = Path(name, "console.txt")
            count = console.write(self.hook.log_lines(task.id), file, show=show, max_bytes=self.max_bytes)
            destinations.store_file(file, self.destination)
        self.log.info("Console of ClearML task %s: %d lines to %s", task.id, count, self.destination)
        return self.destination
