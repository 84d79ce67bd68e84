"""Keeps what an attempt has answered so far on its ClearML task, for the next attempt on another machine."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import threading
import zipfile
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

from palmares.contract import UNFINISHED_ARTIFACT
from palmares.evaluator.answers import ANSWERS_NAME
from palmares.evaluator.artifact import zip_artifact
from palmares.evaluator.clearml_report import current_attempt
from palmares.evaluator.console import say

if TYPE_CHECKING:
    from clearml import Task

UPLOAD_EVERY_VARIABLE: Final = "PALMARES_UPLOAD_EVERY_S"
"""Environment variable: seconds between two uploads of what is answered so far."""
_DEFAULT_EVERY_S: Final = 180.0
_IN_TIME_S: Final = 20.0
"""What the upload may take after SIGTERM: launchers give a job about half a minute."""
_MEMBER: Final = re.compile(rf"(?!\.)[\w.+:-]+/({re.escape(ANSWERS_NAME)}|outcome\.json|details\.parquet)")


class UnfinishedUpload:
    """Takes over what an earlier attempt left, and uploads this one's answers every few minutes.

    The archive holds finished tasks and the answers of the one that runs: as hidden as the results are. It is
    removed when the results have arrived.
    """

    def __init__(self, task: Task, folder: Path, attempt: str) -> None:
        self._task = task
        self._folder = folder
        self._attempt = attempt
        self._every_s = float(os.environ.get(UPLOAD_EVERY_VARIABLE) or _DEFAULT_EVERY_S)
        self._sent = ""
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, daemon=True, name="unfinished-upload")

    def __enter__(self) -> Self:
        self._take_over()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        if isinstance(error, Exception):
            self.upload_in_time()

    def upload_in_time(self) -> None:
        """Upload now, and give up after `_IN_TIME_S` seconds: the process is about to end."""
        uploading = threading.Thread(target=self._upload, daemon=True, name="last-upload")
        uploading.start()
        uploading.join(_IN_TIME_S)

    def remove(self) -> None:
        """Take the archive off the task."""
        with self._lock:  # an upload that is under way would bring it back
            self._task.reload()
            if UNFINISHED_ARTIFACT in self._task.artifacts:
                self._task.delete_artifacts([UNFINISHED_ARTIFACT], raise_on_errors=False)

    def _take_over(self) -> None:
        """Unpack what another machine has uploaded, unless there is something of this job here."""
        tasks = self._folder / "tasks"
        artifact = self._task.artifacts.get(UNFINISHED_ARTIFACT)
        if artifact is None or (tasks.is_dir() and any(tasks.iterdir())):
            return
        arriving = self._folder / "arriving"
        shutil.rmtree(arriving, ignore_errors=True)
        try:
            copy = artifact.get_local_copy(extract_archive=False, force_download=True)
            names = _unpack(Path(copy), arriving) if copy else []
        except (OSError, ValueError, zipfile.BadZipFile):
            names = []
        if not names:
            say("what an earlier attempt answered cannot be had: all is asked again")
            return
        shutil.rmtree(tasks, ignore_errors=True)
        arriving.replace(tasks)
        say("goes on with what an earlier attempt on another machine answered")

    def _run(self) -> None:
        while not self._over.wait(self._every_s):
            self._upload()

    def _upload(self) -> None:
        """Send the tasks' folders if they have changed; a failure is made good by the next upload."""
        tasks = self._folder / "tasks"
        with self._lock, contextlib.suppress(OSError, ValueError):
            if not tasks.is_dir() or not any(tasks.iterdir()):
                return
            if current_attempt(self._task) not in {None, self._attempt}:
                return
            archive = self._folder / "unfinished.zip"
            digest = zip_artifact(tasks, archive)
            if digest != self._sent and self._task.upload_artifact(
                UNFINISHED_ARTIFACT, artifact_object=str(archive), wait_on_upload=True
            ):
                self._task.flush(wait_for_uploads=True)
                self._sent = digest


def _unpack(archive: Path, folder: Path) -> list[str]:
    """Unpack what a job may have saved, and remove the archive.

    Returns:
        Names of the files.
    """
    with zipfile.ZipFile(archive) as packed:
        names = [name for name in packed.namelist() if _MEMBER.fullmatch(name)]
        packed.extractall(folder, names)
    archive.unlink(missing_ok=True)
    return names
