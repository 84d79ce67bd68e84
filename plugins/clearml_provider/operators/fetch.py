"""Operators that read: artifacts, consoles, numbers, and how busy queues are."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from clearml_provider.artifacts import GIB
from clearml_provider.exceptions import ClearMLArtifactError, ClearMLConfigError
from clearml_provider.hook import ClearMLHook
from clearml_provider.links import ClearMLQueuesLink
from clearml_provider.operators.base import ClearMLOperator, fails_for_good

if TYPE_CHECKING:
    from airflow.sdk import Context, XComArg


class ClearMLFetchArtifactOperator(ClearMLOperator):
    """Stream an artifact to where the next task finds it, checked by size and SHA-256, unpacked if asked.

    Nothing appears at the destination before all of it was checked; running again replaces it. Workers come
    and go: give a URL of object storage (``s3://connection@bucket/key``, opened through Airflow's
    ``ObjectStoragePath``), or a path on a disk that all workers share. What passes through this worker lies
    in its temporary folder.

    Returns the destination: of the file, or of the folder with *unpack*.

    Args:
        clearml_task_id: The task.
        artifact: The artifact's name.
        destination: URL or path of the file to write; with *unpack*, of a folder that holds nothing else.
        unpack: Unpack a zip (what the SDK makes of a folder): no paths that escape, no links, no bombs.
        max_bytes: Largest artifact accepted, whatever it claims to be.
        max_unpacked_bytes: Largest sum of the files, as written.
        max_files: Most files.
        clearml_conn_id: The connection.
    """

    template_fields: Sequence[str] = ("clearml_task_id", "artifact", "destination", "clearml_conn_id")

    def __init__(
        self,
        *,
        clearml_task_id: str | XComArg,
        artifact: str | XComArg,
        destination: str | XComArg,
        unpack: bool = False,
        max_bytes: int = 10 * GIB,
        max_unpacked_bytes: int = 20 * GIB,
        max_files: int = 10_000,
        clearml_conn_id: str = ClearMLHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.clearml_task_id = cast("str", clearml_task_id)
        self.artifact = cast("str", artifact)
        self.destination = cast("str", destination)
        self.unpack = unpack
        self.max_bytes = max_bytes
        self.max_unpacked_bytes = max_unpacked_bytes
        self.max_files = max_files
        self.clearml_conn_id = clearml_conn_id

    @fails_for_good
    def execute(self, context: Context) -> str:
        """Fetch it.

        Raises:
            ClearMLArtifactError: Missing, too large, not what was uploaded, or not safe to unpack.
            ClearMLConfigError, ClearMLNotFoundError: The destination is wrong, or there is no such task.
                None of these is retried.
            ClearMLUnavailableError: The file server did not deliver.
        """
        from clearml_provider import destinations

        local = destinations.local_path(self.destination)
        task = self._found(self.clearml_task_id)
        if local is not None and not self.unpack:
            if local.is_dir():
                raise ClearMLConfigError(f"{self.destination} is a folder: name the file to write in it.")
            self.hook.download_artifact(task.id, self.artifact, local, max_bytes=self.max_bytes)
            return self.destination
        with tempfile.TemporaryDirectory(prefix="clearml-") as name:
            file = self.hook.download_artifact(
                task.id, self.artifact, Path(name, "artifact"), max_bytes=self.max_bytes
            )
            if not self.unpack:
                destinations.store_file(file, self.destination)
                return self.destination
            folder = Path(name, "unpacked")
            self.hook.unpack_artifact(
                file, folder, max_bytes=self.max_unpacked_bytes, max_files=self.max_files
            )
            names = destinations.store_folder(folder, self.destination)
        self.log.info("Artifact %s: %d files to %s", self.artifact, len(names), self.destination)
        return self.destination


class ClearMLFetchLogOperator(ClearMLOperator):
    """Return the console's last lines, or write all of it to a file.

    Consoles may quote the job's data: *show_line* decides, line by line, what leaves ClearML.

    Returns the list of lines; with *destination*, that.

    Args:
        clearml_task_id: The task.
        destination: URL (as `ClearMLFetchArtifactOperator` takes it) or path of a text file, replaced when
            it exists; None: the last *lines* are returned.
        lines: How many, without a destination.
        max_bytes: Stop there, with a destination; its last line then names the limit.
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
        from clearml_provider.outcomes import load_function

        show = console.guarded(load_function(self.show_line)) if self.show_line is not None else None
        task = self._found(self.clearml_task_id)
        if self.destination is None:
            return console.shown(self.hook.log_tail(task.id, lines=self.lines), show)
        destinations.local_path(self.destination)  # an empty one is refused before anything is fetched
        with tempfile.TemporaryDirectory(prefix="clearml-") as name:
            file = Path(name, "console.txt")
            count = console.write(self.hook.log_lines(task.id), file, show=show, max_bytes=self.max_bytes)
            destinations.store_file(file, self.destination)
        self.log.info("Console of ClearML task %s: %d lines to %s", task.id, count, self.destination)
        return self.destination


