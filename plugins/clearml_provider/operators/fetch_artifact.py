"""Fetch what a ClearML task uploaded."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from clearml_provider.exceptions import ClearMLConfigError
from clearml_provider.hook import ClearMLHook
from clearml_provider.operators.base import ClearMLOperator, fails_for_good
from clearml_provider.unpacking import GIB

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