class ClearMLFetchScalarsOperator(ClearMLOperator):
    """Return a task's single values and, if asked, its curves.

    Returns ``{"single_values": {name: value}, "scalars": {metric: {variant: {"x": […], "y": […]}}}}``.

    Args:
        clearml_task_id: The task.
        required: Names of single values that must be there.
        samples: Points of a curve; longer ones are averaged down. 0: no curves.
        clearml_conn_id: The connection.
    """

    template_fields: Sequence[str] = ("clearml_task_id", "required", "clearml_conn_id")

    def __init__(
        self,
        *,
        clearml_task_id: str | XComArg,
        required: Sequence[str] | XComArg = (),
        samples: int = 0,
        clearml_conn_id: str = ClearMLHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.clearml_task_id = cast("str", clearml_task_id)
        self.required = cast("Sequence[str]", required)
        self.samples = samples
        self.clearml_conn_id = clearml_conn_id

    @fails_for_good
    def execute(self, context: Context) -> dict[str, Any]:
        """Fetch them.

        Raises:
            ClearMLArtifactError: A required single value is not there; not retried.
            ClearMLNotFoundError: There is no such task; not retried.
        """
        task = self._found(self.clearml_task_id)
        values = self.hook.single_values(task.id)
        missing = [name for name in self.required if name not in values]
        if missing:
            raise ClearMLArtifactError(
                f"ClearML task {task.id} ({task.status}) reported no single value {missing}, found "
                f"{sorted(values)}. Look at its console for why: {self.clearml_log_url}"
            )
        scalars = self.hook.scalars(task.id, samples=self.samples) if self.samples > 0 else {}
        return {"single_values": values, "scalars": scalars}


class ClearMLQueueStatisticsOperator(ClearMLOperator):
    """Return for each queue how many tasks wait, since when, and how many agents serve it, busy or idle.

    Returns a list of ``{"queue", "queue_id", "waiting", "oldest_waiting_since", "oldest_waiting_s",
    "workers", "busy", "idle"}``, in the order asked for.

    Args:
        clearml_queues: Names of queues; None: all, sorted. An unknown name is an error, and creates nothing.
        clearml_conn_id: The connection.
    """

    template_fields: Sequence[str] = ("clearml_queues", "clearml_conn_id")
    operator_extra_links = (ClearMLQueuesLink(),)
    clearml_queues_url = ""

    def __init__(
        self,
        *,
        clearml_queues: Sequence[str] | XComArg | None = None,
        clearml_conn_id: str = ClearMLHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.clearml_queues = cast("Sequence[str] | None", clearml_queues)
        self.clearml_conn_id = clearml_conn_id

    @fails_for_good
    def execute(self, context: Context) -> list[dict[str, Any]]:
        """Ask.

        Raises:
            ClearMLConfigError: There is no such queue; not retried.
        """
        self.clearml_queues_url = self.hook.queues_url()
        found = self.hook.queue_statistics(self.clearml_queues)
        for queue in found:
            self.log.info(
                "ClearML queue %s: %d waiting, the oldest for %.0f s; %d agents, %d busy",
                queue.name,
                queue.waiting,
                queue.oldest_waiting_s,
                queue.workers,
                queue.busy,
            )
        return [queue.to_json() for queue in found]
